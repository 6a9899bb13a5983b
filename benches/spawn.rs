//! Starts: a process with a result beside a thread with one.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use criterion::{Criterion, criterion_group, criterion_main};

fn start_and_join(c: &mut Criterion) {
    let mut group = c.benchmark_group("start and join");
    group.bench_function("proc-spawn", |b| {
        b.iter(|| multiproc::spawn((1u64,), |x| x + 1).unwrap().join().unwrap());
    });
    group.bench_function("std::thread", |b| {
        b.iter(|| std::thread::spawn(|| 1u64 + 1).join().unwrap());
    });
}

criterion_group!(benches, start_and_join);
criterion_main!(benches);
