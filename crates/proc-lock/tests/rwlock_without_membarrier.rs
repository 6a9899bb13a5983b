//! Where the kernel does not fence readers there is no read-write lock, rather than one that fails now
//! and then.

#![allow(unsafe_code, reason = "installs a filter of system calls")]
#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{Mutex, RwLock};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use testkit::{fork, watchdog};

/// Has the kernel refuse `membarrier` to this process from now on.
fn forbid_membarrier() {
    let number = u32::try_from(libc::SYS_membarrier).unwrap();
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
fn a_lock_is_refused() {
    let _dog = watchdog(Duration::from_secs(60));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = RwLock::create(&path, 1u32).unwrap();
    fork(|| {
        forbid_membarrier();
        assert_eq!(RwLock::new(0u32).unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(RwLock::<u32>::open(&path).unwrap_err().kind(), ErrorKind::Unsupported);
        *Mutex::new(0u32).unwrap().lock().unwrap() += 1;
    })
    .assert_ok();
    *lock.write().unwrap() += 1;
}

#[test]
fn who_is_forbidden_later_reads_and_does_not_write_behind_readers() {
    let _dog = watchdog(Duration::from_secs(60));
    let lock = RwLock::new(1u32).unwrap();
    let reading = lock.read().unwrap();
    fork(|| {
        forbid_membarrier();
        assert_eq!(*lock.read().unwrap(), 1);
        let write = AssertUnwindSafe(|| drop(lock.write()));
        assert!(catch_unwind(write).is_err());
    })
    .assert_ok();
    drop(reading);
    *lock.try_write().unwrap() += 1;
}
