//! Semaphores: alone, wanted by several, and to pass a turn.

use crate::critical::{self, Exclusive, add_one};
use crate::libc_sync::{self, Guarded, Shared};
use crate::python;
use crate::queue::place_word;
use crate::turns::{self, Turns};
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

impl Turns for (Semaphore, Semaphore) {
    fn there_and_back(&self) {
        self.0.release().unwrap();
        self.1.acquire();
    }

    fn back(&self) {
        self.0.acquire();
        self.1.release().unwrap();
    }
}

impl Turns for (Shared<Guarded<libc::sem_t>>, Shared<Guarded<libc::sem_t>>) {
    fn there_and_back(&self) {
        self.0.release();
        self.1.acquire();
    }

    fn back(&self) {
        self.0.acquire();
        self.1.release();
    }
}

pub(crate) fn rows(suite: &mut Suite) {
    for workers in [1, 2, 4] {
        one_permit(suite, workers);
    }
    for (what, place) in
        [("round trip", Place::EachItsCore), ("round trip, one core", Place::OneCore)]
    {
        suite
            .contest("semaphore", what, place)
            .with(Kind::Ours, "proc-semaphore", move || {
                let new = || Semaphore::new(0).map_err(|error| error.to_string());
                turns::processes(place, (new()?, new()?))
            })
            .with(Kind::Peer, "sem_t", move || {
                turns::forks(place, (libc_sync::semaphore(0)?, libc_sync::semaphore(0)?))
            })
            .with(Kind::Python, "multiprocessing.Semaphore", move || {
                python::subject(&["semaphore_trip", place_word(place)])
            })
            .run();
    }
}

fn one_permit(suite: &mut Suite, workers: usize) {
    let place = Place::EachItsCore;
    suite
        .contest("semaphore", "acquire and release", place)
        .at(Axis::Workers, workers as u64)
        .with(Kind::Ours, "proc-semaphore", move || {
            critical::processes(place, workers, 0, guarding(Semaphore::new(1))?)
        })
        .with(Kind::Ours, "proc-semaphore, permits", move || {
            critical::processes(place, workers, 0, guarding(PermitPool::new(1))?)
        })
        .with(Kind::Peer, "sem_t", move || {
            critical::forks(place, workers, 0, libc_sync::semaphore(1)?)
        })
        .with(Kind::Python, "multiprocessing.Semaphore", move || {
            python::subject(&["semaphore", &workers.to_string()])
        })
        .run();
}
