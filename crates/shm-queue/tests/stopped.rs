//! A process that is stopped while it waits at an end holds nobody else up there.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::bounded;
use std::time::Duration;
use testkit::{Outcome, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(30);
const STOP: i32 = 19;
const CONTINUE: i32 = 18;

#[test]
fn an_idle_receiver() {
    let _dog = watchdog(Duration::from_secs(100));
    let (tx, rx) = bounded::<u64>(8).unwrap();
    let first = fork(|| assert!(rx.recv().is_ok()));
    until(WAIT, "the first one's sleep", || is_asleep(first.pid()));
    let mut second = fork(|| assert!(rx.recv().is_ok()));
    until(WAIT, "the second one's sleep", || is_asleep(second.pid()));
    first.signal(STOP);
    tx.send(1).unwrap();
    assert_eq!(rx.recv_timeout(WAIT), Ok(1), "one who comes now");
    tx.send(2).unwrap();
    assert_eq!(second.wait_timeout(WAIT), Some(Outcome::Exited(0)), "one who was waiting, too");
    tx.send(3).unwrap();
    first.signal(CONTINUE);
    first.assert_ok();
    assert!(rx.is_empty());
}

#[test]
fn a_sender_that_waits_for_room() {
    let _dog = watchdog(Duration::from_secs(100));
    let (tx, rx) = bounded::<u64>(1).unwrap();
    tx.send(0).unwrap();
    let first = fork(|| tx.send(1).unwrap());
    until(WAIT, "the sender's sleep", || is_asleep(first.pid()));
    first.signal(STOP);
    assert_eq!(rx.recv(), Ok(0));
    tx.send_timeout(2, WAIT).unwrap();
    assert_eq!(rx.recv(), Ok(2));
    first.signal(CONTINUE);
    assert_eq!(rx.recv_timeout(WAIT), Ok(1));
    first.assert_ok();
}
