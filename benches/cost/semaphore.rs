//! Semaphores: alone, wanted by several, and to pass a turn.

use crate::critical::{self, Exclusive, add_one};
use crate::libc_sync::{self, Guarded, Shared};
use crate::python;
use crate::queue::place_word;
use crate::turns::{self, Signal, some};
use multiproc::lock::SharedAtomic;
use multiproc::{PermitPool, Semaphore};
use multiproc_benches::{Axis, Kind, Place, Suite};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::atomic::AtomicU64;

/// One permit, and a number beside it.
#[derive(Clone, Serialize, Deserialize)]
struct Guarding<S>(S, SharedAtomic<AtomicU64>);

/// Makes one of it, with a number.
fn guarding<S>(permits: Result<S, multiproc::semaphore::Error>) -> Result<Guarding<S>, String> {
    let number = SharedAtomic::new(AtomicU64::new(0)).map_err(|error| error.to_string())?;
    Ok(Guarding(permits.map_err(|error| error.to_string())?, number))
}

impl Exclusive for Guarding<Semaphore> {
    fn enter(&self, nanos: u64) -> u64 {
        black_box(&self.0).acquire();
        let before = add_one(&self.1, nanos);
        self.0.release().unwrap();
        before
    }
}

impl Exclusive for Guarding<PermitPool> {
    fn enter(&self, nanos: u64) -> u64 {
        let _permit = black_box(&self.0).acquire().unwrap();
        add_one(&self.1, nanos)
    }
}

impl Signal for Semaphore {
    fn raise(&self) {
        self.release().unwrap();
    }

    fn take(&self) {
        self.acquire();
    }
}

impl Signal for Shared<Guarded<libc::sem_t>> {
    fn raise(&self) {
        self.release();
    }

    fn take(&self) {
        self.acquire();
    }
}

pub(crate) fn rows(suite: &mut Suite) {
    for workers in [1, 2, 4] {
        one_permit(suite, "acquire and release", workers, 0);
    }
    for workers in [2, 4] {
        one_permit(suite, "a section of 200 ns", workers, 200);
    }
    for (what, place) in
        [("round trip", Place::EachItsCore), ("round trip, one core", Place::OneCore)]
    {
        suite
            .contest("semaphore", what, place)
            .with(Kind::Ours, "proc-semaphore", move || {
                turns::processes(place, 2, some(2, || Semaphore::new(0))?)
            })
            .with(Kind::Peer, "sem_t", move || {
                turns::forks(place, 2, some(2, || libc_sync::semaphore(0))?)
            })
            .with(Kind::Python, "multiprocessing.Semaphore", move || {
                python::subject(&["semaphore_trip", place_word(place)])
            })
            .run();
    }
}

fn one_permit(suite: &mut Suite, what: &str, workers: usize, nanos: u64) {
    let place = Place::EachItsCore;
    let mut row = suite
        .contest("semaphore", what, place)
        .at(Axis::Workers, workers as u64)
        .with(Kind::Ours, "proc-semaphore", move || {
            critical::processes(place, workers, nanos, guarding(Semaphore::new(1))?)
        })
        .with(Kind::Ours, "proc-semaphore, permits", move || {
            critical::processes(place, workers, nanos, guarding(PermitPool::new(1))?)
        })
        .with(Kind::Peer, "sem_t", move || {
            critical::forks(place, workers, nanos, libc_sync::semaphore(1)?)
        });
    if nanos == 0 {
        row = row.with(Kind::Python, "multiprocessing.Semaphore", move || {
            python::subject(&["semaphore", &workers.to_string()])
        });
    }
    row.run();
}
