//! The read-write lock has std's shape: many readers or one writer, poison, timeouts; and it travels by
//! path.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{LockError, LockTimeoutError, RwLock, RwLockWriteGuard, TryLockError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use testkit::watchdog;

const DOG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

fn would_block<G>(result: Result<G, TryLockError<G>>) -> bool {
    matches!(result, Err(TryLockError::WouldBlock))
}

#[test]
fn many_read_at_a_time_and_one_writes() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(7u64).unwrap();
    let (one, other) = (lock.read().unwrap(), lock.try_read().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(*lock.read().unwrap(), 7);
            assert!(would_block(lock.try_write()));
        });
    });
    assert_eq!(*one + *other, 14);
    drop((one, other));
    let mut writing = lock.write().unwrap();
    *writing += 1;
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(would_block(lock.try_read()));
            assert!(would_block(lock.try_write()));
            let start = Instant::now();
            assert!(matches!(lock.read_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
            assert!(matches!(lock.write_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
            assert!(start.elapsed() >= SHORT * 2);
        });
    });
    drop(writing);
    assert_eq!(*lock.read().unwrap(), 8);
}

#[test]
fn a_writer_that_gives_up_leaves_the_readers_alone() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(0u8).unwrap();
    let reading = lock.read().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(matches!(lock.write_timeout(SHORT), Err(LockTimeoutError::TimedOut)));
            assert!(would_block(lock.try_write()));
            drop(lock.try_read().unwrap());
        });
    });
    drop(reading);
    drop(lock.try_write().unwrap());
}

#[test]
fn who_reads_may_read_again_while_a_writer_waits() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(0u8).unwrap();
    let waits = AtomicBool::new(false);
    let reading = lock.read().unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            waits.store(true, SeqCst);
            *lock.write().unwrap() += 1;
        });
        // A newcomer waits for the writer, once that is there.
        let newcomer = || would_block(lock.try_read());
        while !waits.load(SeqCst) || !scope.spawn(newcomer).join().unwrap() {
            thread::yield_now();
        }
        let again = lock.read().unwrap();
        assert_eq!(*lock.try_read().unwrap(), 0);
        drop(reading);
        assert_eq!(*again, 0);
    });
    assert_eq!(*lock.read().unwrap(), 1);
}

#[test]
fn who_would_wait_for_itself_is_told() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(0u8).unwrap();
    let dies = |f: &dyn Fn()| catch_unwind(AssertUnwindSafe(f)).is_err();
    {
        let _reading = lock.read().unwrap();
        assert!(would_block(lock.try_write()));
        assert!(dies(&|| drop(lock.write())));
        drop(lock.read().unwrap());
    }
    {
        let _writing = lock.write().unwrap();
        assert!(would_block(lock.try_write()));
        assert!(would_block(lock.try_read()));
        assert!(dies(&|| drop(lock.write())));
        assert!(dies(&|| drop(lock.read())));
    }
    drop(lock.try_write().unwrap());
}

#[test]
fn a_writer_that_panics_poisons_and_a_reader_does_not() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new([1u32, 1]).unwrap();
    let panics = |f: &dyn Fn()| assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
    panics(&|| {
        let _reading = lock.read().unwrap();
        panic!("while it reads");
    });
    assert!(!lock.is_poisoned());
    panics(&|| {
        lock.write().unwrap()[0] = 2;
        let _writing = lock.write().unwrap();
        panic!("while it writes");
    });
    assert!(lock.is_poisoned());
    assert!(matches!(lock.read(), Err(LockError::Poisoned(both)) if *both == [2, 1]));
    assert!(matches!(lock.try_write(), Err(TryLockError::Poisoned(_))));
    drop(lock.write_or_recover(|both| both[1] = both[0]));
    assert_eq!(*lock.read().unwrap(), [2, 2]);
}

#[test]
fn a_thread_that_ends_while_it_writes_is_told_of_and_one_that_reads_is_not() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(0u8).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(lock.read()));
    });
    drop(lock.write().unwrap());
    thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(lock.write()));
    });
    assert!(matches!(lock.read(), Err(LockError::OwnerDied(_))));
    lock.write().unwrap_err().into_inner().mark_consistent();
    drop(lock.read().unwrap());
}

#[test]
fn a_downgraded_writer_reads_with_others_and_keeps_writers_out() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(0u8).unwrap();
    let mut writing = lock.write().unwrap();
    *writing = 5;
    let reading = RwLockWriteGuard::downgrade(writing);
    thread::scope(|scope| {
        scope.spawn(|| {
            assert_eq!(*lock.read().unwrap(), 5);
            assert!(would_block(lock.try_write()));
        });
    });
    drop(reading);
    drop(lock.try_write().unwrap());
}

#[test]
fn beyond_the_last_place_readers_read_all_the_same() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(3u8).unwrap();
    let all = std::sync::Barrier::new(127);
    thread::scope(|scope| {
        for _ in 0..126 {
            scope.spawn(|| {
                drop(lock.read().unwrap()); // It keeps its place until it ends.
                all.wait();
                all.wait();
            });
        }
        all.wait();
        let (one, other) = (lock.read().unwrap(), lock.try_read().unwrap());
        scope.spawn(|| assert!(would_block(lock.try_write()))).join().unwrap();
        drop(one);
        scope.spawn(|| assert!(would_block(lock.try_write()))).join().unwrap();
        assert_eq!(*other, 3);
        drop(other);
        drop(lock.try_write().unwrap());
        all.wait();
    });
}

#[test]
fn programs_meet_at_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mine = RwLock::create(&path, [1u64; 20]).unwrap();
    assert!(RwLock::create(&path, [0u64; 20]).is_err());
    let theirs = RwLock::<[u64; 20]>::open(&path).unwrap();
    mine.write().unwrap()[19] = 2;
    assert_eq!(theirs.read().unwrap()[19], 2);
    assert_eq!(RwLock::<u32>::open(&path).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    RwLock::unlink(&path).unwrap();
    assert!(RwLock::<[u64; 20]>::open(&path).is_err());
}
