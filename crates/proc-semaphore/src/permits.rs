//! The state machine: words in shared memory, and who may change them.
//!
//! ```text
//! value: bits 31..1  permits     bit 0  WAITER: one process sleeps on this word, or did
//! ```
//!
//! | value | who | to what |
//! |---|---|---|
//! | n > 0 (WAITER) | an acquirer | n - 1, WAITER cleared |
//! | n > 0 (WAITER) | a releaser | n + 1, WAITER cleared |
//! | 0 | a releaser | 1 |
//! | 0 | the waiter | 0, WAITER, then it sleeps |
//! | 0, WAITER | a releaser | 1, WAITER, and the waiter is woken: one system call |
//!
//! WAITER means something at 0 permits only: whoever raised the number from there has woken the
//! waiter in the same step, so at more than 0 anybody may clear it. At 0 nobody does, not even a
//! waiter that gives up; the next releaser then pays a system call for nobody.
//!
//! At most one process sleeps on the word: waiters stand at the *turnstile*, a crash-proof lock, and
//! its holder alone sleeps. Killed while asleep or on its way to the permit that it was woken for, it
//! leaves the turnstile to the next, who looks at the number afresh. So no wake-up is ever lost.
//!
//! A bounded semaphore must not add blindly at 0: its releasers take turns there (`releasing`).

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex::{self, Wait};
use multiproc_core::lock::section::SectionLock;
use multiproc_core::segment::Plain;
use multiproc_core::spin::Spin;

use crate::error::ReleaseError;

/// How long a waiter waits for its turn before it looks whether there is a permit all the same.
const LOOK: Duration = Duration::from_millis(250);

const WAITER: u32 = 1;
const ONE: u32 = 2;

/// The shared words.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 4 | `value` | acquirers, releasers, the waiter |
/// | 8 | 8 | `releasing` | releasers of the bounded form that find 0 permits |
/// | 64 | 8 | `turnstile` | waiters |
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Permits {
    value: AtomicU32,
    releasing: SectionLock,
    line: [AtomicU32; 12],
    turnstile: SectionLock,
}

const _: () = assert!(size_of::<Permits>() == 72);
const _: () = assert!(std::mem::offset_of!(Permits, turnstile) == 64);

// SAFETY: atomics only; any value of `value` is a number of permits, zero included.
unsafe impl Plain for Permits {}

/// How one process waits: it learns.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    permit: Spin,
    turnstile: Spin,
}

impl Permits {
    /// Sets the first number of permits, before anybody else has the segment.
    pub(crate) fn start(&self, permits: u32) {
        self.value.store(permits * ONE, Relaxed);
    }

    pub(crate) fn value(&self) -> u32 {
        self.value.load(Relaxed) / ONE
    }

    #[inline]
    pub(crate) fn try_acquire(&self) -> bool {
        let mut seen = self.value.load(Relaxed);
        while seen >= ONE {
            let next = (seen - ONE) & !WAITER;
            // Acquire: pairs with the Release in `release`, or with its system call.
            match self.value.compare_exchange_weak(seen, next, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    #[inline]
    pub(crate) fn acquire(&self, waiting: &Waiting, deadline: Deadline) -> bool {
        self.try_acquire() || self.acquire_slow(waiting, deadline)
    }

    #[cold]
    fn acquire_slow(&self, waiting: &Waiting, deadline: Deadline) -> bool {
        if waiting.permit.until(|| self.value.load(Relaxed) >= ONE) && self.try_acquire() {
            return true;
        }
        // Now and then a look at the permits, in case who has the turn was stopped, and sleeps through them.
        let _turn = loop {
            let slice = deadline.slice(LOOK);
            if let Some(turn) = self.turnstile.lock_until(&waiting.turnstile, slice) {
                break turn;
            }
            if self.try_acquire() {
                return true;
            }
            if deadline.has_passed() {
                return false;
            }
        };
        loop {
            if self.try_acquire() {
                return true;
            }
            // Relaxed: the bit carries no data. It may be there already, from one who gave up.
            let asleep = match self.value.compare_exchange(0, WAITER, Relaxed, Relaxed) {
                Ok(_) | Err(WAITER) => futex::wait(&self.value, WAITER, deadline),
                Err(_) => Wait::Changed,
            };
            if asleep == Wait::TimedOut {
                // No wake-up was meant for us; a permit may have come all the same.
                return self.try_acquire();
            }
        }
    }

    /// Adds a permit, up to `bound`; `exact` when not even a race may go beyond it.
    #[inline]
    pub(crate) fn release(
        &self,
        waiting: &Waiting,
        bound: u32,
        exact: bool,
    ) -> Result<(), ReleaseError> {
        while !self.release_unless_waited_for(bound)? {
            if bound == 0 {
                return Err(ReleaseError { bound });
            }
            let turn = exact.then(|| self.releasing.lock(&waiting.turnstile));
            // With the turn, nobody else leaves this state: see the table.
            if turn.is_none() || self.value.load(Relaxed) == WAITER {
                futex::add_and_wake(&self.value, 2, 1);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Adds a permit unless a waiter must be woken for it; says which.
    #[inline]
    fn release_unless_waited_for(&self, bound: u32) -> Result<bool, ReleaseError> {
        let mut seen = self.value.load(Relaxed);
        while seen != WAITER {
            if seen / ONE >= bound {
                return Err(ReleaseError { bound });
            }
            let next = (seen + ONE) & !WAITER;
            // Release: pairs with the Acquire in `try_acquire`.
            match self.value.compare_exchange_weak(seen, next, Release, Relaxed) {
                Ok(_) => return Ok(true),
                Err(now) => seen = now,
            }
        }
        Ok(false)
    }
}
