//! Many permits at once: all or none, nobody held up by halves, the large not starved by the small.

use proc_semaphore::{BoundedSemaphore, Semaphore};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::{Outcome, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(30);

#[test]
fn all_or_none_are_taken() {
    let semaphore = Semaphore::new(3).unwrap();
    assert!(!semaphore.try_acquire_many(4));
    assert_eq!(semaphore.value(), 3);
    assert!(semaphore.try_acquire_many(2));
    assert!(!semaphore.acquire_many_timeout(2, Duration::from_millis(10)));
    assert_eq!(semaphore.value(), 1);
    semaphore.release_many(7).unwrap();
    semaphore.acquire_many(8).unwrap();
    assert_eq!(semaphore.value(), 0);
}

#[test]
fn none_are_always_there() {
    let semaphore = BoundedSemaphore::new(0).unwrap();
    semaphore.acquire_many(0).unwrap();
    assert!(semaphore.try_acquire_many(0));
    assert!(semaphore.acquire_many_timeout(0, Duration::ZERO));
    semaphore.release_many(0).unwrap();
}

#[test]
fn more_than_may_be_are_refused_at_once() {
    let semaphore = BoundedSemaphore::new(3).unwrap();
    let error = semaphore.acquire_many(4).unwrap_err();
    assert_eq!(error.bound(), 3);
    assert_eq!(error.to_string(), "too many permits asked for: the semaphore may hold 3");
    assert!(!semaphore.try_acquire_many(4));
    assert!(!semaphore.acquire_many_timeout(u32::MAX, Duration::MAX));
    assert_eq!(semaphore.value(), 3);
}

#[test]
fn a_release_of_many_is_within_the_bound_or_not_at_all() {
    let semaphore = BoundedSemaphore::new(3).unwrap();
    semaphore.acquire_many(2).unwrap();
    assert!(semaphore.release_many(3).is_err());
    assert!(semaphore.release_many(u32::MAX).is_err());
    assert_eq!(semaphore.value(), 1);
    semaphore.release_many(2).unwrap();
}

#[test]
fn the_last_permit_wakes_one_who_waits_for_many() {
    let _dog = watchdog(WAIT * 2);
    // 5,000 in one step are more than the kernel can add.
    for releases in [&[1, 1, 1][..], &[2, 1], &[1, 2], &[3], &[1, 4_999], &[2, 5_000]] {
        let wanted = releases.iter().sum();
        let semaphore = Semaphore::new(0).unwrap();
        let waiter = fork(|| semaphore.acquire_many(wanted).unwrap());
        until(WAIT, "the waiter's sleep", || is_asleep(waiter.pid()));
        for n in releases {
            semaphore.release_many(*n).unwrap();
        }
        waiter.assert_ok();
        assert_eq!(semaphore.value(), 0);
    }
}

#[test]
fn one_release_of_many_lets_all_in_line_go() {
    let _dog = watchdog(WAIT * 2);
    let semaphore = BoundedSemaphore::new(9).unwrap();
    semaphore.acquire_many(9).unwrap();
    let waiters = [1, 3, 2, 3].map(|n| {
        let child = fork(|| semaphore.acquire_many(n).unwrap());
        until(WAIT, "the waiter's sleep", || is_asleep(child.pid()));
        child
    });
    semaphore.release_many(9).unwrap();
    for waiter in waiters {
        waiter.assert_ok();
    }
    assert_eq!(semaphore.value(), 0);
}

#[test]
fn two_who_want_more_than_half_do_not_hold_each_other_up() {
    let _dog = watchdog(WAIT * 3);
    let semaphore = BoundedSemaphore::new(5).unwrap();
    let body = || {
        for _ in 0..2_000 {
            semaphore.acquire_many(3).unwrap();
            semaphore.release_many(3).unwrap();
        }
    };
    let children = [fork(body), fork(body), fork(body)];
    for child in children {
        child.assert_ok();
    }
    assert_eq!(semaphore.value(), 5);
}

#[test]
fn the_small_do_not_starve_the_large() {
    let _dog = watchdog(WAIT * 3);
    let semaphore = Semaphore::new(4).unwrap();
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !end.load(SeqCst) {
                    semaphore.acquire();
                    std::thread::sleep(Duration::from_micros(300));
                    semaphore.release().unwrap();
                }
            });
        }
        std::thread::sleep(Duration::from_millis(20));
        // The three have at least one permit between them nearly always.
        for _ in 0..20 {
            semaphore.acquire_many(4).unwrap();
            semaphore.release_many(4).unwrap();
        }
        end.store(true, SeqCst);
    });
    assert_eq!(semaphore.value(), 4);
}

#[test]
fn one_who_gives_up_leaves_the_way_free() {
    let semaphore = Semaphore::new(2).unwrap();
    let start = Instant::now();
    assert!(!semaphore.acquire_many_timeout(3, Duration::from_millis(20)));
    assert!(start.elapsed() >= Duration::from_millis(20));
    assert!(semaphore.acquire_timeout(Duration::ZERO));
    semaphore.acquire();
}

#[test]
fn one_who_is_killed_waiting_leaves_the_way_free() {
    let _dog = watchdog(WAIT * 2);
    let semaphore = Semaphore::new(2).unwrap();
    let waiter = fork(|| semaphore.acquire_many(3).unwrap());
    until(WAIT, "the waiter's sleep", || is_asleep(waiter.pid()));
    assert!(semaphore.try_acquire(), "takes what is there, past the line");
    waiter.kill();
    assert_eq!(waiter.wait(), Outcome::Signaled(9));
    semaphore.acquire();
    assert_eq!(semaphore.value(), 0);
}
