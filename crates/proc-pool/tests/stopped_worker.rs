//! A worker that is stopped is not dead, and nobody waits behind it.

#![allow(clippy::unwrap_used, reason = "a test")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proc_pool::Pool;
use std::time::Duration;
use testkit::{until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

fn pids(pool: &Pool) -> Vec<u32> {
    pool.stats().workers.iter().map(|worker| worker.pid).collect()
}

#[test]
fn tasks_given_to_a_stopped_worker_go_to_another() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map_in_chunks(0..1_000u64, 1, |x| x).unwrap();
    let stopped = pids(&pool)[0];
    signal(stopped, Signal::SIGSTOP);
    let by = pool.map_in_chunks(0..600u64, 1, |_| std::process::id()).unwrap();
    assert!(!by.contains(&stopped));
    // Whoever was slow once comes last.
    for _ in 0..100 {
        assert_ne!(pool.apply((), std::process::id).unwrap(), stopped);
    }
    signal(stopped, Signal::SIGCONT);
    assert_eq!(pool.map(0..100u64, |x| x + 1).unwrap()[99], 100);
}

#[test]
fn stopped_workers_are_replaced_when_there_is_nobody_else() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map_in_chunks(0..1_000u64, 1, |x| x).unwrap();
    let stopped = pids(&pool);
    stopped.iter().for_each(|&pid| signal(pid, Signal::SIGSTOP));
    let by = pool.map_in_chunks(0..600u64, 1, |_| std::process::id()).unwrap();
    assert!(by.iter().all(|pid| !stopped.contains(pid)));
    pool.close();
    pool.join().unwrap();
}

#[test]
fn a_task_given_to_a_stopped_worker_goes_to_another_although_a_third_is_in_a_long_one() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(3).build().unwrap();
    until(WAIT, "three workers", || pool.stats().workers.iter().filter(|w| w.ready).count() == 3);
    let nap = |ms| {
        std::thread::sleep(Duration::from_millis(ms));
        std::process::id()
    };
    let first = pool.apply_async((50,), nap).unwrap();
    let long = pool.apply_async((600_000,), nap).unwrap();
    // The first of those with nothing to do gets the next task.
    let stopped = first.get().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    signal(stopped, Signal::SIGSTOP);
    assert_ne!(pool.apply((0,), nap).unwrap(), stopped);
    // Nobody was given up for it.
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(pool.stats().started, 3);
    signal(stopped, Signal::SIGCONT);
    assert!(!long.ready());
}
