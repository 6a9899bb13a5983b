//! What a worker of a crew does: rounds, each when told, with its figures left for the one who asked.
//!
//! | word | written by | read by |
//! |---|---|---|
//! | `AMOUNT` | the asker, before `go` | each worker, after `go` |
//! | `ARRIVED` | set to 0 by the asker, counted up by the workers | the workers, until all are there |
//! | the words of a seat | its worker, before `done` | the asker, after `done` |

use crate::place::Place;
use multiproc::Semaphore;
use multiproc::lock::SharedAtomic;
use serde::{Deserialize, Serialize};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::time::Instant;

/// The amount of work that means: that was all.
pub(crate) const STOP: u64 = u64::MAX;
/// What a worker's words begin with when it could not begin.
pub(crate) const FAILED: u64 = u64::MAX;

pub(crate) const AMOUNT: usize = 0;
pub(crate) const ARRIVED: usize = 1;
/// Where the words of the seats begin: each has lines of its own.
const SEATS: usize = 16;
const A_SEAT: usize = 16;

/// What a worker has to say about a round.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Told {
    /// How many of what the row counts were done.
    pub ops: u64,
    /// A sum over what was seen, or written: from it the crew's check knows that nothing is missing.
    pub sum: u64,
    /// The median of single operations, in nanoseconds, from a worker that took their times.
    pub p50: Option<f64>,
    /// The same for the 99th of a hundred.
    pub p99: Option<f64>,
}

impl Told {
    /// Tells that `ops` were done, with this sum.
    #[must_use]
    pub const fn done(ops: u64, sum: u64) -> Self {
        Self { ops, sum, p50: None, p99: None }
    }
}

/// When a worker began and ended, in nanoseconds of the monotonic clock, and what it tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) told: Told,
}

/// The words of a crew, for its asker and its workers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Board(SharedAtomic<[AtomicU64]>);

impl Board {
    pub(crate) fn new(seats: usize) -> Result<Self, multiproc::lock::Error> {
        SharedAtomic::<[AtomicU64]>::zeroed(SEATS + seats * A_SEAT).map(Self)
    }

    pub(crate) fn word(&self, at: usize) -> &AtomicU64 {
        &self.0[at]
    }

    fn seat(&self, seat: usize) -> &[AtomicU64] {
        &self.0[SEATS + seat * A_SEAT..][..A_SEAT]
    }

    pub(crate) fn has_failed(&self, seat: usize) -> bool {
        self.seat(seat)[0].load(Relaxed) == FAILED
    }

    pub(crate) fn fail(&self, seat: usize) {
        self.seat(seat)[0].store(FAILED, Relaxed);
    }

    // Relaxed: the semaphores `go` and `done` are between every write and its read.
    fn report(&self, seat: usize, report: &Report) {
        let Report { began, ended, told } = report;
        let time = |time: Option<f64>| time.unwrap_or(f64::NAN).to_bits();
        let values = [*began, *ended, told.ops, told.sum, time(told.p50), time(told.p99)];
        for (word, value) in self.seat(seat).iter().zip(values) {
            word.store(value, Relaxed);
        }
    }

    pub(crate) fn read(&self, seat: usize) -> Report {
        let word = |at: usize| self.seat(seat)[at].load(Relaxed);
        let time = |at| Some(f64::from_bits(word(at))).filter(|time| !time.is_nan());
        let told = Told { ops: word(2), sum: word(3), p50: time(4), p99: time(5) };
        Report { began: word(0), ended: word(1), told }
    }
}

/// The rounds of one worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rounds {
    pub(crate) seat: usize,
    pub(crate) seats: usize,
    pub(crate) place: Place,
    pub(crate) go: Semaphore,
    pub(crate) done: Semaphore,
    pub(crate) board: Board,
}

impl Rounds {
    /// Returns which of the crew this is, from 0.
    #[must_use]
    pub const fn seat(&self) -> usize {
        self.seat
    }

    /// Says that the worker is ready, and does `work` with the amount that is asked for, until all is done.
    ///
    /// All workers begin a round together. The amount is a number of operations, or of nanoseconds in
    /// a crew that works for so long.
    pub fn each(&mut self, mut work: impl FnMut(u64) -> Told) {
        self.tell();
        loop {
            self.go.acquire();
            let amount = self.board.word(AMOUNT).load(Relaxed);
            if amount == STOP {
                return;
            }
            self.meet();
            let began = monotonic();
            let told = work(amount);
            let ended = monotonic();
            self.board.report(self.seat, &Report { began, ended, told });
            self.tell();
        }
    }

    fn meet(&self) {
        let arrived = self.board.word(ARRIVED);
        // Pairs with itself: nobody begins before the last has come.
        arrived.fetch_add(1, AcqRel);
        let start = Instant::now();
        while arrived.load(Acquire) < self.seats as u64 {
            // With a core for each they are all awake in some microseconds; otherwise they need this core.
            match start.elapsed().as_micros() {
                0..20 => std::hint::spin_loop(),
                _ => std::thread::yield_now(),
            }
        }
    }

    pub(crate) fn tell(&self) {
        // Refused only beyond a bound that no crew comes near.
        let _ = self.done.release();
    }
}

/// Nanoseconds of the clock that all processes share.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
