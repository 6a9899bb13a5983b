//! A lock that two want all the time: processes with ours, threads with std's.

use crate::table::{is_quick, is_wanted, median, turns};
use multiproc::{Builder, Mutex, Semaphore};
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

const WORKERS: usize = 2;

pub(crate) fn rows() {
    row("mutex, two workers, empty section", 0);
    row("mutex, two workers, 200 ns section", 200);
}

/// How long each turn lasts.
fn length() -> Duration {
    Duration::from_millis(if is_quick() { 5 } else { 150 })
}

fn stay(nanos: u64) {
    let start = Instant::now();
    while nanos > 0 && start.elapsed() < Duration::from_nanos(nanos) {
        std::hint::spin_loop();
    }
}

/// Does `locked` for so long, and returns how often.
fn work(length: Duration, mut locked: impl FnMut()) -> u64 {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < length {
        (0..64).for_each(|_| locked());
        done += 64;
    }
    done
}

fn process(lock: Mutex<u64>, ready: Semaphore, go: Semaphore, millis: u64, nanos: u64) -> u64 {
    ready.release().unwrap();
    go.acquire();
    work(Duration::from_millis(millis), || {
        let mut count = lock.lock().unwrap();
        *count += 1;
        stay(nanos);
    })
}

fn processes(nanos: u64) -> Vec<u64> {
    let lock = Mutex::new(0).unwrap();
    let (ready, go) = (Semaphore::new(0).unwrap(), Semaphore::new(0).unwrap());
    let millis = u64::try_from(length().as_millis()).unwrap();
    let workers: Vec<_> = (0..WORKERS)
        .map(|_| {
            let args = (lock.clone(), ready.clone(), go.clone(), millis, nanos);
            Builder::new().daemon(true).spawn(args, process).unwrap()
        })
        .collect();
    (0..WORKERS).for_each(|_| ready.acquire());
    (0..WORKERS).for_each(|_| go.release().unwrap());
    let done: Vec<u64> = workers.into_iter().map(|worker| worker.join().unwrap()).collect();
    assert_eq!(*lock.lock().unwrap(), done.iter().sum::<u64>(), "two were in the lock at once");
    done
}

fn threads(nanos: u64) -> Vec<u64> {
    let (lock, here) = (std::sync::Mutex::new(0u64), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let worker = || {
            here.fetch_add(1, SeqCst);
            while here.load(SeqCst) < WORKERS {
                std::thread::yield_now();
            }
            work(length(), || {
                let mut count = lock.lock().unwrap();
                *count += 1;
                stay(nanos);
            })
        };
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    })
}

/// Nanoseconds a section, and how much more often the luckier worker was inside.
type Share = (f64, f64);

/// Nanoseconds from one section to the next, and how much more often the luckier worker was inside.
fn cost_and_share(done: &[u64]) -> Share {
    let nanos = length().as_secs_f64() * 1e9;
    let (most, least) = (done.iter().max().unwrap(), done.iter().min().unwrap());
    (nanos / done.iter().sum::<u64>() as f64, *most as f64 / *least as f64)
}

fn row(what: &str, nanos: u64) {
    if !is_wanted(what) {
        return;
    }
    let pairs: Vec<_> = (0..turns())
        .map(|_| (cost_and_share(&processes(nanos)), cost_and_share(&threads(nanos))))
        .collect();
    let ours = median(pairs.iter().map(|pair| pair.0.0).collect());
    let std = median(pairs.iter().map(|pair| pair.1.0).collect());
    let ratios: Vec<f64> = pairs.iter().map(|pair| pair.0.0 / pair.1.0).collect();
    let (least, most) =
        ratios.iter().fold((f64::MAX, 0f64), |(least, most), &r| (least.min(r), most.max(r)));
    let ratio = median(ratios);
    println!(
        "| {:<42} | {ours:>10.2} | {std:>10.2} | {:<26} | {ratio:>5.2} | {least:>5.2} - {most:<5.2} |",
        format!("{what}, ns"),
        "std::sync::Mutex, threads"
    );
    let share = |of: fn(&(Share, Share)) -> f64| median(pairs.iter().map(of).collect());
    println!(
        "| {:<42} | {:>10.2} | {:>10.2} | {:<26} |       |               |",
        "  most / least of the two workers",
        share(|pair| pair.0.1),
        share(|pair| pair.1.1),
        "std::sync::Mutex, threads"
    );
}
