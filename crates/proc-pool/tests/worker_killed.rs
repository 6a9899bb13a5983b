//! Workers die, in tasks and between them: their own task fails, typed, and the pool goes on.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Pool, TaskError};
use proc_spawn::ExitStatus;
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(100);

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().unwrap()
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
    // It may be gone already.
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
}

fn kill_oneself() {
    kill(std::process::id());
}

#[test]
fn the_task_in_which_a_worker_is_killed_fails_alone() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let neighbour = pool
        .apply_async((100u64,), |ms| {
            std::thread::sleep(Duration::from_millis(ms));
            ms
        })
        .unwrap();
    let victim = pool.apply_async((), || -> () { kill_oneself() }).unwrap();
    let waiting = pool.apply_async((1,), |x: i32| x).unwrap();
    let error = victim.get().unwrap_err();
    let died = error.worker_died().unwrap();
    assert_eq!(died.status(), ExitStatus::Signal { signal: 9, core: false });
    assert_eq!(
        error.to_string(),
        format!("the worker (process {}) died in the task: signal 9 (SIGKILL)", died.pid())
    );
    assert_eq!(neighbour.get().unwrap(), 100);
    assert_eq!(waiting.get().unwrap(), 1);
    assert_eq!(pool.apply((2,), |x: i32| x).unwrap(), 2);
}

#[test]
fn a_worker_that_exits_in_a_task_is_a_dead_worker() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    for code in [0, 3] {
        let error = pool.apply((code,), |code| -> () { std::process::exit(code) }).unwrap_err();
        assert_eq!(error.worker_died().unwrap().status(), ExitStatus::Code(code));
    }
    assert_eq!(pool.apply((2,), |x: i32| x).unwrap(), 2);
}

#[test]
fn workers_killed_while_idle_cost_no_task() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    for round in 0..20u32 {
        let pids = pool.map_in_chunks(0..8u32, 1, |_| std::process::id()).unwrap();
        pids.into_iter().for_each(kill);
        // At once, so that some are handed to a worker that is dead and not yet known to be.
        assert_eq!(pool.apply((round,), |x| x).unwrap(), round);
    }
}

#[test]
fn a_storm_of_kills_fails_only_tasks_that_were_begun() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let (tx, rx) = shm_queue::bounded::<[u32; 2]>(4096).unwrap();
    let handles: Vec<_> = (0..600u32)
        .map(|n| {
            pool.apply_async((n, tx.clone()), |n, tx| {
                tx.send([std::process::id(), n]).unwrap();
                std::thread::sleep(Duration::from_micros(500));
                n * 2
            })
            .unwrap()
        })
        .collect();
    let mut kills = 0;
    while !handles.iter().all(proc_pool::Handle::ready) {
        std::thread::sleep(Duration::from_millis(3));
        if let Some([pid, _]) = std::iter::from_fn(|| rx.try_recv().ok()).last() {
            kill(pid);
            kills += 1;
        }
    }
    let mut died = 0;
    for (n, handle) in (0u32..).zip(handles) {
        match handle.get() {
            Ok(double) => assert_eq!(double, n * 2),
            Err(TaskError::WorkerDied(how)) => {
                assert_eq!(how.status().signal(), Some(9));
                died += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(kills > 10, "{kills} kills");
    assert!(died <= kills, "{died} tasks for {kills} kills");
    assert_eq!(pool.apply((5,), |x: i32| x).unwrap(), 5);
}

#[test]
fn a_result_that_was_sent_before_the_death_is_delivered() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    for _ in 0..50 {
        // A thread that outlives the task kills the worker at about the time of its answer.
        let outcome = pool.apply((), || {
            std::thread::spawn(kill_oneself);
            7
        });
        match outcome {
            Ok(seven) => assert_eq!(seven, 7),
            Err(error) => assert!(error.worker_died().is_some(), "{error}"),
        }
    }
}

#[test]
fn workers_die_with_the_process_that_has_the_pool() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = shm_queue::bounded::<u32>(8).unwrap();
    let owner = proc_spawn::spawn((tx,), |tx| {
        let pool = pool(2);
        for _ in 0..2 {
            pool.apply_async((tx.clone(),), |tx| {
                tx.send(std::process::id()).unwrap();
                std::thread::sleep(Duration::from_secs(600));
            })
            .unwrap();
        }
        std::thread::sleep(Duration::from_secs(600));
    })
    .unwrap();
    let workers = [rx.recv().unwrap(), rx.recv().unwrap()];
    owner.kill().unwrap();
    for pid in workers {
        testkit::until(WAIT, "a worker's end", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
            // A zombie waits only for whoever adopted it.
            stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
        });
    }
}
