//! Read-write locks: read by one or more, and written.

use crate::critical::{self, Exclusive, stay};
use crate::libc_sync::{self, Guarded, Shared};
use multiproc::RwLock;
use multiproc_benches::{Axis, Crew, Kind, Part, Place, Rounds, Subject, Suite, Told};
use serde::{Deserialize, Serialize};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What several may read at a time.
trait Readable: Exclusive {
    /// Reads the number, and stays inside for so many nanoseconds.
    fn look(&self, nanos: u64) -> u64;
}

macro_rules! readable {
    ($lock:ty $(, $unwrap:ident)?) => {
        impl Exclusive for $lock {
            fn enter(&self, nanos: u64) -> u64 {
                let mut number = black_box(self).write()$(.$unwrap())?;
                let before = *number;
                *number = before + 1;
                stay(nanos);
                before
            }
        }

        impl Readable for $lock {
            fn look(&self, nanos: u64) -> u64 {
                let number = black_box(self).read()$(.$unwrap())?;
                stay(nanos);
                *number
            }
        }
    };
}

readable!(RwLock<u64>, unwrap);
readable!(Arc<std::sync::RwLock<u64>>, unwrap);
readable!(Arc<parking_lot::RwLock<u64>>);

impl Readable for Shared<Guarded<libc::pthread_rwlock_t>> {
    fn look(&self, nanos: u64) -> u64 {
        self.read(nanos)
    }
}

/// Reads again and again.
#[derive(Serialize, Deserialize)]
struct Reader<L>(L, u64);

/// Reads between looks at the clock.
const READS: u64 = 32;

impl<L: Readable> Part for Reader<L> {
    fn play(self, rounds: &mut Rounds) -> Result<(), String> {
        let Self(lock, nanos) = self;
        rounds.each(|length| {
            let (start, mut ops) = (Instant::now(), 0);
            while start.elapsed() < Duration::from_nanos(length) || ops == 0 {
                for _ in 0..READS {
                    black_box(lock.look(nanos));
                }
                ops += READS;
            }
            Told::done(ops, 0)
        });
        Ok(())
    }
}

macro_rules! crews {
    ($name:ident, $hire:ident $(, $bound:path)*) => {
        fn $name<L: Readable + Clone $(+ $bound)*>(
            place: Place,
            readers: usize,
            nanos: u64,
            lock: L,
        ) -> Result<Box<dyn Subject>, String> {
            let mut crew = Crew::new(readers, place)?.timed();
            for _ in 0..readers {
                crew = crew.$hire(Reader(lock.clone(), nanos))?;
            }
            crew.ready()
        }
    };
}

crews!(processes, process, Serialize, serde::de::DeserializeOwned);
crews!(forks, fork);
crews!(threads, thread, Send);

pub(crate) fn rows(suite: &mut Suite) {
    for readers in [1, 2, 4] {
        reads(suite, "read", readers, 0);
    }
    for readers in [2, 4] {
        reads(suite, "read for 200 ns", readers, 200);
    }
    for writers in [1, 2, 4] {
        writes(suite, writers);
    }
}

fn ours() -> Result<RwLock<u64>, String> {
    RwLock::new(0).map_err(|error| error.to_string())
}

fn reads(suite: &mut Suite, what: &str, readers: usize, nanos: u64) {
    let place = Place::EachItsCore;
    suite
        .contest("rwlock", what, place)
        .at(Axis::Workers, readers as u64)
        .with(Kind::Ours, "proc-lock", move || processes(place, readers, nanos, ours()?))
        .with(Kind::Threads, "std::sync::RwLock", move || {
            threads(place, readers, nanos, Arc::new(std::sync::RwLock::new(0)))
        })
        .with(Kind::Threads, "parking_lot", move || {
            threads(place, readers, nanos, Arc::new(parking_lot::RwLock::new(0)))
        })
        .with(Kind::Peer, "pthread_rwlock", move || {
            forks(place, readers, nanos, libc_sync::rwlock()?)
        })
        .run();
}

fn writes(suite: &mut Suite, writers: usize) {
    let place = Place::EachItsCore;
    suite
        .contest("rwlock", "write", place)
        .at(Axis::Workers, writers as u64)
        .with(Kind::Ours, "proc-lock", move || critical::processes(place, writers, 0, ours()?))
        .with(Kind::Threads, "std::sync::RwLock", move || {
            critical::threads(place, writers, 0, Arc::new(std::sync::RwLock::new(0)))
        })
        .with(Kind::Threads, "parking_lot", move || {
            critical::threads(place, writers, 0, Arc::new(parking_lot::RwLock::new(0)))
        })
        .with(Kind::Peer, "pthread_rwlock", move || {
            critical::forks(place, writers, 0, libc_sync::rwlock()?)
        })
        .run();
}
