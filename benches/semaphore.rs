//! Semaphores: alone, and as the way to hand a turn to another process.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]
#![allow(unsafe_code, reason = "measures sem_t beside ours")]

use criterion::{Criterion, criterion_group, criterion_main};
use multiproc::{Builder, Semaphore};
use std::hint::black_box;

fn uncontended(c: &mut Criterion) {
    let mut group = c.benchmark_group("semaphore acquire + release, uncontended");
    let ours = Semaphore::new(1).unwrap();
    group.bench_function("proc-semaphore", |b| {
        b.iter(|| {
            black_box(&ours).acquire();
            ours.release().unwrap();
        });
    });
    // SAFETY: all-zero bytes are a valid value of this C struct.
    let mut theirs: libc::sem_t = unsafe { std::mem::zeroed() };
    // SAFETY: initialised here and used below while it lives.
    unsafe { libc::sem_init(&raw mut theirs, 1, 1) };
    group.bench_function("sem_t", |b| {
        b.iter(|| {
            // SAFETY: initialised above.
            unsafe { libc::sem_wait(black_box(&raw mut theirs)) };
            // SAFETY: as above.
            unsafe { libc::sem_post(&raw mut theirs) };
        });
    });
}

fn turns(c: &mut Criterion) {
    let (ping, pong, stop) =
        (Semaphore::new(0).unwrap(), Semaphore::new(0).unwrap(), Semaphore::new(0).unwrap());
    let answer = |ping: Semaphore, pong: Semaphore, stop: Semaphore| {
        while !stop.try_acquire() {
            ping.acquire();
            pong.release().unwrap();
        }
    };
    let args = (ping.clone(), pong.clone(), stop.clone());
    let process = Builder::new().daemon(true).spawn(args, answer).unwrap();
    c.bench_function("semaphore round trip, a process", |b| {
        b.iter(|| {
            ping.release().unwrap();
            pong.acquire();
        });
    });
    stop.release().unwrap();
    ping.release().unwrap();
    process.join().unwrap();
}

criterion_group!(benches, uncontended, turns);
criterion_main!(benches);
