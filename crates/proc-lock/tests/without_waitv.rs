//! Where a filter forbids to sleep on several words at once, locks nap; they keep their time all the same.

#![allow(unsafe_code, reason = "installs a filter of system calls")]
#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{LockTimeoutError, Mutex};
use std::time::Duration;
use testkit::{fork, watchdog};

/// Has the kernel refuse `futex_waitv` to this process from now on.
fn forbid_waitv() {
    let number = u32::try_from(libc::SYS_futex_waitv).unwrap();
    let filter = [
        // Load the number of the system call; if it is that one, return EPERM; else allow it.
        libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: number },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::EPERM.unsigned_abs() },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_ptr().cast_mut() };
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let (set, mode) = (libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER);
    // SAFETY: the kernel copies the program, which is whole.
    assert_eq!(unsafe { libc::prctl(set, mode, &raw const program) }, 0);
}

#[test]
fn a_timeout_ends_while_the_lock_is_held() {
    let _dog = watchdog(Duration::from_secs(100));
    let lock = Mutex::new(1_u32).unwrap();
    let held = lock.lock().unwrap();
    let mut late = fork(|| {
        forbid_waitv();
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
        forbid_waitv();
        *lock.lock().unwrap() += 1;
    });
    std::thread::sleep(Duration::from_millis(20));
    drop(held);
    next.assert_ok();
    assert_eq!(*lock.lock().unwrap(), 2);
}
