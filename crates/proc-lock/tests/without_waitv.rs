//! Where a filter forbids to sleep on several words at once, locks nap; they keep their time all the same.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{LockTimeoutError, Mutex};
use std::time::Duration;
use testkit::{forbid, fork, watchdog};

#[test]
fn a_timeout_ends_while_the_lock_is_held() {
    let _dog = watchdog(Duration::from_secs(100));
    let lock = Mutex::new(1_u32).unwrap();
    let held = lock.lock().unwrap();
    let mut late = fork(|| {
        forbid(libc::SYS_futex_waitv);
        let locked = lock.lock_timeout(Duration::from_millis(50));
        assert!(matches!(locked, Err(LockTimeoutError::TimedOut)));
    });
    let ended = late.wait_timeout(Duration::from_secs(30));
    assert_eq!(ended, Some(testkit::Outcome::Exited(0)), "it waits for the owner");
    drop(held);
}

#[test]
fn a_lock_is_had_after_its_owner() {
    let _dog = watchdog(Duration::from_secs(100));
    let lock = Mutex::new(1_u32).unwrap();
    let held = lock.lock().unwrap();
    let next = fork(|| {
        forbid(libc::SYS_futex_waitv);
        *lock.lock().unwrap() += 1;
    });
    std::thread::sleep(Duration::from_millis(20));
    drop(held);
    next.assert_ok();
    assert_eq!(*lock.lock().unwrap(), 2);
}
