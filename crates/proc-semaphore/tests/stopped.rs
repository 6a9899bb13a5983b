//! A process that is stopped while it waits holds nobody else up.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_semaphore::Semaphore;
use std::time::Duration;
use testkit::{Outcome, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(30);
const STOP: i32 = 19;
const CONTINUE: i32 = 18;

#[test]
fn those_behind_a_stopped_waiter_get_the_permits_that_there_are() {
    let _dog = watchdog(Duration::from_secs(100));
    let semaphore = Semaphore::new(0).unwrap();
    let first = fork(|| semaphore.acquire());
    until(WAIT, "the first one's sleep", || is_asleep(first.pid()));
    let mut second = fork(|| semaphore.acquire());
    until(WAIT, "the second one's sleep", || is_asleep(second.pid()));
    first.signal(STOP);
    for _ in 0..2 {
        semaphore.release().unwrap();
    }
    assert_eq!(second.wait_timeout(WAIT), Some(Outcome::Exited(0)));
    first.signal(CONTINUE);
    first.assert_ok();
    assert_eq!(semaphore.value(), 0);
}
