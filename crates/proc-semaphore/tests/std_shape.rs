//! Between threads of one process: permits are counted, waits end, bounds hold.

use proc_semaphore::{BoundedSemaphore, MAX_PERMITS, Semaphore};
use std::error::Error as _;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

#[test]
fn permits_are_counted() {
    let semaphore = Semaphore::new(2).unwrap();
    assert!(semaphore.try_acquire());
    semaphore.acquire();
    assert!(!semaphore.try_acquire());
    assert_eq!(semaphore.value(), 0);
    for _ in 0..5 {
        semaphore.release().unwrap();
    }
    assert_eq!(semaphore.value(), 5, "more than it began with: anybody may release");
}

#[test]
fn a_wait_lasts_until_its_timeout() {
    let semaphore = Semaphore::new(0).unwrap();
    let start = Instant::now();
    assert!(!semaphore.acquire_timeout(Duration::from_millis(30)));
    assert!(start.elapsed() >= Duration::from_millis(30));
    semaphore.release().unwrap();
    assert!(semaphore.acquire_timeout(Duration::ZERO));
}

#[test]
fn a_release_wakes_a_waiter_and_each_waiter_in_turn() {
    let semaphore = Semaphore::new(0).unwrap();
    std::thread::scope(|scope| {
        let waiters: Vec<_> = (0..4).map(|_| scope.spawn(|| semaphore.acquire())).collect();
        std::thread::sleep(Duration::from_millis(20));
        for _ in 0..4 {
            semaphore.release().unwrap();
        }
        for waiter in waiters {
            waiter.join().unwrap();
        }
    });
    assert_eq!(semaphore.value(), 0);
}

#[test]
fn never_more_are_inside_than_there_are_permits() {
    let semaphore = BoundedSemaphore::new(2).unwrap();
    let inside = AtomicI32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                for _ in 0..5_000 {
                    semaphore.acquire();
                    assert!(inside.fetch_add(1, SeqCst) < 2);
                    inside.fetch_sub(1, SeqCst);
                    semaphore.release().unwrap();
                }
            });
        }
    });
    assert_eq!(semaphore.value(), 2);
}

#[test]
fn the_bound_holds_when_many_release_to_waiters_at_once() {
    // At zero permits with a waiter, the releasers of the bounded form must not add blindly.
    for _ in 0..300 {
        let semaphore = BoundedSemaphore::new(1).unwrap();
        semaphore.acquire();
        let accepted: usize = std::thread::scope(|scope| {
            scope.spawn(|| assert!(semaphore.acquire_timeout(Duration::from_secs(20))));
            std::thread::sleep(Duration::from_micros(200));
            let releasers: Vec<_> =
                (0..3).map(|_| scope.spawn(|| usize::from(semaphore.release().is_ok()))).collect();
            releasers.into_iter().map(|releaser| releaser.join().unwrap()).sum()
        });
        // One permit at most at a time: the waiter may have taken the first before the second came.
        assert!(semaphore.value() <= 1);
        assert_eq!(semaphore.value() as usize, accepted - 1);
    }
}

#[test]
fn a_release_too_many_is_refused_and_changes_nothing() {
    let semaphore = BoundedSemaphore::new(1).unwrap();
    assert_eq!(semaphore.release().unwrap_err().bound(), 1);
    assert_eq!(semaphore.value(), 1);
    assert!(BoundedSemaphore::new(0).unwrap().release().is_err());
}

#[test]
fn too_many_permits_are_refused_by_number() {
    let error = Semaphore::new(MAX_PERMITS + 1).unwrap_err();
    assert_eq!(error.to_string(), "failed to create a semaphore");
    assert_eq!(error.source().unwrap().to_string(), "1073741824 permits are more than 1073741823");
    let full = Semaphore::new(MAX_PERMITS).unwrap();
    assert!(full.release().is_err());
}

#[test]
fn the_two_forms_are_not_taken_for_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let made = BoundedSemaphore::create(&path, 3).unwrap();
    assert!(BoundedSemaphore::open(&path).unwrap().try_acquire());
    assert_eq!(made.value(), 2);
    let error = Semaphore::open(&path).unwrap_err();
    assert_eq!(
        error.source().unwrap().to_string(),
        "it holds a `bounded semaphore`, not a `semaphore`"
    );
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<Semaphore>();
    check::<BoundedSemaphore>();
}
