//! The barrier has std's shape and Python's outcomes: leaders, actions, timeouts, aborts and resets.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{Barrier, BarrierTimeoutError, BrokenBarrier, Parties};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};
use testkit::{until, watchdog};

const DOG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(20);

#[test]
fn nobody_goes_on_before_all_have_come_and_one_leads() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(5).unwrap();
    let (came, leaders) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                for round in 1..=300 {
                    came.fetch_add(1, SeqCst);
                    let result = barrier.wait().unwrap();
                    assert!(came.load(SeqCst) >= 5 * round, "went on too early");
                    leaders.fetch_add(u32::from(result.is_leader()), SeqCst);
                    barrier.wait().unwrap();
                }
            });
        }
    });
    assert_eq!(leaders.load(SeqCst), 300);
    assert_eq!((barrier.waiting(), barrier.is_broken()), (0, false));
}

#[test]
fn more_threads_than_parties_take_turns() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(2).unwrap();
    let (leaders, waits) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                // As many waits in all, not each: the slowest one would be left alone with its own.
                while waits.fetch_add(1, SeqCst) < 600 {
                    let result = barrier.wait().unwrap();
                    leaders.fetch_add(u32::from(result.is_leader()), SeqCst);
                }
            });
        }
    });
    assert_eq!(leaders.load(SeqCst), 300, "each round lets two go, and one leads");
}

#[test]
fn the_action_is_over_before_anybody_goes_on() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(3).unwrap();
    let (begun, ended) = (AtomicU32::new(0), AtomicU32::new(0));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for round in 1..=50 {
                    let action = || {
                        begun.fetch_add(1, SeqCst);
                        thread::sleep(Duration::from_micros(100));
                        ended.fetch_add(1, SeqCst);
                    };
                    barrier.wait_with(action).unwrap();
                    assert!(ended.load(SeqCst) >= round);
                }
            });
        }
    });
    assert_eq!((begun.load(SeqCst), ended.load(SeqCst)), (50, 50));
}

#[test]
fn who_comes_while_a_leader_acts_is_in_the_next_round() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(1).unwrap();
    let acts = AtomicU32::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            let result = barrier.wait_with(|| {
                acts.store(1, SeqCst);
                thread::sleep(SHORT);
                acts.store(2, SeqCst);
            });
            assert!(result.unwrap().is_leader());
        });
        until(DOG, "the action", || acts.load(SeqCst) >= 1);
        assert!(barrier.wait().unwrap().is_leader());
        assert_eq!(acts.load(SeqCst), 2);
    });
}

#[test]
fn a_timeout_breaks_the_barrier_for_all() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(3).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait());
        until(DOG, "the other", || barrier.waiting() == 1);
        let start = Instant::now();
        assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierTimeoutError::TimedOut));
        assert!(start.elapsed() >= SHORT);
        assert_eq!(other.join().unwrap(), Err(BrokenBarrier));
    });
    assert!(barrier.is_broken());
    assert_eq!(barrier.wait(), Err(BrokenBarrier));
    assert_eq!(barrier.wait_timeout(SHORT), Err(BarrierTimeoutError::Broken));
}

#[test]
fn the_last_one_needs_no_time() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(2).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait_timeout(DOG).unwrap());
        until(DOG, "the other", || barrier.waiting() == 1);
        assert!(barrier.wait_timeout(Duration::ZERO).unwrap().is_leader());
        assert!(!other.join().unwrap().is_leader());
    });
}

#[test]
fn abort_tells_those_who_wait_and_reset_starts_again() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(2).unwrap();
    for end in [Barrier::abort, Barrier::reset] {
        thread::scope(|scope| {
            let other = scope.spawn(|| barrier.wait());
            until(DOG, "the other", || barrier.waiting() == 1);
            end(&barrier);
            assert_eq!(other.join().unwrap(), Err(BrokenBarrier));
        });
        barrier.reset();
        thread::scope(|scope| {
            scope.spawn(|| barrier.wait().unwrap());
            barrier.wait().unwrap();
        });
    }
}

#[test]
fn a_round_that_ended_well_did_so_whatever_comes_then() {
    let _dog = watchdog(DOG);
    for _ in 0..300 {
        let barrier = Barrier::new(2).unwrap();
        thread::scope(|scope| {
            let other = scope.spawn(|| barrier.wait());
            let leads = barrier.wait().unwrap().is_leader();
            barrier.abort();
            barrier.reset();
            // The other may be late to look, and later still to come.
            match other.join().unwrap() {
                Ok(result) => assert_ne!(result.is_leader(), leads),
                Err(BrokenBarrier) => panic!("its round had ended well"),
            }
        });
    }
}

#[test]
fn an_action_that_panics_breaks_the_barrier() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(2).unwrap();
    thread::scope(|scope| {
        let other = scope.spawn(|| barrier.wait());
        until(DOG, "the other", || barrier.waiting() == 1);
        let action = AssertUnwindSafe(|| barrier.wait_with(|| panic!("in the action")));
        assert!(catch_unwind(action).is_err());
        assert_eq!(other.join().unwrap(), Err(BrokenBarrier));
    });
    assert!(barrier.is_broken());
    let alone = Barrier::new(1).unwrap();
    let recursive = AssertUnwindSafe(|| alone.wait_with(|| assert!(alone.wait().is_ok())));
    assert!(catch_unwind(recursive).is_err());
}

#[test]
fn threads_that_end_are_missed_by_nobody() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(3).unwrap();
    for _ in 0..60 {
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| barrier.wait().unwrap());
            }
        });
    }
    let again = barrier.clone();
    drop(barrier);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| again.wait().unwrap());
        }
    });
}

#[test]
fn numbers_that_make_no_barrier_are_refused() {
    for parties in
        [Parties::from(0), 127.into(), Parties::shrinking(0), Parties::shrinking(1 << 31)]
    {
        let error = Barrier::new(parties).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
    assert_eq!(Barrier::new(126).unwrap().parties(), 126);
}

#[test]
fn programs_meet_at_a_path() {
    let _dog = watchdog(DOG);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("start");
    let mine = Barrier::open_or_create(&path, Parties::shrinking(2)).unwrap();
    assert!(Barrier::create(&path, 2).is_err());
    let theirs = Barrier::open_or_create(&path, 77).unwrap();
    assert_eq!(theirs.parties(), 2);
    thread::scope(|scope| {
        scope.spawn(|| theirs.wait().unwrap());
        mine.wait().unwrap();
    });
    Barrier::unlink(&path).unwrap();
    assert!(Barrier::open(&path).is_err());
}
