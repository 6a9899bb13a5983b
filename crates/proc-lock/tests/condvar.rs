//! A condvar lets waiters go when their data is as they want it, between threads and processes.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{Condvar, LockError, Mutex, SharedSlice, WaitTimeoutError};
use std::time::{Duration, Instant};
use testkit::{fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn nobody_waits_for_what_is_there() {
    let (mutex, condvar) = (Mutex::new(1u32).unwrap(), Condvar::new().unwrap());
    let guard = condvar.wait_while(mutex.lock().unwrap(), |value| *value == 0).unwrap();
    assert_eq!(*guard, 1);
}

#[test]
fn a_wait_lasts_until_its_timeout_and_gives_the_guard_back() {
    let (mutex, condvar) = (Mutex::new(0u32).unwrap(), Condvar::new().unwrap());
    let start = Instant::now();
    let timeout = Duration::from_millis(30);
    let waited = condvar.wait_timeout_while(mutex.lock().unwrap(), timeout, |value| *value == 0);
    assert!(start.elapsed() >= timeout);
    match waited {
        Err(WaitTimeoutError::TimedOut(mut guard)) => *guard = 5,
        _ => panic!("it did not time out"),
    }
    let again = condvar.wait_timeout_while(mutex.lock().unwrap(), timeout, |value| *value == 0);
    assert_eq!(*again.unwrap(), 5);
}

#[test]
fn processes_hand_a_ball_to_each_other() {
    let _dog = watchdog(WAIT);
    let (turn, condvar) = (Mutex::new(0u64).unwrap(), Condvar::new().unwrap());
    let play = |mine: u64| {
        for _ in 0..2_000 {
            let guard = turn.lock().unwrap();
            let mut guard = condvar.wait_while(guard, |turn| *turn % 3 != mine).unwrap();
            *guard += 1;
            // Each of the three waits for something else.
            condvar.notify_all();
        }
    };
    let children: Vec<_> = (0..3).map(|mine| fork(move || play(mine))).collect();
    children.into_iter().for_each(testkit::Child::assert_ok);
    assert_eq!(*turn.lock().unwrap(), 6_000);
}

#[test]
fn each_notification_lets_one_go() {
    let _dog = watchdog(WAIT);
    let (items, condvar) = (Mutex::new(0u64).unwrap(), Condvar::new().unwrap());
    let take = || {
        for _ in 0..3_000 {
            let guard = items.lock().unwrap();
            *condvar.wait_while(guard, |items| *items == 0).unwrap() -= 1;
        }
    };
    let children: Vec<_> = (0..4).map(|_| fork(take)).collect();
    for _ in 0..12_000 {
        *items.lock().unwrap() += 1;
        condvar.notify_one();
    }
    children.into_iter().for_each(testkit::Child::assert_ok);
    assert_eq!(*items.lock().unwrap(), 0);
}

#[test]
fn more_threads_than_there_are_places_still_wait() {
    let _dog = watchdog(WAIT);
    let (items, condvar) = (Mutex::new(0u64).unwrap(), Condvar::new().unwrap());
    std::thread::scope(|scope| {
        for _ in 0..80 {
            scope.spawn(|| {
                let guard = items.lock().unwrap();
                *condvar.wait_while(guard, |items| *items == 0).unwrap() -= 1;
            });
        }
        for _ in 0..80 {
            *items.lock().unwrap() += 1;
            condvar.notify_one();
        }
    });
    assert_eq!(*items.lock().unwrap(), 0);
}

#[test]
fn a_killed_owner_is_told_to_all_who_wait() {
    let _dog = watchdog(WAIT);
    multiproc_core::deadline::without_slices();
    let (mutex, condvar) = (Mutex::new(0u64).unwrap(), Condvar::new().unwrap());
    let wait = || {
        let waited = condvar.wait_while(mutex.lock().unwrap(), |value| *value == 0);
        assert!(matches!(waited, Err(LockError::OwnerDied(_))));
    };
    let waiters: Vec<_> = (0..3).map(|_| fork(wait)).collect();
    for child in &waiters {
        until(WAIT, "the sleep", || is_asleep(child.pid()));
    }
    let owner = fork(|| {
        condvar.notify_one();
        std::mem::forget(mutex.lock().unwrap());
    });
    owner.assert_ok();
    waiters.into_iter().for_each(testkit::Child::assert_ok);
}

#[test]
fn a_panic_in_the_condition_poisons() {
    let (mutex, condvar) = (Mutex::new(0u64).unwrap(), Condvar::new().unwrap());
    let (m, c) = (mutex.clone(), condvar.clone());
    std::thread::spawn(move || {
        let _ = c.wait_while(m.lock().unwrap(), |_| std::panic::resume_unwind(Box::new("here")));
    })
    .join()
    .unwrap_err();
    assert!(matches!(mutex.lock(), Err(LockError::Poisoned(_))));
}

#[test]
fn a_slice_is_waited_for_like_a_mutex() {
    let _dog = watchdog(WAIT);
    let (slots, condvar) = (SharedSlice::<u8>::zeroed(3).unwrap(), Condvar::new().unwrap());
    let child = fork(|| {
        let guard = slots.lock().unwrap();
        let guard = condvar.wait_while(guard, |slots| slots.contains(&0)).unwrap();
        assert_eq!(*guard, [1, 1, 1]);
    });
    for index in 0..3 {
        slots.set(index, 1);
        condvar.notify_one();
    }
    child.assert_ok();
}

#[test]
fn unrelated_handles_of_one_path_are_one_condvar() {
    let _dog = watchdog(WAIT);
    let dir = tempfile::tempdir().unwrap();
    let (m, c) = (dir.path().join("m"), dir.path().join("c"));
    let (mutex, condvar) = (Mutex::create(&m, 0u8).unwrap(), Condvar::create(&c).unwrap());
    let child = fork(|| {
        let (mutex, condvar) = (Mutex::<u8>::open(&m).unwrap(), Condvar::open(&c).unwrap());
        drop(condvar.wait_while(mutex.lock().unwrap(), |value| *value == 0).unwrap());
    });
    *mutex.lock().unwrap() = 1;
    condvar.notify_all();
    child.assert_ok();
    assert!(Condvar::open_or_create(&c).is_ok());
    assert!(Mutex::<u8>::open(&c).is_err(), "it is no mutex");
    Condvar::unlink(&c).unwrap();
    assert!(Condvar::open(&c).is_err());
}
