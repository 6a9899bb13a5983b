//! What designs look like whose authors have not thought of SIGKILL.

use crate::scenes::Verb;
use multiproc_core::{deadline::Deadline, futex};
use std::sync::atomic::Ordering::SeqCst;
use testkit::SharedPage;

/// A semaphore that adds first and wakes then.
pub(crate) struct AddThenWake(SharedPage);

impl AddThenWake {
    pub(crate) fn new() -> Self {
        Self(SharedPage::new(1))
    }

    pub(crate) fn acquire(&self, verb: Verb) -> bool {
        loop {
            let seen = self.0[0].load(SeqCst);
            if seen > 0 {
                if self.0[0].compare_exchange(seen, seen - 1, SeqCst, SeqCst).is_ok() {
                    return true;
                }
            } else if verb == Verb::Try {
                return false;
            } else {
                futex::wait(futex::low_half(&self.0[0]), 0, Deadline::NEVER);
            }
        }
    }

    pub(crate) fn release(&self) {
        self.0[0].fetch_add(1, SeqCst);
        futex::wake(futex::low_half(&self.0[0]), 1);
    }

    pub(crate) fn value(&self) -> u32 {
        self.0[0].load(SeqCst) as u32
    }
}

/// A read-write lock that counts its readers, and does not know who they are.
pub(crate) struct CountedReaders(SharedPage);

/// The count while somebody writes.
const WRITING: u64 = u64::MAX;

impl CountedReaders {
    pub(crate) fn new() -> Self {
        Self(SharedPage::new(1))
    }

    fn change(&self, from: impl Fn(u64) -> bool, to: impl Fn(u64) -> u64, tries: usize) -> bool {
        for _ in 0..tries {
            let seen = self.0[0].load(SeqCst);
            if from(seen) && self.0[0].compare_exchange(seen, to(seen), SeqCst, SeqCst).is_ok() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    pub(crate) fn read(&self, midway: &dyn Fn()) {
        self.change(|seen| seen != WRITING, |seen| seen + 1, usize::MAX);
        midway();
        self.0[0].fetch_sub(1, SeqCst);
    }

    pub(crate) fn write(&self, midway: &dyn Fn()) {
        self.change(|seen| seen == 0, |_| WRITING, usize::MAX);
        midway();
        self.0[0].store(0, SeqCst);
    }

    pub(crate) fn try_write(&self, inside: &dyn Fn(bool)) {
        let got = self.change(|seen| seen == 0, |_| WRITING, 1);
        inside(got);
        if got {
            self.0[0].store(0, SeqCst);
        }
    }
}

/// A ring that tells of a message before it is written, and frees a place before it is read.
pub(crate) struct TellThenWrite(SharedPage);

// The words: both indices, and two places of two words each.
const TAIL: usize = 0;
const HEAD: usize = 1;
const FIRST: usize = 2;
const PLACES: u64 = 4;

impl TellThenWrite {
    pub(crate) fn new() -> Self {
        Self(SharedPage::new(FIRST + PLACES as usize))
    }

    pub(crate) fn len(&self) -> u64 {
        self.0[TAIL].load(SeqCst) - self.0[HEAD].load(SeqCst)
    }

    pub(crate) fn send(&self, message: u64, verb: Verb) -> bool {
        while self.len() == PLACES - 1 {
            if verb == Verb::Try {
                return false;
            }
            std::thread::yield_now();
        }
        let place = self.0[TAIL].fetch_add(1, SeqCst) % PLACES;
        self.0[FIRST + place as usize].store(message, SeqCst);
        true
    }

    pub(crate) fn recv(&self, verb: Verb) -> Option<u64> {
        while self.len() == 0 {
            if verb == Verb::Try {
                return None;
            }
            std::thread::yield_now();
        }
        let place = self.0[HEAD].load(SeqCst) % PLACES;
        let message = self.0[FIRST + place as usize].load(SeqCst);
        self.0[HEAD].fetch_add(1, SeqCst);
        Some(message)
    }
}
