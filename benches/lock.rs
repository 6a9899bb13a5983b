//! Mutexes: alone, and with another process or thread that wants the same.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use criterion::{Criterion, criterion_group, criterion_main};
use multiproc::Builder;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};

fn uncontended(c: &mut Criterion) {
    let mut group = c.benchmark_group("mutex lock + unlock, uncontended");
    let ours = multiproc::Mutex::new(0u64).unwrap();
    group.bench_function("proc-lock", |b| b.iter(|| *black_box(&ours).lock().unwrap() += 1));
    let std = std::sync::Mutex::new(0u64);
    group.bench_function("std", |b| b.iter(|| *black_box(&std).lock().unwrap() += 1));
}

fn contended(c: &mut Criterion) {
    let mut group = c.benchmark_group("mutex lock + unlock, two at it");
    let ours = multiproc::Mutex::new([0u64; 2]).unwrap();
    // The second number says when to stop.
    let hammer = |mutex: multiproc::Mutex<[u64; 2]>| {
        loop {
            let mut both = mutex.lock().unwrap();
            both[0] += 1;
            if both[1] == 1 {
                return;
            }
        }
    };
    let process = Builder::new().daemon(true).spawn((ours.clone(),), hammer).unwrap();
    group.bench_function("proc-lock, a process", |b| b.iter(|| ours.lock().unwrap()[0] += 1));
    ours.lock().unwrap()[1] = 1;
    process.join().unwrap();

    let (std, stop) = (std::sync::Mutex::new(0u64), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                *std.lock().unwrap() += 1;
            }
        });
        group.bench_function("std, a thread", |b| b.iter(|| *std.lock().unwrap() += 1));
        stop.store(true, Ordering::Relaxed);
    });
}

criterion_group!(benches, uncontended, contended);
criterion_main!(benches);
