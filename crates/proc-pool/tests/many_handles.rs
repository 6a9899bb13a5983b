//! Several handles at once, handles as futures, and how far a map is.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Options, Pool, Progress, as_completed, wait_first, wait_first_timeout};
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{Thread, sleep};
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn nap(millis: u64) -> u64 {
    sleep(ms(millis));
    millis
}

#[test]
fn results_are_returned_as_they_come_and_each_once() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(3).build().unwrap();
    pool.map_in_chunks(0..6, 1, |_: i32| sleep(ms(10))).unwrap();
    let handles = [300, 1, 150].map(|n| pool.apply_async((n,), nap).unwrap());
    let completed = as_completed(handles);
    assert_eq!(completed.len(), 3);
    let order: Vec<_> = completed.map(|(place, result)| (place, result.unwrap())).collect();
    assert_eq!(order, [(1, 1), (2, 150), (0, 300)]);
}

#[test]
fn the_first_is_waited_for_with_and_without_a_limit() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    let handles = [60_000, 20].map(|n| pool.apply_async((n,), nap).unwrap());
    assert_eq!(wait_first(&handles), Some(1));
    assert_eq!(wait_first(&handles[1..]), Some(0), "one that is there already");
    assert_eq!(wait_first_timeout(&handles[..1], ms(20)), None);
    assert_eq!(wait_first::<u8>(&[]), None);
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn a_handle_is_a_future_that_wakes_its_task() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let sum = block_on(async {
        let first = pool.apply_async((30,), nap).unwrap();
        let second = pool.apply_async((5,), nap).unwrap();
        first.await.unwrap() + second.await.unwrap()
    });
    assert_eq!(sum, 35);
    let dies = pool.apply_async((), || -> () { std::process::abort() }).unwrap();
    assert!(block_on(dies).unwrap_err().worker_died().is_some());
}

#[test]
fn progress_is_told_up_to_the_end_and_never_backwards() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    let seen: Arc<Mutex<Vec<Progress>>> = Arc::default();
    for options in [Options::new().chunk_size(7), Options::new().chunk_time(ms(1))] {
        let there = Arc::clone(&seen);
        let loud = options.progress(move |at| there.lock().unwrap().push(at));
        pool.with(&loud).map(0..100, |x: i32| x).unwrap();
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        assert!(seen.is_sorted_by_key(|at| at.done));
        assert_eq!(seen.last(), Some(&Progress { done: 100, total: 100 }));
    }
}

#[test]
fn what_has_not_begun_when_a_try_map_fails_never_does() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let (tx, rx) = shm_queue::bounded::<u32>(1000).unwrap();
    let items = (0..500u32).map(|n| (n, tx.clone()));
    let second_fails = |(n, tx): (u32, shm_queue::Sender<u32>)| {
        tx.send(n).unwrap();
        sleep(ms(1));
        if n == 2 { Err(n) } else { Ok(n) }
    };
    let one = Options::new().chunk_size(1);
    let error = pool.with(&one).try_map(items, second_fails).unwrap_err();
    assert_eq!(error, proc_pool::TryMapError::Returned(2));
    pool.close();
    pool.join().unwrap();
    drop(tx);
    assert!(rx.iter().count() < 300);
}

#[test]
fn stats_count_what_has_happened() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map_in_chunks(0..10, 1, |_: i32| sleep(ms(3))).unwrap();
    pool.apply((), || -> () { panic!("one") }).unwrap_err();
    pool.apply((), || -> () { std::process::abort() }).unwrap_err();
    let stats = pool.stats();
    assert_eq!((stats.done, stats.failed, stats.died), (11, 2, 1), "{stats:?}");
    assert_eq!((stats.waiting, stats.running), (0, 0));
    let latency = stats.latency.unwrap();
    assert!(latency.p50 >= ms(3) && latency.p50 <= latency.p90 && latency.p99 <= latency.max);
    let survivors: Vec<_> = stats.workers.iter().filter(|worker| worker.tasks > 0).collect();
    let busy: Duration = survivors.iter().map(|worker| worker.busy).sum();
    assert!(!survivors.is_empty() && busy >= ms(3));
    assert!(survivors.iter().all(|worker| worker.rss_bytes > Some(100_000)));
}
