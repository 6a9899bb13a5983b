//! The state machine of the counting forms: one word in shared memory, and who may change it.
//!
//! ```text
//! value: bit  63       HURRY    the first in line has been there for long
//!        bits 62..32   NEED     how many permits it waits for
//!        bit  31       WAITER   it sleeps on the low half of this word, or did; HURRY and NEED count
//!        bits 30..0    permits
//! ```
//!
//! WAITER is *in force* while there are fewer permits than NEED. Otherwise it is *stale*: whoever raised
//! the number that far has woken the waiter in the same step. The line itself is the *turnstile*, a
//! crash-proof lock, and its holder, the first in line, alone sleeps on the word.
//!
//! | state | who | to what |
//! |---|---|---|
//! | n permits, no WAITER | an acquirer of k ≤ n | n - k |
//! | n, no WAITER | a releaser of k | n + k |
//! | n, no WAITER | the first in line, who needs more | n, WAITER, NEED; then it sleeps |
//! | n, in force | an acquirer | stands in line |
//! | n, in force | a releaser of k < NEED - n | n + k, still in force: nobody is woken |
//! | n, in force | a releaser of k ≥ NEED - n | n + k, stale, **and** the waiter is woken: one system call |
//! | n, in force | the same, of many or within a bound | n, no WAITER, and the waiter is woken: one system call; then as above, or to stale if HURRY |
//! | n, stale, no HURRY | an acquirer of k ≤ n, a releaser of k | n - k, n + k, no WAITER |
//! | n, stale, HURRY | an acquirer | stands in line |
//! | n, stale, HURRY | a releaser of k | n + k, stale |
//! | n, WAITER | `try_acquire` of k ≤ n | n - k; WAITER stays unless stale without HURRY |
//! | any | the first in line | n - k, no WAITER; giving up: n, no WAITER |
//!
//! Every arrow is one compare-and-swap of all 64 bits, or the one system call `FUTEX_WAKE_OP`, which adds
//! blindly: two that add at once both wake, and a wake-up for nothing is harmless. It adds at most 2,047
//! and cannot see to a bound. For these two cases the releaser takes the flag down and wakes first, and adds
//! then, if the flag is still down: a waiter that looked in between has put it up again.
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | acquiring, before or after its one store | the permits are there, or spent | nobody |
//! | releasing, before or after its one store or call | nothing, or the permits and an awake waiter | nobody |
//! | releasing, flag taken down, nothing added | a waiter woken for nothing | the waiter: it puts the flag up again |
//! | first in line: asleep, woken, or on its way to the permits | WAITER, perhaps stale | the kernel hands the turnstile to the next, who looks afresh; if there is none, the next to stand in line clears it |
//! | further back in line | nothing | nobody |
//!
//! Nothing is acquired in parts, so two that acquire many cannot hold each other up. Nobody who acquires
//! overtakes a sleeping first in line while it lacks permits: the small cannot starve the large. Once its
//! permits are there, a newcomer may be faster than it wakes up, which keeps the permits busy; but one that
//! has lost for a millisecond sets HURRY, and then it is not overtaken any more.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex::{self, Wait};
use multiproc_core::lock::section::SectionLock;
use multiproc_core::segment::Plain;
use multiproc_core::spin::Spin;

use crate::error::ReleaseError;

/// How long one in line waits for its turn before it looks around, in case the first was stopped.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

/// How long the first in line lets newcomers overtake it.
pub(crate) const LENIENT: Duration = Duration::from_millis(1);

pub(crate) const HURRY: u64 = 1 << 63;
const WAITER: u64 = 1 << 31;
const COUNT: u64 = WAITER - 1;

/// The shared words.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `value` | acquirers, releasers, the first in line |
/// | 64 | 8 | `turnstile` | who stands in line |
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Counting {
    value: AtomicU64,
    line: [AtomicU64; 7],
    turnstile: SectionLock,
}

const _: () = assert!(size_of::<Counting>() == 64 + size_of::<SectionLock>());
const _: () = assert!(std::mem::offset_of!(Counting, turnstile) == 64);

