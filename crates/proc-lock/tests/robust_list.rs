//! The lock lives in libc's list of held robust locks and gets along with what else is there.

#![allow(unsafe_code, reason = "ends processes on the spot")]

mod pthread;

use proc_lock::{LockError, Mutex};
use pthread::Pthread;
use std::time::Duration;
use testkit::{fork, until, watchdog};

const WAIT: Duration = Duration::from_secs(20);

#[test]
fn libc_mutexes_can_be_locked_in_between_and_unlocked_in_any_order() {
    let _dog = watchdog(WAIT);
    let (ours, theirs): (Vec<_>, Vec<_>) =
        (0..4).map(|i| (Mutex::new(i).unwrap(), Pthread::new())).unzip();
    // Unlock in many orders, so that every kind of neighbour leaves before, between and after.
    for order in 0..5040usize {
        let mut guards: Vec<_> = ours
            .iter()
            .zip(&theirs)
            .map(|(our, their)| {
                assert!(their.lock());
                Some(our.lock().unwrap())
            })
            .collect();
        let mut left: Vec<usize> = (0..8).collect();
        let mut rest = order;
        while !left.is_empty() {
            let next = left.remove(rest % left.len());
            rest /= left.len() + 1;
            if next < 4 { drop(guards[next].take()) } else { theirs[next - 4].unlock() }
        }
    }
    // All are free, and each death is still told, whichever was locked last.
    for last_is_ours in [false, true] {
        let child = fork(|| {
            let _guards: Vec<_> = ours
                .iter()
                .zip(&theirs)
                .map(|(our, their)| {
                    if last_is_ours {
                        assert!(their.lock());
                        std::mem::forget(our.lock().unwrap());
                    } else {
                        std::mem::forget(our.lock().unwrap());
                        assert!(their.lock());
                    }
                })
                .collect();
            // SAFETY: ends the process on the spot, everything held.
            unsafe { libc::_exit(0) };
        });
        child.assert_ok();
        for (our, their) in ours.iter().zip(&theirs) {
            assert!(matches!(our.lock(), Err(LockError::OwnerDied(_))));
            drop(our.lock_or_recover(|_| ()));
            assert!(!their.lock(), "its owner died");
            their.unlock();
        }
    }
}

#[test]
fn a_thread_that_ends_with_its_guard_forgotten_counts_as_dead() {
    let _dog = watchdog(WAIT);
    let mutex = Mutex::new(0u8).unwrap();
    let other = mutex.clone();
    std::thread::spawn(move || std::mem::forget(other.lock().unwrap())).join().unwrap();
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
}

#[test]
fn a_forgotten_guard_keeps_its_mapping_so_that_older_locks_are_not_lost() {
    let _dog = watchdog(WAIT);
    let older = Mutex::new(0u8).unwrap();
    let child = fork(|| {
        std::mem::forget(older.lock().unwrap());
        let newer = Mutex::new(0u8).unwrap();
        std::mem::forget(newer.lock().unwrap());
        drop(newer);
        // The chain now goes through what would be unmapped memory.
        let third = Mutex::new(0u8).unwrap();
        drop(third.lock().unwrap());
    });
    child.assert_ok();
    assert!(matches!(older.lock(), Err(LockError::OwnerDied(_))));
}

#[test]
fn more_locks_than_the_kernel_looks_after_are_refused_and_the_rest_recovered() {
    let _dog = watchdog(Duration::from_secs(60));
    let mutexes: Vec<_> = (0..1_901).map(|_| Mutex::new(()).unwrap()).collect();
    let child = fork(|| {
        for mutex in &mutexes[..1_900] {
            std::mem::forget(mutex.lock().unwrap());
        }
        assert!(mutexes[1_900].try_lock().is_err());
        // SAFETY: ends the process on the spot, everything held.
        unsafe { libc::_exit(0) };
    });
    child.assert_ok();
    for mutex in &mutexes[..1_900] {
        assert!(matches!(mutex.try_lock(), Err(proc_lock::TryLockError::OwnerDied(_))));
    }
}

#[test]
fn a_process_that_becomes_another_program_gives_its_locks_up() {
    let _dog = watchdog(WAIT);
    let mutex = Mutex::new(0u8).unwrap();
    let child = fork(|| {
        std::mem::forget(mutex.lock().unwrap());
        let (sleep, second) = (c"sleep".as_ptr(), c"10".as_ptr());
        // SAFETY: three valid strings and the closing null.
        unsafe { libc::execlp(sleep, sleep, second, std::ptr::null::<libc::c_char>()) };
    });
    until(WAIT, "the exec", || {
        drop(mutex.try_lock());
        mutex.is_poisoned()
    });
    let comm = format!("/proc/{}/comm", child.pid());
    until(WAIT, "its new name", || {
        std::fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n")
    });
    child.kill();
}
