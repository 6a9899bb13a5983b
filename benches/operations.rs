//! Operations alone, in one thread: what a change to them does, compared by criterion with the run before.
//!
//! What they cost beside others', and between processes, is measured by `cost`.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use criterion::{Criterion, criterion_group, criterion_main};
use multiproc::lock::{OnceLock, ReentrantMutex, Shared, SharedSlice};
use multiproc::queue::{
    Blocks, bounded, bounded_blocks, bounded_bytes, bounded_leased, bounded_values,
};
use multiproc::{BoundedSemaphore, Event, Mutex, PermitPool, RwLock, Semaphore, pipe};
use std::hint::black_box;
use std::time::Duration;

fn queues(c: &mut Criterion) {
    let mut group = c.benchmark_group("queue, send and receive");
    let (tx, rx) = bounded::<u64>(1024).unwrap();
    group.bench_function("a number", |b| {
        b.iter(|| {
            tx.send(black_box(7)).unwrap();
            rx.recv().unwrap()
        });
    });
    let (tx, rx) = bounded_leased::<u64>(1024, 16).unwrap();
    group.bench_function("a number, leased", |b| {
        b.iter(|| {
            tx.send(black_box(7)).unwrap();
            rx.lease().unwrap().ack()
        });
    });
    let (tx, rx) = bounded_bytes(1024, 1 << 20).unwrap();
    let mut buffer = Vec::new();
    group.bench_function("64 bytes", |b| {
        b.iter(|| {
            tx.send(black_box(&[7; 64])).unwrap();
            rx.recv_into(&mut buffer).unwrap();
        });
    });
    let (tx, rx) = bounded_values::<String>(1024, 1 << 20).unwrap();
    let text = "a value of some thirty bytes...".to_owned();
    group.bench_function("a String of 31 bytes", |b| {
        b.iter(|| {
            tx.send(text.clone()).unwrap();
            rx.recv().unwrap()
        });
    });
    let (tx, rx) = bounded_blocks(16, Blocks::new(18, 64 << 10)).unwrap();
    group.bench_function("an empty block", |b| {
        b.iter(|| {
            tx.reserve(0).unwrap().commit().unwrap();
            rx.recv().unwrap().len()
        });
    });
}

fn locks(c: &mut Criterion) {
    let mut group = c.benchmark_group("lock");
    let mutex = Mutex::new(0u64).unwrap();
    group.bench_function("Mutex", |b| b.iter(|| *black_box(&mutex).lock().unwrap() += 1));
    group.bench_function("Mutex, with a timeout", |b| {
        b.iter(|| *black_box(&mutex).lock_timeout(Duration::from_secs(1)).unwrap() += 1);
    });
    let mutex = ReentrantMutex::new(0u64).unwrap();
    group.bench_function("ReentrantMutex", |b| {
        b.iter(|| black_box(&mutex).lock().unwrap().get());
    });
    let lock = RwLock::new(0u64).unwrap();
    group.bench_function("RwLock, read", |b| b.iter(|| *black_box(&lock).read().unwrap()));
    group.bench_function("RwLock, write", |b| b.iter(|| *black_box(&lock).write().unwrap() += 1));
    let event = Event::new().unwrap();
    group.bench_function("Event, set and cleared", |b| {
        b.iter(|| {
            black_box(&event).set();
            event.clear();
        });
    });
}

fn values(c: &mut Criterion) {
    let mut group = c.benchmark_group("value");
    let shared = Shared::new(7u64).unwrap();
    group.bench_function("Shared, get", |b| b.iter(|| black_box(&shared).get()));
    group.bench_function("Shared, update", |b| {
        b.iter(|| black_box(&shared).update(|value| *value += 1));
    });
    let slice = SharedSlice::new(&[0u64; 64]).unwrap();
    group.bench_function("SharedSlice, get", |b| b.iter(|| black_box(&slice).get(7)));
    let once = OnceLock::new().unwrap();
    assert_eq!(once.get_or_init(|| 7u64), 7);
    group.bench_function("OnceLock, get", |b| b.iter(|| black_box(&once).get()));
}

fn semaphores(c: &mut Criterion) {
    let mut group = c.benchmark_group("semaphore, acquire and release");
    let semaphore = Semaphore::new(4).unwrap();
    group.bench_function("Semaphore", |b| {
        b.iter(|| {
            black_box(&semaphore).acquire();
            semaphore.release().unwrap();
        });
    });
    group.bench_function("Semaphore, three at once", |b| {
        b.iter(|| {
            black_box(&semaphore).acquire_many(3).unwrap();
            semaphore.release_many(3).unwrap();
        });
    });
    let semaphore = BoundedSemaphore::new(4).unwrap();
    group.bench_function("BoundedSemaphore", |b| {
        b.iter(|| {
            black_box(&semaphore).acquire();
            semaphore.release().unwrap();
        });
    });
    let permits = PermitPool::new(4).unwrap();
    group.bench_function("PermitPool", |b| {
        b.iter(|| drop(black_box(black_box(&permits).acquire().unwrap())));
    });
}

fn pipes(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipe, send and receive");
    let (a, b_end) = pipe::duplex::<u64>().unwrap();
    group.bench_function("a number", |b| {
        b.iter(|| {
            a.send(&7).unwrap();
            b_end.recv().unwrap()
        });
    });
    let (a, b_end) = pipe::duplex::<[u8]>().unwrap();
    let mut buffer = [0; 64];
    group.bench_function("64 bytes", |b| {
        b.iter(|| {
            a.send(&[7; 64]).unwrap();
            b_end.recv_into(&mut buffer).unwrap()
        });
    });
}

criterion_group!(benches, queues, locks, values, semaphores, pipes);
criterion_main!(benches);
