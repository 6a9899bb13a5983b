//! A bench that starts processes.

use criterion::{Criterion, criterion_group, criterion_main};

fn start(criterion: &mut Criterion) {
    matrix_probe::check();
    criterion.bench_function("spawn and join", |bencher| {
        bencher.iter(|| proc_spawn::spawn((1, 2), |a: i32, b| a + b).unwrap().join().unwrap());
    });
}

criterion_group!(benches, start);
criterion_main!(benches);
