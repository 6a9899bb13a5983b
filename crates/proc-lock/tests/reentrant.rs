//! The thread that holds a reentrant mutex may lock it again; no other may.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{LockError, LockTimeoutError, ReentrantMutex, TryLockError};
use std::time::Duration;
use testkit::{fork, watchdog};

const WAIT: Duration = Duration::from_secs(60);

fn is_free(mutex: &ReentrantMutex<u64>) -> bool {
    std::thread::scope(|scope| scope.spawn(|| mutex.try_lock().is_ok()).join().unwrap())
}

#[test]
fn it_is_free_when_the_last_guard_is_dropped_in_any_order() {
    let _dog = watchdog(WAIT);
    let mutex = ReentrantMutex::new(0u64).unwrap();
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [0, 2, 1]] {
        let mut guards = [
            Some(mutex.lock().unwrap()),
            Some(mutex.try_lock().unwrap()),
            Some(
                mutex.clone().lock_timeout(Duration::ZERO).map(|_| mutex.lock().unwrap()).unwrap(),
            ),
        ];
        for index in order {
            assert!(!is_free(&mutex));
            guards[index] = None;
        }
        assert!(is_free(&mutex));
        assert_eq!(mutex.owner(), None);
    }
}

#[test]
fn processes_count_without_losing_one() {
    let _dog = watchdog(WAIT);
    let mutex = ReentrantMutex::new(0u64).unwrap();
    let count = || {
        for _ in 0..5_000 {
            let outer = mutex.lock().unwrap();
            let seen = outer.get();
            let inner = mutex.lock().unwrap();
            inner.set(seen + 1);
        }
    };
    let children: Vec<_> = (0..4).map(|_| fork(count)).collect();
    children.into_iter().for_each(testkit::Child::assert_ok);
    assert_eq!(mutex.lock().unwrap().get(), 20_000);
}

#[test]
fn another_thread_is_kept_out() {
    let mutex = ReentrantMutex::new(0u64).unwrap();
    let held = mutex.lock().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            assert!(matches!(mutex.try_lock(), Err(TryLockError::WouldBlock)));
            let timed = mutex.lock_timeout(Duration::from_millis(20));
            assert!(matches!(timed, Err(LockTimeoutError::TimedOut)));
        });
    });
    drop(held);
    std::thread::scope(|scope| {
        scope.spawn(|| mutex.lock().unwrap().set(1));
    });
    assert_eq!(mutex.lock().unwrap().get(), 1);
}

#[test]
fn a_death_inside_is_told_until_it_is_repaired_however_often_it_was_locked() {
    let _dog = watchdog(WAIT);
    let mutex = ReentrantMutex::new(0u64).unwrap();
    let child = fork(|| {
        std::mem::forget(mutex.lock().unwrap());
        std::mem::forget(mutex.lock().unwrap());
    });
    child.assert_ok();
    let Err(LockError::OwnerDied(outer)) = mutex.lock() else { panic!("not told") };
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))), "still half-changed");
    outer.mark_consistent();
    drop(mutex.lock().unwrap());
    assert!(!is_free(&mutex), "the outer guard is there");
    drop(outer);
    assert!(is_free(&mutex));
}

#[test]
fn a_panic_inside_an_inner_guard_poisons() {
    let mutex = ReentrantMutex::new(7u64).unwrap();
    let other = mutex.clone();
    std::thread::spawn(move || {
        let _outer = other.lock().unwrap();
        let inner = other.lock().unwrap();
        inner.set(0);
        std::panic::resume_unwind(Box::new("inside"));
    })
    .join()
    .unwrap_err();
    assert!(mutex.is_poisoned());
    assert_eq!(mutex.lock_or_recover(|value| value.set(7)).get(), 7);
    assert!(!mutex.is_poisoned());
}

#[test]
fn copies_of_guards_in_a_forked_child_unlock_nothing() {
    let _dog = watchdog(WAIT);
    let mutex = ReentrantMutex::new(0u64).unwrap();
    let (outer, mut inner) = (mutex.lock().unwrap(), Some(mutex.lock().unwrap()));
    fork(|| {
        drop(inner.take());
        assert!(mutex.try_lock().is_err(), "the parent still has it");
    })
    .assert_ok();
    drop(inner);
    assert!(!is_free(&mutex));
    drop(outer);
    assert!(is_free(&mutex));
}

#[test]
fn unrelated_handles_of_one_path_are_one_lock_of_one_thread() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let one = ReentrantMutex::create(&path, 3u64).unwrap();
    let two = ReentrantMutex::<u64>::open(&path).unwrap();
    let three = ReentrantMutex::open_or_create(&path, 9u64).unwrap();
    let guards = (one.lock().unwrap(), two.lock().unwrap(), three.lock().unwrap());
    guards.1.set(4);
    assert_eq!(guards.0.replace(5), 4);
    ReentrantMutex::unlink(&path).unwrap();
}
