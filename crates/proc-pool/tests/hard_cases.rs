//! What went wrong once, in review: each of these left a handle unanswered, or answered it wrongly.

#![allow(unsafe_code, reason = "forks, which is what several of these are about")]
#![allow(clippy::unwrap_used, reason = "a test")]

use nix::sys::resource::{Resource, setrlimit};
use proc_lock::Mutex;
use proc_pool::{Handle, Pool, SubmitError, TaskError};
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::{Outcome, fork, watchdog};

const WAIT: Duration = Duration::from_secs(100);

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().unwrap()
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Answered, and not as done: a worker that cannot receive a task must not try for ever.
fn is_refused<R: std::fmt::Debug + serde::de::DeserializeOwned + Send + 'static>(
    handle: Handle<R>,
) {
    let error = handle.get().unwrap_err();
    let refused = matches!(error, TaskError::Rejected(_) | TaskError::WorkerDied(_));
    assert!(refused, "{error}");
}

#[test]
fn a_task_whose_handles_find_no_descriptors_in_the_worker() {
    let _dog = watchdog(WAIT);
    let limited = Pool::builder()
        .workers(1)
        .initializer((40,), |n| setrlimit(Resource::RLIMIT_NOFILE, n, n).unwrap())
        .build()
        .unwrap();
    let locks: Vec<_> = (0..60).map(|i| Mutex::new(i).unwrap()).collect();
    let many = limited.apply_async((locks,), |locks: Vec<Mutex<u32>>| locks.len()).unwrap();
    let behind = limited.apply_async((5,), |x: i32| x).unwrap();
    is_refused(many);
    assert_eq!(behind.get().unwrap(), 5);
}

#[test]
fn a_task_that_is_too_large_for_the_workers_memory() {
    let _dog = watchdog(WAIT);
    let limited = Pool::builder()
        .workers(1)
        .initializer((256u64 << 20,), |n| setrlimit(Resource::RLIMIT_AS, n, n).unwrap())
        .build()
        .unwrap();
    let large = limited.apply_async((vec![1u8; 300 << 20],), |v: Vec<u8>| v.len()).unwrap();
    let behind = limited.apply_async((5,), |x: i32| x).unwrap();
    is_refused(large);
    assert_eq!(behind.get().unwrap(), 5);
}

#[derive(Serialize)]
struct Explosive(u32);

impl<'de> Deserialize<'de> for Explosive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        assert_ne!(number, 7, "in deserialize");
        Ok(Self(number))
    }
}

#[test]
fn a_result_whose_decoding_panics_is_that_tasks_error() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let bad = pool.apply_async_then((7,), Explosive, |_| ()).unwrap();
    assert!(matches!(bad.get(), Err(TaskError::Result(_))));
    assert_eq!(pool.apply((8,), Explosive).unwrap().0, 8);
}

#[test]
fn a_task_that_forks_does_not_answer_twice() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let first = pool.apply((), || {
        // SAFETY: the child sleeps and returns; what it may not do is what is tested.
        if unsafe { libc::fork() } == 0 {
            sleep(ms(100));
            return 666;
        }
        1
    });
    assert_eq!(first.unwrap(), 1);
    let second = pool.apply((), || {
        sleep(ms(300));
        99
    });
    assert_eq!(second.unwrap(), 99);
}

#[test]
fn a_pool_that_is_closed_while_a_forked_child_lives() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    pool.map(0..4, |x: i32| x).unwrap();
    let child = fork(|| sleep(Duration::from_secs(90)));
    pool.close();
    pool.join().unwrap();
    child.kill();
}

