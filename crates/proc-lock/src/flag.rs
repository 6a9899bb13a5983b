//! The state machine of an event, and of a value that is set once: a flag for which one can wait.
//!
//! ```text
//! bit  31      SLEEPERS   it is clear, and somebody sleeps, or may
//! bits 30..1   epoch      how often it was cleared
//! bit  0       IDLE       it is clear, and nobody sleeps
//! ```
//!
//! | word | who may change it | to what |
//! |---|---|---|
//! | epoch (set) | who clears | epoch + 1, IDLE |
//! | epoch, IDLE (clear) | who sets | epoch |
//! | | a waiter, before it sleeps | epoch, SLEEPERS |
//! | epoch, SLEEPERS (clear) | who sets | epoch, and all sleepers are woken: one system call |
//! | both bits (clear; only a hostile peer writes it) | who sets, and a waiter before it sleeps | epoch, SLEEPERS |
//!
//! Each step is one atomic operation or one system call, so nobody can be killed within one. The system
//! call clears a bit and nothing else: of two who set at once, or of one who sets late, the second does
//! no harm. The epoch tells a waiter that the event was set, however short: in a later epoch it was.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use multiproc_core::deadline::Deadline;
use multiproc_core::futex::{self, Wait};
use multiproc_core::segment::Plain;
use multiproc_core::spin::Spin;

const SLEEPERS: u32 = 1 << 31;
const IDLE: u32 = 1;
const EPOCH: u32 = !(SLEEPERS | IDLE);
const NEXT: u32 = 2;

/// The shared word.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Flag(AtomicU32);

const _: () = assert!(size_of::<Flag>() == 4);

// SAFETY: one atomic word, of which every value is a state; zero is "set".
unsafe impl Plain for Flag {}

fn set(word: u32) -> bool {
    word & (SLEEPERS | IDLE) == 0
}

impl Flag {
    /// Makes it clear, before anybody else has the segment: zero is "set".
    pub(crate) fn start(&self) {
        self.0.store(IDLE, Relaxed);
    }

    #[inline]
    pub(crate) fn is_set(&self) -> bool {
        // Acquire: pairs with the Release in `set`, or with its system call.
        set(self.0.load(Acquire))
    }

    /// Says whether it is set, or was since `epoch`.
    fn was_set(&self, epoch: u32) -> bool {
        // Acquire: as in `is_set`; a clearing in between passes it on.
        let seen = self.0.load(Acquire);
        set(seen) || seen & EPOCH != epoch
    }

    #[inline]
    pub(crate) fn set(&self) {
        let mut seen = self.0.load(Relaxed);
        loop {
            let next = match seen & (SLEEPERS | IDLE) {
                SLEEPERS => return futex::clear_top_and_wake(&self.0, futex::ALL),
                // Also when it is set already: what we did before is to be seen by who finds it so.
                0 | IDLE => seen & EPOCH,
                // A hostile peer's: the system call would leave IDLE.
                _ => seen & !IDLE,
            };
            // Release: pairs with the Acquire of those who look.
            match self.0.compare_exchange_weak(seen, next, Release, Relaxed) {
                Ok(_) if set(next) => return,
                Ok(_) => seen = next,
                Err(now) => seen = now,
            }
        }
    }

    pub(crate) fn clear(&self) {
        let mut seen = self.0.load(Relaxed);
        while set(seen) {
            let next = (seen.wrapping_add(NEXT) & EPOCH) | IDLE;
            // AcqRel: who finds the later epoch sees what was done before it was set.
            match self.0.compare_exchange_weak(seen, next, AcqRel, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Waits until it is set; says whether that came before the deadline.
    #[inline]
    pub(crate) fn wait(&self, spin: &Spin, deadline: Deadline) -> bool {
        // Acquire: as in `is_set`.
        let seen = self.0.load(Acquire);
        set(seen) || self.wait_slow(seen & EPOCH, spin, deadline)
    }

    #[cold]
    fn wait_slow(&self, epoch: u32, spin: &Spin, deadline: Deadline) -> bool {
        spin.until(|| self.was_set(epoch));
        let asleep = epoch | SLEEPERS;
        loop {
            // Acquire: as in `was_set`.
            let seen = self.0.load(Acquire);
            if set(seen) || seen & EPOCH != epoch {
                return true;
            }
            // Relaxed: the bit carries no data. It may be there already, from another or from a dead one.
            let marked =
                seen == asleep || self.0.compare_exchange(seen, asleep, Relaxed, Relaxed).is_ok();
            let slept = marked.then(|| futex::wait(&self.0, asleep, deadline));
            // The clock, too: a peer that writes without end can keep us from sleeping, but not here.
            if slept == Some(Wait::TimedOut) || deadline.has_passed() {
                return self.was_set(epoch);
            }
        }
    }
}
