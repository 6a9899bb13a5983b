//! Whether it pays to let the other end get ahead.
//!
//! Two cores that hand over each message singly pay for the way of a cache line between them every
//! time. When messages come in a stream, somebody who found an empty queue and then one message does
//! better to leave the line alone for half a microsecond: meanwhile the other end adds a dozen. So does
//! somebody who is about as fast as the other end, and finds a few more each time. When
//! they come one by one (question and answer), that would only be late. So it is tried now and then,
//! and done as long as it brings something.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use std::time::{Duration, Instant};

/// How long the other end is left alone.
const PAUSE: Duration = Duration::from_nanos(500);
/// After so many waits without a pause one is tried.
const TRY_EVERY: u32 = 32;
/// What one pause that paid is good for.
const CREDIT: u32 = 64;
/// A pause has paid when so many messages, or places, came in it.
const PAYS: u32 = 3;
/// Where pauses pay, fewer than these are worth one: the line is not read for every other message.
const FEW: u32 = 32;

/// What a process has learnt of the other end's pace. Hints only: lost updates cost nothing.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    credit: AtomicU32,
    waits: AtomicU32,
}

impl Pace {
    /// Says whether to pause after a wait that has just found something.
    pub(crate) fn pause_pays(&self) -> bool {
        if self.credit.load(Relaxed) > 0 {
            return true;
        }
        let waits = self.waits.load(Relaxed).wrapping_add(1);
        self.waits.store(waits, Relaxed);
        waits.is_multiple_of(TRY_EVERY)
    }

    /// Says whether to pause when a look at the other end, of a queue of this `capacity`, has shown `new`
    /// messages or places more.
    pub(crate) fn wants_more(&self, new: u32, capacity: u32) -> bool {
        new < FEW.min(capacity / 4) && self.credit.load(Relaxed) > 0
    }

    /// Pauses, and asks what `came` meanwhile.
    pub(crate) fn pause(&self, came: impl FnOnce() -> u32) {
        let start = Instant::now();
        while start.elapsed() < PAUSE {
            core::hint::spin_loop();
        }
        let credit = if came() >= PAYS { CREDIT } else { self.credit.load(Relaxed) / 2 };
        self.credit.store(credit, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pauses(pace: &Pace, waits: u32, came: u32) -> usize {
        (0..waits).filter(|_| pace.pause_pays()).inspect(|_| pace.pause(|| came)).count()
    }

    #[test]
    fn one_by_one_it_is_only_tried() {
        assert_eq!(pauses(&Pace::default(), 10 * TRY_EVERY, 1), 10);
    }

    #[test]
    fn few_are_worth_a_pause_where_pauses_pay() {
        let pace = Pace::default();
        assert!(!pace.wants_more(1, 1024));
        assert!(pauses(&pace, 1_000, 20) > 960);
        assert!(pace.wants_more(FEW - 1, 1024) && !pace.wants_more(FEW, 1024));
        assert!(!pace.wants_more(2, 8), "of so small a queue that is not few");
    }

    #[test]
    fn in_a_stream_it_is_done_until_it_ends() {
        let pace = Pace::default();
        assert!(pauses(&pace, 1_000, 20) > 960);
        assert!(pauses(&pace, 1_000, 0) < 40);
    }
}
