//! A pool that has nothing to do costs nothing: nobody wakes.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::Pool;
use std::path::Path;
use std::time::{Duration, Instant};
use testkit::{until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

/// How often the threads of this process's pools and of its workers were switched to and from.
fn switches(workers: &[u32]) -> u64 {
    let own = std::fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let own = own.filter(|task| {
        std::fs::read_to_string(task.join("comm")).unwrap_or_default().starts_with("proc-pool")
    });
    let theirs = workers.iter().map(|pid| Path::new("/proc").join(pid.to_string()));
    let count = |task: std::path::PathBuf| {
        let status = std::fs::read_to_string(task.join("status")).unwrap();
        let lines = status.lines().filter(|line| line.contains("ctxt_switches"));
        let counts = lines.map(|line| line.split_whitespace().last().unwrap().parse::<u64>());
        counts.map(Result::unwrap).sum::<u64>()
    };
    own.chain(theirs).map(count).sum()
}

#[test]
fn nobody_wakes_in_an_idle_pool() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map_in_chunks(0..1_000, 1, |x: i32| x).unwrap();
    let workers: Vec<u32> = pool.stats().workers.iter().map(|worker| worker.pid).collect();
    assert_eq!(workers.len(), 2);
    // What was under way may take a moment to come to rest; then no second in a row sees a switch.
    let quiet = Duration::from_millis(1_000);
    until(WAIT, "a second without a switch", || {
        let (before, start) = (switches(&workers), Instant::now());
        std::thread::sleep(quiet);
        start.elapsed() >= quiet && switches(&workers) == before
    });
    assert_eq!(pool.apply((7,), |x: i32| x).unwrap(), 7, "and all still work");
}
