//! Pools: one task there and back, and many tiny ones.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use multiproc::Pool;

const TASKS: u64 = 10_000;

fn pool(c: &mut Criterion) {
    let pool = Pool::builder().workers(2).build().unwrap();
    c.bench_function("pool apply of nothing", |b| b.iter(|| pool.apply((1u64,), |x| x).unwrap()));

    let mut group = c.benchmark_group("pool map of tiny tasks");
    group.throughput(Throughput::Elements(TASKS));
    group.bench_function("default chunks", |b| b.iter(|| pool.map(0..TASKS, |x| x * x).unwrap()));
    group.bench_function("one by one", |b| {
        b.iter(|| pool.map_in_chunks(0..TASKS, 1, |x| x * x).unwrap());
    });
}

criterion_group!(benches, pool);
criterion_main!(benches);
