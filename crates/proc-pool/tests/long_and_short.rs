//! Long tasks and short ones side by side: the short ones do not wait, and nobody polls.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Options, Pool};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

fn sleep(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

/// How often this thread was switched away from.
fn switches() -> u64 {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
    lines.map(|line| line.split_whitespace().last().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn short_tasks_go_past_a_long_one_however_many() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map_in_chunks(0..5_000u64, 1, |x| x).unwrap();
    let long = pool.apply_async((2_000,), sleep).unwrap();
    // More of them than a lane has slots, many of which lie behind the long one and are taken back.
    let squares = pool.map_in_chunks(0..20_000u64, 1, |x| x * x).unwrap();
    assert_eq!(squares[19_999], 19_999 * 19_999);
    assert!(!long.ready(), "they were to be done meanwhile");
    long.get().unwrap();
}

/// In a worker: where it says which items it has done.
static DONE: OnceLock<shm_queue::Sender<u64>> = OnceLock::new();

#[test]
fn short_tasks_go_past_a_long_one_although_others_wait() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = shm_queue::bounded::<u64>(1_000).unwrap();
    let keep = |tx: shm_queue::Sender<u64>| assert!(DONE.set(tx).is_ok());
    let pool = Pool::builder().workers(2).initializer((tx,), keep).build().unwrap();
    pool.map_in_chunks(0..5_000u64, 1, |x| x).unwrap();
    let task = |n: u64| {
        // A long one, 300 short ones of which some lie behind it, and then the other worker has plenty to do.
        sleep(match n {
            0 => 60_000,
            1..=300 => 0,
            _ => 5,
        });
        DONE.get().unwrap().send(n).unwrap();
    };
    let all = pool.with(&Options::new().chunk_size(1)).map_async(0..900, task).unwrap();
    let mut done: Vec<u64> = Vec::new();
    while done.iter().filter(|n| (1..=300).contains(*n)).count() < 300 {
        done.push(rx.recv().unwrap());
    }
    assert!(done.len() < 800, "the last of them waited for {} others", done.len() - 300);
    all.cancel();
}

#[test]
fn whoever_waits_for_long_tasks_sleeps() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map_in_chunks(0..5_000u64, 1, |x| x).unwrap();
    // The first ones are short, so many are given ahead; then all become long.
    let handles: Vec<_> = (0..200u64)
        .map(|n| pool.apply_async((if n == 2 || n == 3 { 1_000 } else { 0 },), sleep).unwrap())
        .collect();
    let before = switches();
    handles.into_iter().for_each(|handle| handle.get().unwrap());
    let switches = switches() - before;
    assert!(switches < 2_000, "{switches} wake-ups in a second");
}

#[test]
fn a_callback_that_looks_at_a_handle_runs_no_other_callback() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    let inside = Arc::new(Mutex::new(()));
    let (tell, told) = mpsc::channel();
    let handles: Vec<_> = (0..100u64)
        .map(|n| {
            let other = pool.apply_async((n,), |n| n).unwrap();
            let (inside, tell) = (Arc::clone(&inside), tell.clone());
            let callback = move |_: Result<&u64, &proc_pool::TaskError>| {
                // One at a time, or this is locked already.
                let _inside = inside.try_lock().unwrap();
                for _ in 0..50 {
                    let _ = other.ready();
                }
                tell.send(()).unwrap();
            };
            pool.apply_async_then((n,), |n| n, callback).unwrap()
        })
        .collect();
    handles.into_iter().for_each(|handle| _ = handle.get().unwrap());
    assert_eq!(told.try_iter().count(), 100);
}
