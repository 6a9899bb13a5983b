//! The thread twin: the same answers from the same calls.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{
    Broadcast, BroadcastSlice, Options, Pool, SubmitError, TaskError, ThreadPool, TryMapError,
    worker_id,
};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

/// What a program does with a pool, whichever it is.
macro_rules! same_answers {
    ($($name:ident: $pool:ident)*) => {$(
        #[test]
        fn $name() {
            let _dog = watchdog(WAIT);
            let pool = $pool::builder().workers(2).build().unwrap();
            assert_eq!(pool.workers().get(), 2);
            assert_eq!(pool.apply((2u32, 5u32), u32::pow).unwrap(), 32);
            let error = pool.apply((), || -> () { panic!("no") }).unwrap_err();
            assert_eq!(error.panic().unwrap().message(), "no");
            let thousand: Vec<u64> = (0..1000).collect();
            assert_eq!(pool.map(0..1000u64, |x| x).unwrap(), thousand);
            let adapted = Options::new().chunk_time(Duration::from_millis(1));
            assert_eq!(pool.with(&adapted).map(0..1000u64, |x| x).unwrap(), thousand);
            assert_eq!(pool.map_async(0..1000u64, |x| x).unwrap().get().unwrap(), thousand);
            assert_eq!(pool.starmap([(1, 2), (3, 4)], |a, b| a + b).unwrap(), [3, 7]);
            let (later, none) = (pool.starmap_async([(1, 2)], |a, b| a * b), Vec::<(u8,)>::new());
            assert_eq!(later.unwrap().get().unwrap(), [2]);
            assert_eq!(pool.starmap_async(none, |x| x).unwrap().get().unwrap(), []);
            let odd = |x: i32| if x % 2 == 1 { Ok(x) } else { Err(x) };
            assert_eq!(pool.try_map([1, 3], odd).unwrap(), [1, 3]);
            assert_eq!(pool.try_map([1, 4], odd).unwrap_err(), TryMapError::Returned(4));
            let squares: Result<Vec<_>, _> = pool.imap(0..50u64, |x| x * x).collect();
            assert_eq!(squares.unwrap()[49], 2401);
            let failing = |x: i32| { assert_ne!(x, 3, "three"); x };
            let mut results: Vec<_> = pool.imap_unordered(0..6, failing).collect();
            assert_eq!(results.iter().filter(|result| result.is_err()).count(), 1);
            results.retain(Result::is_ok);
            assert_eq!(results.len(), 5);
            let first = pool.map_in_chunks(0..10, 2, failing).unwrap_err();
            assert!(first.panic().unwrap().message().contains("three"));
            let refused = pool.map_in_chunks(0..10, 0, |x: i32| x).unwrap_err();
            assert!(matches!(refused, TaskError::Submit(SubmitError::Options(_))));
            let waits = |ms| sleep(Duration::from_millis(ms));
            let running = [60u64, 60].map(|ms| pool.apply_async((ms,), waits).unwrap());
            let waiting = pool.apply_async((0,), waits).unwrap();
            assert!(waiting.cancel());
            assert_eq!(waiting.get(), Err(TaskError::Cancelled));
            assert!(running.into_iter().all(|handle| handle.get().is_ok()));
            let words = pool.share(vec!["one".to_string(), "two".to_string()]).unwrap();
            let numbers = pool.share_slice(&[1.0f64, 0.5]).unwrap();
            let both = |words: Broadcast<Vec<String>>, numbers: BroadcastSlice<f64>, index: usize| {
                (words[index].clone(), numbers[index])
            };
            let items = [0usize, 1].map(|index| (words.clone(), numbers.clone(), index));
            let read = pool.starmap(items, both).unwrap();
            assert_eq!(read, [("one".to_string(), 1.0), ("two".to_string(), 0.5)]);
            assert_eq!(pool.resize(0).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
            pool.resize(3).unwrap();
            assert_eq!(pool.workers().get(), 3);
            let three = [300u64; 3].map(|ms| {
                pool.apply_async((ms,), |ms| { sleep(Duration::from_millis(ms)); worker_id() })
            });
            let ids = three.into_iter().map(|id| id.unwrap().get().unwrap());
            assert!(ids.into_iter().all(|id| matches!(id, Some(1..=3))));
            pool.resize(1).unwrap();
            testkit::until(WAIT, "two to go", || pool.stats().workers.len() == 1);
            assert_eq!(pool.map_in_chunks(0..20, 1, |x: i32| x).unwrap(), Vec::from_iter(0..20));
            let stats = pool.stats();
            assert_eq!((stats.waiting, stats.running, stats.failed), (0, 0, 2));
            assert!(stats.started >= 3);
            assert!(stats.done > 30 && stats.latency.unwrap().max >= Duration::from_millis(300));
            assert!(stats.workers[0].ready && stats.workers[0].tasks >= 20);
            assert_eq!(pool.join().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
            let last = pool.apply_async((5u64,), waits).unwrap();
            pool.close();
            pool.join().unwrap();
            assert_eq!(last.successful(), Some(true));
            assert_eq!(pool.apply((), || ()), Err(TaskError::Submit(SubmitError::Closed)));
        }
    )*};
}

same_answers! {
    processes: Pool
    threads: ThreadPool
}

#[test]
fn a_pool_of_threads_that_is_dropped_answers_what_waits() {
    let _dog = watchdog(WAIT);
    let pool = ThreadPool::builder().workers(1).build().unwrap();
    let running = pool.apply_async((), || sleep(Duration::from_millis(50))).unwrap();
    testkit::until(WAIT, "it to begin", || format!("{pool:?}").contains("waiting: 0"));
    let waiting = pool.apply_async((), || ()).unwrap();
    drop(pool);
    running.get().unwrap();
    assert_eq!(waiting.get(), Err(TaskError::Terminated));
    let none = ThreadPool::builder().workers(0).build().unwrap_err();
    assert_eq!(none.to_string(), "failed to make a pool of 0 threads");
}

#[test]
fn each_thread_is_initialised_once() {
    let _dog = watchdog(WAIT);
    thread_local!(static READY: std::cell::Cell<u8> = const { std::cell::Cell::new(0) });
    let pool = ThreadPool::builder()
        .workers(2)
        .initializer((1u8,), |n| READY.set(READY.get() + n))
        .build()
        .unwrap();
    assert_eq!(pool.map(0..50, |_: i32| READY.get()).unwrap(), [1; 50]);
}

#[test]
fn a_task_may_resize_the_pool_that_is_being_joined() {
    let _dog = watchdog(WAIT);
    static POOL: OnceLock<ThreadPool> = OnceLock::new();
    let pool = POOL.get_or_init(|| ThreadPool::builder().workers(1).build().unwrap());
    let late = pool.apply_async((), || {
        let pool = POOL.get().unwrap();
        // Joined by now.
        sleep(Duration::from_millis(100));
        pool.resize(2).unwrap();
    });
    pool.close();
    pool.join().unwrap();
    late.unwrap().get().unwrap();
    assert!(pool.stats().workers.is_empty());
    assert_eq!(pool.stats().started, 1);
}