// SAFETY: atomics only; any value of `value` is a number of permits, zero included.
unsafe impl Plain for Counting {}

/// How one process waits: it learns.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    permit: Spin,
    turnstile: Spin,
}

/// Who asks for permits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Stands in line if there is one.
    Newcomer,
    /// Stands in line, and has for so long that the first may be stopped.
    InLine,
    /// Takes what is there.
    Pushing,
    /// Holds the turnstile.
    First,
}

/// One value of the word.
#[derive(Clone, Copy)]
struct Seen(u64);

impl Seen {
    fn count(self) -> u64 {
        self.0 & COUNT
    }

    fn need(self) -> u64 {
        (self.0 & !HURRY) >> 32
    }

    fn has_waiter(self) -> bool {
        self.0 & WAITER != 0
    }

    fn is_in_force(self) -> bool {
        self.has_waiter() && self.count() < self.need()
    }

    fn has_hurry(self) -> bool {
        self.0 & HURRY != 0
    }

    /// The word without a stale WAITER, unless HURRY holds it up.
    fn cleared(self) -> Self {
        if self.has_hurry() { self } else { Self(self.0 & !WAITER) }
    }

    /// The word without `n` of its permits, if `who` may have them.
    fn less(self, n: u32, who: Who) -> Option<u64> {
        let n = u64::from(n);
        if self.count() < n {
            return None;
        }
        let next = Self(self.0 - n);
        match who {
            Who::First => Some(next.0 & !(WAITER | HURRY)),
            _ if !self.has_waiter() => Some(next.0),
            Who::Pushing if self.is_in_force() => Some(next.0),
            _ if self.is_in_force() => None,
            Who::Newcomer if self.has_hurry() => None,
            _ => Some(next.cleared().0),
        }
    }
}

impl Counting {
    /// Sets the first number of permits, before anybody else has the segment.
    pub(crate) fn start(&self, permits: u32) {
        self.value.store(u64::from(permits), Relaxed);
    }

    pub(crate) fn value(&self) -> u32 {
        // The mask leaves 31 bits.
        Seen(self.value.load(Relaxed)).count() as u32
    }

    #[cfg(test)]
    pub(crate) fn word(&self) -> &AtomicU64 {
        &self.value
    }

    /// Takes `n` permits if they are there, past anybody in line.
    #[inline]
    pub(crate) fn try_acquire(&self, n: u32) -> bool {
        self.take_at_once(n) || self.take(n, Who::Pushing)
    }

    /// Takes `n` permits, in turn, until the deadline.
    #[inline]
    pub(crate) fn acquire(&self, n: u32, waiting: &Waiting, deadline: Deadline) -> bool {
        self.take_at_once(n) || self.acquire_slow(n, waiting, deadline)
    }

    /// Takes `n` permits where nobody is in the way: most often that is all.
    #[inline]
    fn take_at_once(&self, n: u32) -> bool {
        let seen = self.value.load(Relaxed);
        // Read with a sign, the low half is below zero with WAITER: one comparison sees both.
        (seen as u32).cast_signed() >= n.cast_signed()
            // Acquire: pairs with the Release in `release`, or with its system call.
            && self.value.compare_exchange(seen, seen - u64::from(n), Acquire, Relaxed).is_ok()
    }

    fn take(&self, n: u32, who: Who) -> bool {
        let mut seen = self.value.load(Relaxed);
        while let Some(next) = Seen(seen).less(n, who) {
            // Acquire: as above.
            match self.value.compare_exchange_weak(seen, next, Acquire, Relaxed) {
                Ok(_) => return true,
                Err(now) => seen = now,
            }
        }
        false
    }

    fn has(&self, n: u32) -> bool {
        Seen(self.value.load(Relaxed)).count() >= u64::from(n)
    }

