//! A pool between the threads of one process: permits are counted, owned and given back.

use proc_semaphore::{MAX_POOL, PermitPool};
use std::error::Error as _;
use std::io::ErrorKind;
use std::sync::Barrier;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::watchdog;

#[test]
fn permits_are_counted_and_given_back() {
    let pool = PermitPool::new(3).unwrap();
    let one = pool.acquire().unwrap();
    let two = pool.try_acquire().unwrap().unwrap();
    let three = pool.acquire_timeout(Duration::ZERO).unwrap().unwrap();
    assert_eq!((pool.available(), pool.capacity()), (0, 3));
    assert!(pool.try_acquire().unwrap().is_none());
    drop(two);
    assert_eq!(pool.available(), 1);
    let again = pool.acquire().unwrap();
    drop((one, three, again));
    assert_eq!(pool.available(), 3);
}

#[test]
fn many_are_taken_together_or_not_at_all() {
    let pool = PermitPool::new(5).unwrap();
    let three = pool.acquire_many(3).unwrap();
    assert_eq!((three.len(), three.is_empty()), (3, false));
    assert!(pool.try_acquire_many(3).unwrap().is_none());
    assert_eq!(pool.available(), 2);
    assert!(pool.acquire_many_timeout(3, Duration::from_millis(10)).unwrap().is_none());
    assert_eq!(pool.available(), 2, "what it gathered is given back");
    let two = pool.try_acquire_many(2).unwrap().unwrap();
    drop(three);
    assert_eq!(pool.available(), 3);
    drop(two);
    assert!(pool.acquire_many(0).unwrap().is_empty());
    assert_eq!(pool.available(), 5);
}

#[test]
fn more_than_there_are_is_refused_at_once() {
    let pool = PermitPool::new(2).unwrap();
    let error = pool.acquire_many(3).unwrap_err();
    assert_eq!(error.to_string(), "failed to acquire 3 permits");
    assert_eq!(error.source().unwrap().to_string(), "the pool has 2");
    for wrong in [0, MAX_POOL + 1] {
        assert_eq!(PermitPool::new(wrong).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    let largest = PermitPool::new(MAX_POOL).unwrap();
    assert_eq!(largest.acquire_many(MAX_POOL).unwrap().len(), MAX_POOL as usize);
    assert_eq!(largest.available(), MAX_POOL);
}

#[test]
fn a_wait_lasts_until_its_timeout() {
    let pool = PermitPool::new(1).unwrap();
    let permit = pool.acquire().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let start = Instant::now();
            assert!(pool.acquire_timeout(Duration::from_millis(30)).unwrap().is_none());
            assert!(start.elapsed() >= Duration::from_millis(30));
        });
    });
    drop(permit);
}

#[test]
fn never_more_are_inside_than_there_are_permits() {
    let _dog = watchdog(Duration::from_secs(100));
    let (pool, inside) = (PermitPool::new(3).unwrap(), AtomicI32::new(0));
    std::thread::scope(|scope| {
        for n in [1, 1, 1, 2, 3] {
            let (pool, inside) = (&pool, &inside);
            scope.spawn(move || {
                for _ in 0..5_000 {
                    let several = (n > 1).then(|| pool.acquire_many(n as u32).unwrap());
                    let one = (n == 1).then(|| pool.acquire().unwrap());
                    assert!(inside.fetch_add(n, SeqCst) + n <= 3);
                    inside.fetch_sub(n, SeqCst);
                    drop((one, several));
                }
            });
        }
    });
    assert_eq!(pool.available(), 3);
}

#[test]
fn the_hundred_and_twenty_seventh_thread_is_refused() {
    let pool = PermitPool::new(2).unwrap();
    let (all, end) = (Barrier::new(127), Barrier::new(127));
    std::thread::scope(|scope| {
        for _ in 0..126 {
            scope.spawn(|| {
                drop(pool.acquire().unwrap());
                all.wait();
                end.wait();
            });
        }
        all.wait();
        let error = pool.acquire().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
        assert_eq!(error.to_string(), "failed to join a permit pool");
        end.wait();
    });
    assert!(pool.acquire().is_ok(), "their places are free again");
}

#[test]
fn handles_are_send_and_sync() {
    fn check<T: Send + Sync>() {}
    check::<PermitPool>();
}
