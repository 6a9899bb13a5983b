//! Mutexes: alone, and wanted by several.

use crate::critical::{Exclusive, add_one, forks, processes, stay, threads};
use crate::{libc_sync, python};
use multiproc::Mutex;
use multiproc::lock::ReentrantMutex;
use multiproc_benches::{Axis, Kind, Place, Suite};
use multiproc_core::lock::section::SectionLock;
use multiproc_core::spin::Spin;
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

impl Exclusive for Mutex<u64> {
    fn enter(&self, nanos: u64) -> u64 {
        let mut number = black_box(self).lock().unwrap();
        let before = *number;
        *number = before + 1;
        stay(nanos);
        before
    }
}

/// Ours, which the same thread can take again.
#[derive(Clone, Serialize, Deserialize)]
struct Reentrant(ReentrantMutex<u64>);

impl Exclusive for Reentrant {
    fn enter(&self, nanos: u64) -> u64 {
        let number = black_box(&self.0).lock().unwrap();
        let before = number.get();
        number.set(before + 1);
        stay(nanos);
        before
    }
}

/// The lock inside queues and semaphores, for one process: it says nothing of a dead owner.
#[derive(Clone, Default)]
struct Internal(Arc<(SectionLock, Spin, AtomicU64)>);

impl Exclusive for Internal {
    fn enter(&self, nanos: u64) -> u64 {
        let (lock, spin, number) = &*self.0;
        let _section = black_box(lock).lock(spin);
        add_one(number, nanos)
    }
}

impl Exclusive for Arc<std::sync::Mutex<u64>> {
    fn enter(&self, nanos: u64) -> u64 {
        let mut number = black_box(self).lock().unwrap();
        let before = *number;
        *number = before + 1;
        stay(nanos);
        before
    }
}

impl Exclusive for Arc<parking_lot::Mutex<u64>> {
    fn enter(&self, nanos: u64) -> u64 {
        let mut number = black_box(self).lock();
        let before = *number;
        *number = before + 1;
        stay(nanos);
        before
    }
}

pub(crate) fn rows(suite: &mut Suite) {
    for workers in [1, 2, 4] {
        row(suite, "lock and unlock", workers, 0);
    }
    for workers in [2, 4] {
        row(suite, "a section of 200 ns", workers, 200);
    }
}

fn row(suite: &mut Suite, what: &str, workers: usize, nanos: u64) {
    let place = Place::EachItsCore;
    let mut row = suite.contest("lock", what, place).at(Axis::Workers, workers as u64).with(
        Kind::Ours,
        "proc-lock",
        move || {
            let lock = Mutex::new(0u64).map_err(|error| error.to_string())?;
            processes(place, workers, nanos, lock)
        },
    );
    if workers == 1 {
        row = row.with(Kind::Ours, "proc-lock, reentrant", move || {
            let lock = ReentrantMutex::new(0u64).map_err(|error| error.to_string())?;
            processes(place, workers, nanos, Reentrant(lock))
        });
        row = row.with(Kind::Ours, "multiproc-core, internal", move || {
            forks(place, workers, nanos, Internal::default())
        });
    }
    row = row
        .with(Kind::Threads, "std::sync::Mutex", move || {
            threads(place, workers, nanos, Arc::new(std::sync::Mutex::new(0)))
        })
        .with(Kind::Threads, "parking_lot", move || {
            threads(place, workers, nanos, Arc::new(parking_lot::Mutex::new(0)))
        })
        .with(Kind::Peer, "pthread robust", move || {
            forks(place, workers, nanos, libc_sync::robust_mutex()?)
        })
        .with(Kind::Peer, "sem_t", move || forks(place, workers, nanos, libc_sync::semaphore(1)?));
    if nanos == 0 {
        row = row.with(Kind::Python, "multiprocessing.Lock", move || {
            python::subject(&["lock", &workers.to_string()])
        });
    }
    row.run();
}
