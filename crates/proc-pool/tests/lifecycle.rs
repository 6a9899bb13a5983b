//! close, terminate, join, drop: every handle is answered and no worker is left.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Handle, Options, Pool, SubmitError, TaskError};
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::{until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

fn pool() -> Pool {
    Pool::builder().workers(2).build().unwrap()
}

fn sleepers(pool: &Pool, ms: u64, count: usize) -> Vec<Handle<u64>> {
    let sleep = |ms| {
        std::thread::sleep(Duration::from_millis(ms));
        ms
    };
    (0..count).map(|_| pool.apply_async((ms,), sleep).unwrap()).collect()
}

fn is_gone(pid: u32) -> bool {
    !std::path::Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn close_finishes_what_was_submitted_and_takes_no_more() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let handles = sleepers(&pool, 20, 5);
    pool.close();
    assert_eq!(pool.apply_async((), || ()).unwrap_err(), SubmitError::Closed);
    assert_eq!(pool.apply((), || ()).unwrap_err(), TaskError::Submit(SubmitError::Closed));
    pool.join().unwrap();
    for handle in handles {
        assert!(handle.ready());
        assert_eq!(handle.get().unwrap(), 20);
    }
    pool.join().unwrap();
}

#[test]
fn a_map_goes_on_in_a_closed_pool_whose_workers_end_meanwhile() {
    let _dog = watchdog(WAIT);
    let builder = Pool::builder().workers(1).max_tasks_per_worker(4);
    let pool = Arc::new(builder.build().unwrap());
    let same = Arc::clone(&pool);
    // The worker has done all that it may, and nothing waits until the next ones are sent.
    let slowly = Options::new().chunk_size(1).progress(move |at| {
        if at.done == 1 {
            same.close();
        }
        std::thread::sleep(Duration::from_millis(50));
    });
    assert_eq!(pool.with(&slowly).map(0..20u64, |x| x * 2).unwrap()[19], 38);
    pool.join().unwrap();
}

#[test]
fn a_map_goes_on_in_a_closed_pool_whose_idle_worker_is_killed() {
    let _dog = watchdog(WAIT);
    let pool = Arc::new(Pool::builder().workers(1).build().unwrap());
    let same = Arc::clone(&pool);
    let kill = Options::new().chunk_size(1).progress(move |at| {
        if at.done == 1 {
            same.close();
            // Until those that were sent are done.
            until(WAIT, "an idle worker", || same.stats().running == 0);
            let pid = same.stats().workers[0].pid;
            let killed = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            nix::sys::signal::kill(killed, nix::sys::signal::Signal::SIGKILL).unwrap();
            until(WAIT, "its end", || same.stats().workers.is_empty());
            // And until the pool's thread has seen that nothing waits.
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(pool.with(&kill).map(0..20u64, |x| x).unwrap().len(), 20);
}

#[test]
fn join_of_a_running_pool_is_refused() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    assert_eq!(pool.join().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    assert_eq!(pool.apply((), || 5).unwrap(), 5);
}

#[test]
fn terminate_answers_every_handle_and_ends_the_workers() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let pid = pool.apply((), std::process::id).unwrap();
    let handles = sleepers(&pool, 600_000, 6);
    pool.terminate();
    for handle in handles {
        assert_eq!(handle.get().unwrap_err(), TaskError::Terminated);
    }
    pool.join().unwrap();
    assert!(is_gone(pid));
    assert_eq!(pool.apply_async((), || ()).unwrap_err(), SubmitError::Closed);
}

#[test]
fn terminate_after_close_does_not_wait_for_long_tasks() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let handles = sleepers(&pool, 600_000, 3);
    pool.close();
    pool.terminate();
    pool.join().unwrap();
    assert!(handles.iter().all(|handle| handle.successful() == Some(false)));
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_after_the_grace() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let (tx, rx) = shm_queue::bounded::<u32>(1).unwrap();
    let stubborn = pool.apply_async((tx,), |tx| {
        testkit_ignore_sigterm();
        tx.send(std::process::id()).unwrap();
        std::thread::sleep(Duration::from_secs(600));
    });
    let pid = rx.recv().unwrap();
    let start = Instant::now();
    pool.terminate();
    assert_eq!(stubborn.unwrap().get().unwrap_err(), TaskError::Terminated);
    pool.join().unwrap();
    assert!(start.elapsed() >= Duration::from_secs(1));
    assert!(is_gone(pid));
}

fn testkit_ignore_sigterm() {
    // Blocked in every thread is as good as ignored, and needs no unsafe code.
    let mut set = nix::sys::signal::SigSet::empty();
    set.add(nix::sys::signal::Signal::SIGTERM);
    set.thread_block().unwrap();
}

#[test]
fn dropping_a_pool_terminates_it_and_answers_its_handles() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    let pid = pool.apply((), std::process::id).unwrap();
    let handles = sleepers(&pool, 600_000, 3);
    drop(pool);
    assert!(is_gone(pid));
    for handle in handles {
        assert_eq!(handle.get().unwrap_err(), TaskError::Terminated);
    }
}

#[test]
fn dropping_a_pool_in_its_own_callback_does_not_hang() {
    let _dog = watchdog(WAIT);
    let pool = std::sync::Arc::new(pool());
    let pid = pool.apply((), std::process::id).unwrap();
    let last = std::sync::Arc::clone(&pool);
    let handle = pool
        .apply_async_then(
            (50u64,),
            |ms| std::thread::sleep(Duration::from_millis(ms)),
            move |_| drop(last),
        )
        .unwrap();
    drop(pool);
    handle.get().unwrap();
    until(WAIT, "the worker's end", || is_gone(pid));
}

#[test]
fn many_pools_leave_no_descriptor_behind() {
    let _dog = watchdog(WAIT);
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let cycle = || {
        let pool = pool();
        pool.map(0..4u8, |x| x).unwrap();
        pool.close();
        pool.join().unwrap();
    };
    cycle();
    let before = count();
    for _ in 0..10 {
        cycle();
    }
    // Other tests of this process open and close some at the same time.
    until(WAIT, "the descriptors of ten pools to be closed", || count() <= before + 8);
}

#[test]
fn a_process_that_exits_with_a_live_pool_ends_quietly_and_its_workers_with_it() {
    let _dog = watchdog(WAIT);
    for _ in 0..6 {
        let (tx, rx) = shm_queue::bounded::<u32>(2).unwrap();
        let builder = proc_spawn::Builder::new().stderr(proc_spawn::Stdio::captured());
        let owner = builder.spawn((tx,), |tx| {
            let pool = pool();
            pool.stats().workers.iter().for_each(|worker| tx.send(worker.pid).unwrap());
            pool.apply((), || ()).unwrap();
            // As a pool in a static is, and one that is there when somebody calls `exit`.
            std::mem::forget(pool);
        });
        let owner = owner.unwrap();
        assert!(owner.wait().success());
        let output = owner.captured_stderr().unwrap().tail(1000).unwrap();
        assert_eq!(String::from_utf8_lossy(&output), "");
        for pid in [rx.recv().unwrap(), rx.recv().unwrap()] {
            until(WAIT, "the worker's end", || is_gone(pid));
        }
    }
}
