//! Which messages are done: Python's `JoinableQueue`.
//!
//! Nothing is counted when a message is sent, for the senders' index counts it already. So the only word
//! is how many are done, see [`Tasks`](crate::words::Tasks).
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | before the count moves (one CAS, or one system call that also wakes) | an unfinished message | nobody: `join` waits for it |
//! | after | a finished one; who waited for the last is awake | the kernel frees `lock` |
//! | waiting, W set | nothing | the next to be done with the last one makes a system call for nobody |

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;

use crate::ends::{End, Peers};
use crate::error::TaskDoneError;
use crate::ring::{Doubling, Stop};
use crate::words::{RECEIVERS, SENDERS, Tasks};

#[cfg(test)]
mod killed;

/// Says that somebody waits for the last message to be done.
const W: u32 = 1;
/// The bits of a count.
const COUNT: u32 = u32::MAX >> 1;

/// Returns how far an index is ahead of what is done.
fn ahead(index: u32, done: u32) -> u32 {
    index.wrapping_sub(done >> 1) & COUNT
}

impl<C, const SIDE: usize> End<C, SIDE> {
    fn tasks(&self) -> &Tasks {
        &self.memory().control().tasks.0
    }

    fn index_of(&self, side: usize) -> u32 {
        // Acquire: pairs with the Release in `publish`.
        self.memory().control().ends[side].word.0.load(Acquire)
    }

    /// Returns how many messages are not done, at some moment during the call.
    pub(crate) fn unfinished(&self) -> u32 {
        if let Some(ledger) = self.memory().ledger() {
            return self.unacknowledged(ledger);
        }
        // Acquire: pairs with the AcqRel of who was done with them. Read first: what is done by then
        // was sent by then.
        let done = self.tasks().done.load(Acquire);
        ahead(self.index_of(SENDERS), done)
    }
}

impl<C> End<C, RECEIVERS> {
    /// Counts one more message as done.
    pub(crate) fn task_done(&self) -> Result<(), TaskDoneError> {
        self.finish_one(false)
    }
}

impl<C, const SIDE: usize> End<C, SIDE> {
    /// Counts one more message as done; `alone` says that the caller has the lock.
    pub(crate) fn finish_one(&self, alone: bool) -> Result<(), TaskDoneError> {
        let tasks = self.tasks();
        let mut seen = tasks.done.load(Acquire);
        loop {
            if ahead(self.index_of(RECEIVERS), seen) == 0 {
                return Err(TaskDoneError);
            }
            if seen & W != 0 && ahead(self.index_of(SENDERS), seen) == 1 {
                if !alone {
                    let _section = tasks.lock.lock(&self.lock_spin);
                    return self.finish_one(true);
                }
                // Others may have moved the count since, but nobody has cleared W. Adding 1 carries it
                // into the count.
                futex::add_and_wake(&tasks.done, 1, u32::from(u16::MAX));
                return Ok(());
            }
            // AcqRel: what was done happens before the return of `join`.
            match tasks.done.compare_exchange_weak(seen, seen.wrapping_add(2), AcqRel, Acquire) {
                Ok(_) => return Ok(()),
                Err(now) => seen = now,
            }
        }
    }
}

impl<C> End<C, SENDERS> {
    /// Waits until all messages are done.
    pub(crate) fn join(&self, deadline: Deadline) -> Result<(), Stop> {
        if let Some(ledger) = self.memory().ledger() {
            return self.join_leases(ledger, deadline);
        }
        let done = &self.tasks().done;
        let mut ask = Doubling::of_asking();
        loop {
            let seen = done.load(Acquire);
            if ahead(self.index_of(SENDERS), seen) == 0 {
                return Ok(());
            }
            let departures = match self.peers() {
                Peers::There { departures } => departures,
                // The last of them may have been done just before it left.
                Peers::Gone if self.unfinished() == 0 => return Ok(()),
                Peers::Gone => return Err(Stop::Gone),
            };
            if deadline.has_passed() {
                return Err(Stop::Late);
            }
            // Relaxed: the bit carries no data; its meaning is in the word's own order of changes.
            if seen & W == 0 && done.compare_exchange(seen, seen | W, Relaxed, Relaxed).is_err() {
                continue;
            }
            let words = [(done, seen | W), (self.their_departures(), departures)];
            futex::wait_any(&words, deadline.slice(ask.next()));
        }
    }
}
