//! Dmitry Vyukov's bounded queue, many to many: a place is claimed by moving an index, and nobody can tell by
//! whom.

use crate::scenes::Verb;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use testkit::SharedPage;

const PLACES: u64 = 3;

// The words: both indices, and a turn and a message for each place.
const TAIL: usize = 0;
const HEAD: usize = 1;
const FIRST: usize = 2;

/// The queue of <https://www.1024cores.net/home/lock-free-algorithms/queues/bounded-mpmc-queue>, written
/// anew from its description.
pub(crate) struct Vyukov(SharedPage);

impl Vyukov {
    pub(crate) fn new() -> Self {
        let page = SharedPage::new(FIRST + 2 * PLACES as usize);
        for place in 0..PLACES {
            page[turn_of(place)].store(place, Relaxed);
        }
        Self(page)
    }

    /// Claims the next place at an end when its turn has come: `ahead` of the index.
    fn claim(&self, end: usize, ahead: u64, verb: Verb) -> Option<u64> {
        loop {
            let index = self.0[end].load(Relaxed);
            let turn = self.0[turn_of(index)].load(Acquire);
            if turn == index + ahead {
                let claimed = self.0[end].compare_exchange(index, index + 1, Relaxed, Relaxed);
                if claimed.is_ok() {
                    return Some(index);
                }
            } else if turn < index + ahead {
                if verb == Verb::Try {
                    return None;
                }
                std::thread::yield_now();
            }
        }
    }

    pub(crate) fn send(&self, message: u64, verb: Verb) -> bool {
        let Some(index) = self.claim(TAIL, 0, verb) else { return false };
        self.0[turn_of(index) + 1].store(message, Relaxed);
        self.0[turn_of(index)].store(index + 1, Release);
        true
    }

    pub(crate) fn recv(&self, verb: Verb) -> Option<u64> {
        let index = self.claim(HEAD, 1, verb)?;
        let message = self.0[turn_of(index) + 1].load(Relaxed);
        self.0[turn_of(index)].store(index + PLACES, Release);
        Some(message)
    }

    pub(crate) fn len(&self) -> usize {
        let [tail, head] = [TAIL, HEAD].map(|end| self.0[end].load(Relaxed));
        tail.saturating_sub(head) as usize
    }
}

fn turn_of(index: u64) -> usize {
    FIRST + 2 * (index % PLACES) as usize
}
