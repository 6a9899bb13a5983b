//! Pools inside of pools.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::Pool;
use std::time::Duration;
use testkit::{until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

fn inner(x: u64) -> u64 {
    Pool::builder().workers(2).build().unwrap().map(0..x, |y| y * y).unwrap().into_iter().sum()
}

#[test]
fn a_task_may_use_a_pool_of_its_own() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    assert_eq!(pool.map_in_chunks(2..5, 1, inner).unwrap(), [1, 5, 14]);
}

/// Makes one pool inside of another until it is refused; returns why.
fn deeper(depth: u32) -> (u32, String) {
    match Pool::builder().workers(1).max_depth(3).build() {
        Ok(pool) => pool.apply((depth + 1,), deeper).unwrap(),
        Err(error) => (depth, std::error::Error::source(&error).unwrap().to_string()),
    }
}

#[test]
fn pools_in_pools_in_pools_are_refused_at_a_depth() {
    let _dog = watchdog(WAIT);
    let (depth, why) = deeper(0);
    assert_eq!(depth, 3, "{why}");
    assert!(why.contains("inside of 3 pools"), "{why}");
}

#[test]
fn the_workers_of_a_killed_worker_end_with_it() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let (tx, rx) = shm_queue::bounded::<u32>(1).unwrap();
    let outer = pool
        .apply_async((tx,), |tx| {
            let pool = Pool::builder().workers(1).build().unwrap();
            tx.send(pool.apply((), std::process::id).unwrap()).unwrap();
            std::thread::sleep(WAIT);
        })
        .unwrap();
    let grandchild = rx.recv().unwrap();
    outer.cancel();
    outer.get().unwrap_err();
    until(WAIT, "the grandchild's end", || {
        let stat = std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
}
