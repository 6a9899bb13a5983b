//! Between threads of one process the mutex behaves as std's.

use proc_lock::{LockError, LockTimeoutError, Mutex, TryLockError};
use std::time::{Duration, Instant};

#[test]
fn threads_exclude_each_other() {
    let mutex = Mutex::new(0u64).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    *mutex.lock().unwrap() += 1;
                }
            });
        }
    });
    assert_eq!(*mutex.lock().unwrap(), 80_000);
}

#[test]
fn a_held_lock_would_block_and_times_out() {
    let mutex = Mutex::new(()).unwrap();
    let held = mutex.lock().unwrap();
    assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            let error = mutex.lock_timeout(Duration::from_millis(30)).unwrap_err();
            assert!(matches!(error, LockTimeoutError::TimedOut));
            assert!(start.elapsed() >= Duration::from_millis(30));
            assert_eq!(error.to_string(), "the lock was held until the timeout");
        });
    });
    drop(held);
    drop(mutex.try_lock().unwrap());
    drop(mutex.lock_timeout(Duration::ZERO).unwrap());
}

#[test]
fn a_panic_inside_poisons_until_repaired() {
    let mutex = Mutex::new(1i32).unwrap();
    let poisoner = mutex.clone();
    std::thread::spawn(move || {
        let mut guard = poisoner.lock().unwrap();
        *guard = -1;
        std::panic::resume_unwind(Box::new("inside"));
    })
    .join()
    .unwrap_err();
    assert!(mutex.is_poisoned());
    assert!(matches!(mutex.lock(), Err(LockError::Poisoned(_))));
    assert!(matches!(mutex.try_lock(), Err(TryLockError::Poisoned(_))), "and the next one is told");
    assert_eq!(*mutex.lock_or_recover(|value| *value = 1), 1);
    assert!(!mutex.is_poisoned());
    drop(mutex.lock().unwrap());
}

#[test]
fn locking_twice_in_one_thread_panics_instead_of_waiting_for_ever() {
    let mutex = Mutex::new(0u8).unwrap();
    let held = mutex.lock().unwrap();
    let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(mutex.lock())));
    assert!(again.is_err());
    drop(held);
    drop(mutex.lock().unwrap());
}

#[test]
fn clones_are_handles_to_one_value() {
    let one = Mutex::new([1u16, 2, 3]).unwrap();
    let other = one.clone();
    one.lock().unwrap()[1] = 9;
    drop(one);
    assert_eq!(*other.lock().unwrap(), [1, 9, 3]);
    assert!(format!("{other:?}").contains("owner: None"));
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Mutex<u64>>();
    check::<proc_lock::Error>();
}
