//! Queues: a pair of operations alone, and the way to another process or thread and back.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use criterion::{Criterion, criterion_group, criterion_main};
use multiproc::queue::{self, Item};
use multiproc::{Builder, queue::bounded};
use multiproc_benches::{Kib, echo};
use std::hint::black_box;

fn pair(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue send + recv, one thread");
    let (tx, rx) = bounded::<u64>(1024).unwrap();
    group.bench_function("shm-queue 8 B", |b| {
        b.iter(|| {
            tx.send(black_box(7)).unwrap();
            rx.recv().unwrap()
        });
    });
    let (tx, rx) = crossbeam_channel::bounded::<u64>(1024);
    group.bench_function("crossbeam-channel 8 B", |b| {
        b.iter(|| {
            tx.send(black_box(7)).unwrap();
            rx.recv().unwrap()
        });
    });
    let (tx, rx) = queue::bounded_values::<String>(1024, 1 << 16).unwrap();
    let text = "a value of some thirty bytes...".to_owned();
    group.bench_function("shm-queue, a String of 31 B by serde", |b| {
        b.iter(|| {
            tx.send(text.clone()).unwrap();
            rx.recv().unwrap()
        });
    });
}

fn round_trip<T: Item>(c: &mut Criterion, size: &str, item: T) {
    let mut group = c.benchmark_group(format!("queue round trip {size}"));
    let ((there, at_there), (back, at_back)) = (bounded(16).unwrap(), bounded(16).unwrap());
    let process = Builder::new().daemon(true).spawn((at_there, back), echo::<T>).unwrap();
    group.bench_function("shm-queue, a process", |b| {
        b.iter(|| {
            there.send(black_box(item)).unwrap();
            at_back.recv().unwrap()
        });
    });
    drop(there);
    process.join().unwrap();

    let (there, at_there) = crossbeam_channel::bounded::<T>(16);
    let (back, at_back) = crossbeam_channel::bounded::<T>(16);
    let thread = std::thread::spawn(move || at_there.iter().try_for_each(|item| back.send(item)));
    group.bench_function("crossbeam-channel, a thread", |b| {
        b.iter(|| {
            there.send(black_box(item)).unwrap();
            at_back.recv().unwrap()
        });
    });
    drop(there);
    thread.join().unwrap().unwrap();
}

fn round_trips(c: &mut Criterion) {
    round_trip(c, "8 B", 7u64);
    round_trip::<Kib>(c, "1 KiB", [7; 128]);
}

criterion_group!(benches, pair, round_trips);
criterion_main!(benches);
