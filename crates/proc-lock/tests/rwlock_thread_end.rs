//! A guard for reading in a thread-local, which the destructors of its thread reach last.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{LockTimeoutError, RwLock, RwLockReadGuard};
use std::cell::RefCell;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;
use testkit::watchdog;

const SHORT: Duration = Duration::from_millis(20);

fn lock() -> &'static RwLock<[u64; 2]> {
    static LOCK: OnceLock<RwLock<[u64; 2]>> = OnceLock::new();
    LOCK.get_or_init(|| RwLock::new([1, 1]).unwrap())
}

struct Late(Option<RwLockReadGuard<'static, [u64; 2]>>);

impl Drop for Late {
    fn drop(&mut self) {
        let held = self.0.take();
        let write = || assert!(lock().try_write().is_err(), "a writer beside a reader");
        thread::spawn(write).join().unwrap();
        drop(held);
        thread::spawn(|| drop(lock().try_write().unwrap())).join().unwrap();
    }
}

thread_local! {
    static LATE: RefCell<Late> = const { RefCell::new(Late(None)) };
}

#[test]
fn no_writer_comes_in_while_a_thread_local_guard_lives() {
    let _dog = watchdog(Duration::from_secs(60));
    thread::spawn(|| {
        // Made before the thread has a place, so destroyed after the places.
        LATE.with_borrow_mut(|late| late.0 = None);
        let reading = lock().read().unwrap();
        LATE.with_borrow_mut(|late| late.0 = Some(reading));
    })
    .join()
    .unwrap();
    assert_eq!(*lock().write().unwrap(), [1, 1]);
}

#[test]
fn the_end_of_a_thread_ends_the_reading_that_it_forgot() {
    let _dog = watchdog(Duration::from_secs(60));
    let forgotten = RwLock::new(0u8).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(forgotten.read())).join().unwrap();
    });
    drop(forgotten.write().unwrap());
}

#[test]
fn who_reads_and_wants_to_write_is_late() {
    let _dog = watchdog(Duration::from_secs(60));
    let lock = RwLock::new(0u8).unwrap();
    let reading = lock.read().unwrap();
    assert!(matches!(lock.write_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
    drop(reading);
    drop(lock.write().unwrap());
}