#[test]
fn a_forked_copy_of_a_pool_does_nothing_and_does_not_hang() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let handle = pool.apply_async((200u64,), |n| sleep(ms(n))).unwrap();
    let mut child = fork(|| {
        assert_eq!(pool.apply_async((), || ()).unwrap_err(), SubmitError::Forked);
        assert!(pool.join().is_err());
        pool.close();
        pool.terminate();
        let _ = (pool.workers(), pool.stats(), format!("{pool:?}"));
        // SAFETY: reads the pool out of a process that ends without dropping its own.
        drop(unsafe { std::ptr::read(&raw const pool) });
    });
    assert_eq!(child.wait_timeout(Duration::from_secs(20)), Some(Outcome::Exited(0)));
    handle.get().unwrap();
    assert_eq!(pool.apply((5,), |x: i32| x).unwrap(), 5);
}

#[test]
fn joining_in_a_callback_is_refused() {
    let _dog = watchdog(WAIT);
    let pool = Arc::new(pool(1));
    let (again, (tell, told)) = (Arc::clone(&pool), mpsc::channel());
    pool.apply_async_then(
        (),
        || (),
        move |_| {
            again.close();
            tell.send(again.join().is_err()).unwrap();
        },
    )
    .unwrap();
    assert!(told.recv().unwrap());
    pool.join().unwrap();
}

#[test]
fn closing_a_pool_that_is_still_starting_does_not_break_it() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(8).initializer((200u64,), |n| sleep(ms(n))).build().unwrap();
    pool.close();
    pool.join().unwrap();
    assert_eq!(pool.apply_async((), || ()).unwrap_err(), SubmitError::Closed);
}

#[test]
fn a_worker_that_is_not_ready_gets_no_task_while_another_is() {
    let _dog = watchdog(WAIT);
    let pool =
        Pool::builder().workers(2).initializer((1_500u64,), |n| sleep(ms(n))).build().unwrap();
    // Both are ready when each of two tasks at once has found a worker.
    let pids = pool
        .map_in_chunks(0..2, 1, |_: i32| {
            sleep(ms(200));
            std::process::id()
        })
        .unwrap();
    let error = pool.apply((), || -> () { std::process::abort() }).unwrap_err();
    let dead = error.worker_died().unwrap().pid();
    // The other is ready and idle, and the dead one's place comes first or second.
    let alive = pids.into_iter().find(|pid| *pid != dead).unwrap();
    assert_eq!(pool.apply((), std::process::id).unwrap(), alive);
}

#[test]
fn tasks_that_cannot_be_sent_fail_on_the_pools_own_thread() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let locks: Vec<_> = (0..260).map(|i| Mutex::new(i).unwrap()).collect();
    let (caller, (tell, told)) = (std::thread::current().id(), mpsc::channel());
    let handle = pool
        .apply_async_then(
            (locks,),
            |locks: Vec<Mutex<u32>>| locks.len(),
            move |_| {
                tell.send(std::thread::current().id()).unwrap();
            },
        )
        .unwrap();
    assert!(matches!(handle.get(), Err(TaskError::Io(_))));
    assert_ne!(told.recv().unwrap(), caller);
}

#[test]
fn running_out_of_descriptors_for_a_while_breaks_nothing() {
    let _dog = watchdog(WAIT);
    // In a process of its own: the limit is the process's.
    let outcome = proc_spawn::spawn((), || {
        let pool = pool(2);
        pool.map(0..8, |x: i32| x).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 128, 128).unwrap();
        let long = pool
            .apply_async((), || {
                sleep(ms(2_500));
                42
            })
            .unwrap();
        let dies = pool
            .apply_async((), || -> () {
                sleep(ms(300));
                std::process::abort()
            })
            .unwrap();
        let start = Instant::now();
        let mut taken = Vec::new();
        while start.elapsed() < ms(1_500) {
            match std::fs::File::open("/dev/null") {
                Ok(file) => taken.push(file),
                Err(_) => sleep(ms(1)),
            }
        }
        drop(taken);
        let died = dies.get().unwrap_err().worker_died().is_some();
        (died, long.get().ok(), pool.apply((5,), |x: i32| x).ok())
    });
    assert_eq!(outcome.unwrap().join().unwrap(), (true, Some(42), Some(5)));
}
