//! Where the kernel does not fence readers there is no read-write lock, rather than one that fails now
//! and then.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{Mutex, RwLock};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;
use testkit::{forbid, fork, watchdog};

#[test]
fn a_lock_is_refused() {
    let _dog = watchdog(Duration::from_secs(60));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = RwLock::create(&path, 1u32).unwrap();
    fork(|| {
        forbid(libc::SYS_membarrier);
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
        forbid(libc::SYS_membarrier);
        assert_eq!(*lock.read().unwrap(), 1);
        let write = AssertUnwindSafe(|| drop(lock.write()));
        assert!(catch_unwind(write).is_err());
    })
    .assert_ok();
    drop(reading);
    *lock.try_write().unwrap() += 1;
}
