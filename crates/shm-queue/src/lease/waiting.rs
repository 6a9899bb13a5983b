//! The two who sleep on the lives of others: the leader of the receivers, and the one who joins.
//!
//! Of several who sleep on a life that ends the kernel wakes one, who wakes the others. If it is killed
//! before it has, those are woken who watch *its* life. The others of them are holders, whom all watch; so
//! these two watch each other.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Relaxed, SeqCst};

use multiproc_core::place::Name;

#[cfg(test)]
use super::killed::{self, Fault};
use super::ledger::Ledger;

/// What one of the two waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// For a lease.
    Leader,
    /// For the last acknowledgement.
    Joiner,
}

impl Ledger {
    /// Notes who waits in this part, and tells the one in the other, who is to watch its life from here on.
    pub(super) fn comes(&self, part: Part, me: Option<Name>) {
        let [own, other] = self.names(part);
        // SeqCst, both: of two who come at once, one sees the other.
        own.store(me.map_or(0, Name::raw), SeqCst);
        if other.load(SeqCst) != 0 {
            self.tell();
        }
    }

    /// Takes back what `comes` noted.
    pub(super) fn goes(&self, part: Part) {
        // Relaxed: who still watches this life watches it in vain.
        self.names(part)[0].store(0, Relaxed);
    }

    /// Returns who waits in the other part, if it lives.
    pub(super) fn who_else_waits(&self, part: Part) -> Option<Name> {
        #[cfg(test)]
        if killed::has(Fault::IgnoresTheOther) {
            return None;
        }
        // SeqCst: see `comes`.
        Name::from_raw(self.names(part)[1].load(SeqCst)).filter(|name| self.is_alive(*name))
    }

    /// Returns the words of this part and of the other.
    fn names(&self, part: Part) -> [&AtomicU64; 2] {
        let [leader, joiner] = &self.waiting().names;
        match part {
            Part::Leader => [leader, joiner],
            Part::Joiner => [joiner, leader],
        }
    }
}
