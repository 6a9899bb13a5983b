//! Critical sections: one at a time, whatever keeps the others out.

use multiproc_benches::{Crew, Part, Place, Rounds, Subject, Told};
use serde::{Deserialize, Serialize};
use std::hint::spin_loop;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// A number that only one may change at a time.
pub(crate) trait Exclusive: 'static {
    /// Adds one to it, stays inside for so many nanoseconds, and returns what it was.
    fn enter(&self, nanos: u64) -> u64;
}

/// Stays for so long, without giving the core away.
pub(crate) fn stay(nanos: u64) {
    if nanos == 0 {
        return;
    }
    let start = Instant::now();
    while start.elapsed() < Duration::from_nanos(nanos) {
        spin_loop();
    }
}

/// Adds one in two steps, and stays inside: two at once would lose one of them.
pub(crate) fn add_one(number: &AtomicU64, nanos: u64) -> u64 {
    let before = number.load(Relaxed);
    number.store(before + 1, Relaxed);
    stay(nanos);
    before
}

/// Enters again and again.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Visitor<X>(pub(crate) X, pub(crate) u64);

/// Sections between looks at the clock.
const SECTIONS: u64 = 32;

impl<X: Exclusive> Part for Visitor<X> {
    fn play(self, rounds: &mut Rounds) -> Result<(), String> {
        let Self(lock, nanos) = self;
        rounds.each(|length| {
            let (start, mut ops, mut last) = (Instant::now(), 0, 0);
            loop {
                for _ in 0..SECTIONS {
                    last = lock.enter(nanos);
                }
                ops += SECTIONS;
                if start.elapsed() >= Duration::from_nanos(length) {
                    return Told::done(ops, last + 1);
                }
            }
        });
        Ok(())
    }
}

/// Looks whether no two were inside at once: then the number has grown by all visits.
///
/// Whoever came last has seen the last number.
pub(crate) fn one_at_a_time() -> impl FnMut(&[Told]) -> Result<(), String> {
    let mut before = 0;
    move |told| {
        let visits: u64 = told.iter().map(|told| told.ops).sum();
        let now = told.iter().map(|told| told.sum).max().unwrap_or(0);
        let grown = now - std::mem::replace(&mut before, now);
        if grown == visits {
            return Ok(());
        }
        Err(format!("{visits} visits, and the number grew by {grown}: two were inside at once"))
    }
}

/// Makes crews of workers of one kind that all want the same.
macro_rules! crews {
    ($(#[$doc:meta])* $name:ident, $hire:ident $(, $bound:path)*) => {
        $(#[$doc])*
        pub(crate) fn $name<X: Exclusive + Clone $(+ $bound)*>(
            place: Place,
            workers: usize,
            nanos: u64,
            lock: X,
        ) -> Result<Box<dyn Subject>, String> {
            let mut crew = Crew::new(workers, place)?.timed().checked(one_at_a_time());
            for _ in 0..workers {
                crew = crew.$hire(Visitor(lock.clone(), nanos))?;
            }
            crew.ready()
        }
    };
}

crews!(
    /// In processes of their own.
    processes, process, Serialize, serde::de::DeserializeOwned
);
crews!(
    /// In forks of this process.
    forks, fork
);
crews!(
    /// In threads of this process.
    threads, thread, Send
);
