//! Pipes: a message to another process and back, by size.

#![allow(missing_docs, reason = "made by criterion's macros")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use multiproc::{Builder, pipe};

fn round_trip(c: &mut Criterion) {
    let mut group = c.benchmark_group("pipe round trip of bytes, a process");
    let (here, there) = pipe::duplex::<[u8]>().unwrap();
    let echo = |end: pipe::Duplex<[u8]>| {
        let mut buffer = vec![0; 1 << 20];
        while let Ok(length) = end.recv_into(&mut buffer) {
            end.send(&buffer[..length]).unwrap();
        }
    };
    let process = Builder::new().daemon(true).spawn((there,), echo).unwrap();
    let mut buffer = vec![0; 1 << 20];
    for size in [8, 1 << 10, 1 << 16, 1 << 20] {
        group.throughput(Throughput::Bytes(2 * size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |b| {
            b.iter(|| {
                here.send(&buffer[..size]).unwrap();
                here.recv_into(&mut buffer).unwrap()
            });
        });
    }
    drop(here);
    process.join().unwrap();
}

criterion_group!(benches, round_trip);
criterion_main!(benches);
