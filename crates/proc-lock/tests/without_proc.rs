//! A process that has shut itself off from `/proc` goes on locking, in new threads too.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::Mutex;
use std::time::Duration;
use testkit::{fork, watchdog};

#[test]
fn after_a_change_of_root() {
    let _dog = watchdog(Duration::from_secs(60));
    let dir = tempfile::tempdir().unwrap();
    let mutex = Mutex::new(0u32).unwrap();
    *mutex.lock().unwrap() += 1;
    let child = fork(|| {
        if std::os::unix::fs::chroot(dir.path()).is_err() {
            return; // Not allowed here.
        }
        std::thread::scope(|scope| {
            scope.spawn(|| *mutex.lock().unwrap() += 1);
        });
    });
    child.assert_ok();
    assert!(*mutex.lock().unwrap() >= 1);
}
