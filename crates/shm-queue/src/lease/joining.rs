//! Waiting until everything that was sent is acknowledged.
//!
//! Nothing is counted: what is in the queue or in a record is unfinished, and what is not, is done. So a kill
//! can make no count wrong, and the messages of a dead receiver are waited for until another has done them.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use multiproc_core::deadline::Deadline;
use multiproc_core::fence;

use super::ledger::Ledger;
use super::waiting::Part;
use super::watch::{UNFENCED, Words};
use crate::ends::{End, Peers};
use crate::ring::{Doubling, Stop};
use crate::words::SENDERS;

impl<C, const SIDE: usize> End<C, SIDE> {
    /// Returns how many messages are in the queue or in lease.
    pub(crate) fn unacknowledged(&self, ledger: &Ledger) -> u32 {
        // The queue first: what leaves it then shows in the records. At most 2^30 and 2^16.
        self.len() as u32 + ledger.count_out()
    }

    /// Tells those who join that a message has left the queue, the caller being in the receivers' section.
    pub(crate) fn tell_joiner(&self) {
        if let Some(ledger) = self.memory().ledger() {
            ledger.tell_who_wants_to_know();
        }
    }
}

impl<C> End<C, SENDERS> {
    /// Waits until nothing is in the queue or in lease.
    ///
    /// One thread at a time sleeps here, the others for its place. It says that it wants to know of every
    /// change of a holder, and watches the lives of all holders: whoever dies between a change and telling
    /// it has been a holder, or was in the receivers' section, where whoever comes next tells.
    pub(crate) fn join_leases(&self, ledger: &Ledger, deadline: Deadline) -> Result<(), Stop> {
        let (wanted, joining) = (&ledger.waiting().wanted[1], &ledger.waiting().joining);
        // Without a place it watches and is not watched, so a death that it alone was told of may be noticed
        // late. Before the lock: one section at a time, and a place is taken in one.
        let me = ledger.me().ok();
        let Some(_turn) = joining.lock_until(&self.turn_spin, deadline) else {
            return if self.unacknowledged(ledger) == 0 { Ok(()) } else { Err(Stop::Late) };
        };
        ledger.comes(Part::Joiner, me);
        let mut words = Words::new(ledger);
        let mut ask = Doubling::of_asking();
        let result = loop {
            // Relaxed: the fence orders it; it pairs with the one in `tell_who_wants_to_know`.
            wanted.store(1, Relaxed);
            let fenced = fence::heavy();
            let departures = self.their_departures().load(Acquire);
            let gone = self.peers() == Peers::Gone;
            // What changes after this look changes one of the words.
            words.look(ledger, Part::Joiner, None);
            if self.unacknowledged(ledger) == 0 {
                break Ok(());
            }
            if gone {
                break Err(Stop::Gone);
            }
            if deadline.has_passed() {
                break Err(Stop::Late);
            }
            let slice = if fenced { ask.next() } else { UNFENCED };
            words.sleep(ledger, &[(self.their_departures(), departures)], deadline.slice(slice));
        };
        // Relaxed: nobody but the next who joins cares, who sets it under the lock.
        wanted.store(0, Relaxed);
        ledger.goes(Part::Joiner);
        result
    }
}