    #[cold]
    fn acquire_slow(&self, n: u32, waiting: &Waiting, deadline: Deadline) -> bool {
        let take = || self.take(n, Who::Newcomer);
        if take() || (waiting.permit.until(|| self.has(n)) && take()) {
            return true;
        }
        let _turn = loop {
            let slice = deadline.slice(LOOK);
            if let Some(turn) = self.turnstile.lock_until(&waiting.turnstile, slice) {
                break turn;
            }
            // Permits that the first was woken for and, being stopped, does not take.
            if self.take(n, Who::InLine) {
                return true;
            }
            if deadline.has_passed() {
                return false;
            }
        };
        if self.take(n, Who::First) {
            return true;
        }
        let lenient = Deadline::after(LENIENT);
        let mut hurry = 0;
        loop {
            if self.sleep(n, hurry, deadline) == Wait::TimedOut {
                // No wake-up was meant for us; permits may have come all the same.
                return self.take(n, Who::First) || self.leave();
            }
            // A few looks: newcomers come and go while we wake up.
            if waiting.permit.until(|| self.take(n, Who::First)) {
                return true;
            }
            if lenient.has_passed() {
                hurry = HURRY;
            }
        }
    }

    /// Sleeps, first in line, while there are fewer than `n` permits.
    fn sleep(&self, n: u32, hurry: u64, deadline: Deadline) -> Wait {
        let seen = self.value.load(Relaxed);
        if Seen(seen).count() >= u64::from(n) {
            return Wait::Changed;
        }
        let marked = hurry | (u64::from(n) << 32) | WAITER | Seen(seen).count();
        // Relaxed: flag and number carry no data. They may be there already, from one who died.
        if self.value.compare_exchange(seen, marked, Relaxed, Relaxed).is_err() {
            return Wait::Changed;
        }
        // The kernel compares the low half, which is what `marked` shows of itself there.
        let asleep = futex::wait(futex::low_half(&self.value), marked as u32, deadline);
        if asleep == Wait::Woken && !self.has(n) {
            // Who took the flag down to add is just about to, perhaps on this CPU.
            std::thread::yield_now();
        }
        asleep
    }

    /// Takes the flag down, for the first in line who gives up, and says that it has no permit.
    fn leave(&self) -> bool {
        // Relaxed: as in `sleep`.
        self.value.fetch_and(!(WAITER | HURRY), Relaxed);
        false
    }

    /// Adds `n` permits, up to `bound`; `exact` when not even a race may go beyond it.
    #[inline]
    pub(crate) fn release(&self, n: u32, bound: u32, exact: bool) -> Result<(), ReleaseError> {
        let seen = self.value.load(Relaxed);
        // With WAITER the low half is beyond any bound.
        let at_once = u64::from(seen as u32) + u64::from(n) <= u64::from(bound)
            // Release: pairs with the Acquire of who takes them.
            && self.value.compare_exchange(seen, seen + u64::from(n), Release, Relaxed).is_ok();
        if at_once { Ok(()) } else { self.release_slow(n, bound, exact) }
    }

    #[cold]
    fn release_slow(&self, n: u32, bound: u32, exact: bool) -> Result<(), ReleaseError> {
        let low = futex::low_half(&self.value);
        let mut woken = false;
        loop {
            let word = self.value.load(Relaxed);
            let (seen, add) = (Seen(word), u64::from(n));
            let sum = seen.count() + add;
            if sum > u64::from(bound) {
                return Err(ReleaseError { bound });
            }
            let next = if !seen.has_waiter() {
                // HURRY is there without WAITER where it was taken down below: back to stale.
                (if woken && seen.has_hurry() { word | WAITER } else { word }) + add
            } else if !seen.is_in_force() {
                seen.cleared().0 + add
            } else if sum < seen.need() {
                word + add
            } else {
                match u16::try_from(n) {
                    Ok(n @ ..=futex::MAX_ADD) if !exact => {
                        futex::add_and_wake(low, n, 1);
                        return Ok(());
                    }
                    _ => futex::clear_top_and_wake(low, 1),
                }
                woken = true;
                continue;
            };
            // Release: as above.
            if self.value.compare_exchange_weak(word, next, Release, Relaxed).is_ok() {
                return Ok(());
            }
        }
    }
}
