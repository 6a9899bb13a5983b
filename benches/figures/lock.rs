//! Locks that nobody else wants at the moment.

use crate::table::{fewer, row, seconds};
use std::hint::black_box;

pub(crate) fn rows() {
    mutex();
    read_write_lock();
}

fn read_write_lock() {
    let n = fewer(3_000_000);
    let ours = multiproc::RwLock::new(7u64).unwrap();
    let std = std::sync::RwLock::new(7u64);
    row(
        "rwlock read + unlock, uncontended, ns",
        1e9 / n as f64,
        "std::sync::RwLock",
        || {
            seconds(|| {
                for _ in 0..n {
                    black_box(*black_box(&ours).read().unwrap());
                }
            })
        },
        || {
            seconds(|| {
                for _ in 0..n {
                    black_box(*black_box(&std).read().unwrap());
                }
            })
        },
    );
    row(
        "rwlock write + unlock, uncontended, ns",
        1e9 / n as f64,
        "std::sync::RwLock",
        || seconds(|| (0..n).for_each(|_| *black_box(&ours).write().unwrap() += 1)),
        || seconds(|| (0..n).for_each(|_| *black_box(&std).write().unwrap() += 1)),
    );
}

fn mutex() {
    let n = fewer(3_000_000);
    let (ours, std) = (multiproc::Mutex::new(0u64).unwrap(), std::sync::Mutex::new(0u64));
    row(
        "mutex lock + unlock, uncontended, ns",
        1e9 / n as f64,
        "std::sync::Mutex",
        || seconds(|| (0..n).for_each(|_| *black_box(&ours).lock().unwrap() += 1)),
        || seconds(|| (0..n).for_each(|_| *black_box(&std).lock().unwrap() += 1)),
    );
}
