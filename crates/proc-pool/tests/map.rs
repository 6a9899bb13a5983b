//! Sequences: order, chunks, errors, laziness.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Options, Pool, TaskError, TryMapError};
use std::cell::Cell;
use std::sync::OnceLock;
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

fn pool() -> Pool {
    Pool::builder().workers(2).build().unwrap()
}

#[test]
fn map_keeps_the_order_whatever_the_chunks() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let expected: Vec<u64> = (0..1000).map(|x| x * x).collect();
    assert_eq!(pool.map(0..1000u64, |x| x * x).unwrap(), expected);
    for chunk in [1, 7, 1000, 5000] {
        assert_eq!(pool.map_in_chunks(0..1000u64, chunk, |x| x * x).unwrap(), expected);
    }
    assert_eq!(pool.map(Vec::<u64>::new(), |x| x).unwrap(), []);
}

#[test]
fn map_reports_the_first_error_in_the_order_of_the_input() {
    let _dog = watchdog(WAIT);
    let error = pool()
        .map(0..100u32, |x| {
            // The later one fails earlier.
            std::thread::sleep(Duration::from_millis(u64::from(x == 13) * 50));
            assert!(x != 13 && x != 90, "item {x}");
            x
        })
        .unwrap_err();
    assert!(error.panic().unwrap().message().contains("item 13"), "{error}");
}

/// In a worker: where it says which items it has begun.
static BEGUN: OnceLock<shm_queue::Sender<u64>> = OnceLock::new();

#[test]
fn try_map_leaves_nothing_behind_that_was_not_begun() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = shm_queue::bounded::<u64>(1_000).unwrap();
    let keep = |tx: shm_queue::Sender<u64>| assert!(BEGUN.set(tx).is_ok());
    let pool = Pool::builder().workers(1).initializer((tx,), keep).build().unwrap();
    // Tasks this small are given to the worker ahead of time.
    pool.map_in_chunks(0..5_000u64, 1, |x| x).unwrap();
    let each = Options::new().chunk_size(1);
    let error = pool.with(&each).try_map(0..300u64, |x| {
        BEGUN.get().unwrap().send(x).unwrap();
        std::thread::sleep(Duration::from_millis(10));
        if x == 5 { Err(x) } else { Ok(x) }
    });
    assert_eq!(error, Err(TryMapError::Returned(5)));
    // Behind what was begun.
    pool.apply((), || ()).unwrap();
    let begun = std::iter::from_fn(|| rx.try_recv().ok()).count();
    assert!((6..100).contains(&begun), "{begun}");
}

#[test]
fn imap_gives_each_result_or_error_in_its_place() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let results: Vec<_> = pool
        .imap(0..40u64, |x| {
            std::thread::sleep(Duration::from_millis(40 - x) / 8);
            assert_ne!(x, 17);
            x * 2
        })
        .collect();
    assert_eq!(results.len(), 40);
    for (x, result) in (0u64..).zip(results) {
        match result {
            Ok(double) => assert_eq!(double, 2 * x),
            Err(error) => assert!(x == 17 && matches!(error, TaskError::Panicked(_))),
        }
    }
}

#[test]
fn imap_unordered_gives_the_quick_ones_first() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let order: Vec<u64> = pool
        .imap_unordered([400u64, 1, 2, 3], |ms| {
            std::thread::sleep(Duration::from_millis(ms));
            ms
        })
        .collect::<Result<_, _>>()
        .unwrap();
    assert_eq!(order, [1, 2, 3, 400]);
}

#[test]
fn imap_draws_its_input_only_a_little_ahead() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let drawn = Cell::new(0u64);
    let endless = std::iter::from_fn(|| {
        drawn.set(drawn.get() + 1);
        Some(drawn.get())
    });
    let mut results = pool.imap(endless, |x| x);
    for expected in 1..=50 {
        assert_eq!(results.next().unwrap().unwrap(), expected);
        assert!(drawn.get() <= expected + 12, "{} drawn for {expected}", drawn.get());
    }
    drop(results);
    assert_eq!(pool.apply((), || 1).unwrap(), 1);
}
