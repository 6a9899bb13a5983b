//! A process that is stopped while it waits holds nobody else up.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_semaphore::{PermitPool, Semaphore};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{Outcome, SharedPage, fork, is_asleep, until, watchdog};

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

#[test]
fn those_behind_a_stopped_waiter_for_many_get_what_it_does_not_take() {
    let _dog = watchdog(Duration::from_secs(100));
    let semaphore = Semaphore::new(1).unwrap();
    let first = fork(|| semaphore.acquire_many(3).unwrap());
    until(WAIT, "the first one's sleep", || is_asleep(first.pid()));
    let mut second = fork(|| semaphore.acquire_many(2).unwrap());
    until(WAIT, "the second one's sleep", || is_asleep(second.pid()));
    first.signal(STOP);
    semaphore.release_many(2).unwrap();
    assert_eq!(second.wait_timeout(WAIT), Some(Outcome::Exited(0)));
    semaphore.acquire();
    semaphore.release_many(3).unwrap();
    first.signal(CONTINUE);
    first.assert_ok();
    assert_eq!(semaphore.value(), 0);
}

#[test]
fn those_behind_a_stopped_waiter_get_the_permits_of_a_pool() {
    let _dog = watchdog(Duration::from_secs(100));
    let (pool, page) = (PermitPool::new(1).unwrap(), SharedPage::new(1));
    let permit = pool.acquire().unwrap();
    let first = fork(|| drop(pool.acquire().unwrap()));
    until(WAIT, "the first one's sleep", || is_asleep(first.pid()));
    let mut second = fork(|| {
        let _permit = pool.acquire().unwrap();
        page[0].store(1, SeqCst);
    });
    until(WAIT, "the second one's sleep", || is_asleep(second.pid()));
    first.signal(STOP);
    drop(permit);
    assert_eq!(second.wait_timeout(WAIT), Some(Outcome::Exited(0)));
    assert_eq!(page[0].load(SeqCst), 1);
    first.signal(CONTINUE);
    first.assert_ok();
    assert_eq!(pool.available(), 1);
}

#[test]
fn a_stopped_holder_keeps_its_permit() {
    let _dog = watchdog(Duration::from_secs(100));
    let (pool, page) = (PermitPool::new(1).unwrap(), SharedPage::new(1));
    let holder = fork(|| {
        let _permit = pool.acquire().unwrap();
        page[0].store(1, SeqCst);
        until(WAIT, "the end", || page[0].load(SeqCst) == 2);
    });
    until(WAIT, "the holder", || page[0].load(SeqCst) == 1);
    holder.signal(STOP);
    assert!(pool.acquire_timeout(Duration::from_millis(30)).unwrap().is_none());
    holder.signal(CONTINUE);
    page[0].store(2, SeqCst);
    holder.assert_ok();
    assert_eq!(pool.available(), 1);
}
