//! Several processes are waited for at once: for all of them, or for the first that ends.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

use proc_spawn::{JoinError, Process, join_all, spawn, wait_first, wait_first_timeout};
use std::time::{Duration, Instant};

fn sleeper(millis: u64) -> Process<u64> {
    spawn((millis,), |millis| {
        std::thread::sleep(Duration::from_millis(millis));
        millis
    })
    .unwrap()
}

#[test]
fn all_results_come_in_the_order_of_the_processes_whatever_became_of_each() {
    let mut processes: Vec<_> = [120, 5, 60, 600_000].into_iter().map(sleeper).collect();
    processes[3].kill().unwrap();
    processes.push(spawn((), || panic!("on purpose")).unwrap());
    let results = join_all(processes);
    let values: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
    assert_eq!(values, [&120, &5, &60]);
    assert!(matches!(results[3], Err(JoinError::Signaled { signal: libc::SIGKILL, .. })));
    assert!(matches!(results[4], Err(JoinError::Panicked(_))));
}

#[test]
fn the_first_that_ends_by_itself_or_by_a_signal() {
    let mut processes: Vec<_> = (0..20).map(|_| sleeper(600_000)).collect();
    assert_eq!(wait_first_timeout(&processes, Duration::ZERO), None);
    let begin = Instant::now();
    assert_eq!(wait_first_timeout(&processes, Duration::from_millis(50)), None);
    assert!(begin.elapsed() >= Duration::from_millis(50));
    for victim in [7, 0, 17] {
        processes[victim].kill().unwrap();
        assert_eq!(wait_first(&processes), Some(victim));
        assert_eq!(wait_first_timeout(&processes, Duration::ZERO), Some(victim));
        drop(processes.remove(victim));
    }
    processes.iter().for_each(|process| process.kill().unwrap());
    assert!(join_all(processes).iter().all(Result::is_err));
}

#[test]
fn nobody_is_waited_for_when_there_is_nobody() {
    assert_eq!(wait_first::<()>(&[]), None);
    assert!(join_all::<()>([]).is_empty());
}
