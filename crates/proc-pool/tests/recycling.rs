//! Workers are replaced, let go and started again: by tasks, age, memory, idleness, and the pool's size.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Pool, worker_id};
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::Duration;
use testkit::{until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn ready(pool: &Pool) -> usize {
    pool.stats().workers.iter().filter(|worker| worker.ready).count()
}

#[test]
fn a_worker_is_replaced_after_so_many_tasks_exactly() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).max_tasks_per_worker(3).build().unwrap();
    let pids = pool.map_in_chunks(0..30, 1, |_: i32| std::process::id()).unwrap();
    let mut counts = std::collections::BTreeMap::new();
    for pid in pids {
        *counts.entry(pid).or_insert(0) += 1;
    }
    assert!(counts.values().all(|count| *count <= 3), "{counts:?}");
    assert!(counts.len() >= 10);
    assert_eq!(pool.stats().done, 30);
}

#[test]
fn every_task_in_a_fresh_worker() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).max_tasks_per_worker(1).build().unwrap();
    let ids: BTreeSet<_> = (0..8).map(|_| pool.apply((), worker_id).unwrap()).collect();
    assert_eq!(ids.len(), 8);
}

#[test]
fn an_old_worker_is_replaced() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).max_age(ms(80)).build().unwrap();
    let first = pool.apply((), std::process::id).unwrap();
    until(WAIT, "another worker", || pool.apply((), std::process::id).unwrap() != first);
    assert!(pool.stats().recycled >= 1);
}

#[test]
fn a_fat_worker_is_replaced_and_a_slim_one_is_not() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).max_rss_bytes(64 << 20).build().unwrap();
    let first = pool.apply((), std::process::id).unwrap();
    sleep(ms(120));
    assert_eq!(pool.apply((), std::process::id).unwrap(), first);
    pool.apply((80usize << 20,), |bytes| std::mem::forget(vec![1u8; bytes])).unwrap();
    until(WAIT, "another worker", || pool.apply((), std::process::id).unwrap() != first);
}

#[test]
fn idle_workers_end_and_come_back() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).idle_timeout(ms(50)).build().unwrap();
    assert_eq!(pool.map(0..4, |x: i32| x).unwrap(), [0, 1, 2, 3]);
    until(WAIT, "no worker", || pool.stats().workers.is_empty());
    assert_eq!(pool.apply((7,), |x: i32| x).unwrap(), 7);
    assert_eq!(pool.stats().workers.len(), 1, "one task, one worker");
    until(WAIT, "no worker", || pool.stats().workers.is_empty());
    pool.close();
    pool.join().unwrap();
}

#[test]
fn a_pool_grows_and_shrinks_while_tasks_run() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let nap = |n: u32| {
        sleep(ms(2));
        n
    };
    let handle = pool.map_async(0..200, nap).unwrap();
    pool.resize(4).unwrap();
    until(WAIT, "four workers", || ready(&pool) == 4);
    pool.resize(2).unwrap();
    until(WAIT, "two workers", || pool.stats().workers.len() == 2);
    assert_eq!(handle.get().unwrap(), (0..200).collect::<Vec<_>>());
    assert_eq!(pool.workers().get(), 2);
}

#[test]
fn the_exit_hook_runs_where_a_worker_ends_in_order() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = shm_queue::bounded::<u64>(8).unwrap();
    let tell = |tx: shm_queue::Sender<u64>| tx.send(worker_id().unwrap()).unwrap();
    let pool =
        Pool::builder().workers(1).max_tasks_per_worker(1).on_exit((tx,), tell).build().unwrap();
    pool.apply((), || ()).unwrap();
    assert_eq!(rx.recv().unwrap(), 1);
    pool.close();
    pool.join().unwrap();
    assert_eq!(rx.recv().unwrap(), 2);
}

#[test]
fn output_that_nobody_will_see_does_not_pile_up() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).keep_output(100).build().unwrap();
    let talks = || {
        (0..64).for_each(|_| eprintln!("{}", "x".repeat(128 << 10)));
        sleep(WAIT);
    };
    let talking = pool.apply_async((), talks).unwrap();
    let pid = pool.stats().workers[0].pid;
    let kept = || {
        let output = std::fs::metadata(format!("/proc/{pid}/fd/2")).unwrap();
        std::os::linux::fs::MetadataExt::st_blocks(&output) * 512
    };
    until(WAIT, "8 MiB of output", || kept() > 4 << 20);
    until(WAIT, "most of it to be let go", || kept() < 1 << 20);
    assert!(talking.cancel());
}

#[test]
fn a_pool_that_starts_workers_on_demand_does_so_for_tasks_behind_others() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).idle_timeout(WAIT).build().unwrap();
    // It gets used to small tasks, and takes many ahead.
    pool.map_in_chunks(0..20_000, 1, |x: i32| x).unwrap();
    pool.resize(4).unwrap();
    let nap = |_: i32| {
        sleep(ms(200));
        std::process::id()
    };
    let pids: BTreeSet<_> = pool.map_in_chunks(0..8, 1, nap).unwrap().into_iter().collect();
    assert!(pids.len() > 2, "{pids:?}");
}
