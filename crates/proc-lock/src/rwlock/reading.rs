//! The reader's side: raise a flag of one's own, look at the gate.

use std::hint::spin_loop;
use std::sync::atomic;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};

use multiproc_core::deadline::Deadline;
use multiproc_core::fence;
use multiproc_core::futex;
use multiproc_core::lock::linked::{Hold, NotTaken};
use multiproc_core::place::Mine;

use super::mapped::Words;
use super::words::{ABANDONED, CAREFUL, DRAINING, MANY, OPEN, SHUT, Slot, WRITING};

/// How often one who must not wait looks again while somebody else comes in to read.
const LOOKS: usize = 200;

/// What a reader has of the lock. Small enough for two registers.
#[derive(Clone, Copy)]
pub(super) struct Reading<'a> {
    slot: &'a Slot,
    /// Whose flag it raised; [`THE_LOCK`] when there was no place for a flag.
    name: u64,
}

/// Names nobody: the reader has the lock itself.
const THE_LOCK: u64 = 0;

impl Words {
    /// Comes in if the gate is open, or this thread is inside already.
    #[inline]
    pub(super) fn try_come(&self) -> Option<Reading<'_>> {
        let mine = match self.remembered() {
            Some(mine) => mine,
            None => self.mine()?,
        };
        let slot = self.own_slot(mine);
        let reads = slot.reads.load(Relaxed);
        // Relaxed: the fence orders it before the look at the gate; it pairs with the look in `reader`.
        slot.reads.store(reads.wrapping_add(1), Relaxed);
        fence::light();
        // Acquire: pairs with the Release in `open`, behind which are the writes of all writers before.
        let gate = self.front().gate.load(Acquire);
        if gate == OPEN || reads != 0 || self.try_come_carefully(slot, gate) {
            return Some(Reading { slot, name: mine.name().raw() });
        }
        None
    }

    /// Comes in, its flag being up, if that is right with a fence of its own; or takes the flag down.
    #[inline(never)]
    fn try_come_carefully(&self, slot: &Slot, gate: u32) -> bool {
        if gate == CAREFUL {
            // Pairs with the one in `drain`.
            atomic::fence(SeqCst);
            // Acquire: as in `try_come`.
            if let OPEN | CAREFUL = self.front().gate.load(Acquire) {
                self.count(slot);
                return true;
            }
        }
        self.lower(slot);
        false
    }

    /// Counts a careful read, and opens the gate for careless ones after many.
    fn count(&self, slot: &Slot) {
        // Relaxed: the count is this thread's own, and a hint.
        let opened = self.front().opened.load(Relaxed);
        let so_far =
            if slot.opened.load(Relaxed) == opened { slot.careful.load(Relaxed) } else { 0 };
        slot.opened.store(opened, Relaxed);
        slot.careful.store(so_far.wrapping_add(1), Relaxed);
        if so_far >= MANY
            && let Ok(hold) = self.lock().try_lock()
        {
            // No writer can look now, and the next one has all who come from here on fenced.
            self.open(OPEN);
            self.lock().unlock(hold);
        }
    }

    #[inline]
    fn own_slot(&self, mine: Mine) -> &Slot {
        let slot = self.slot(mine.index());
        if slot.reader.load(Relaxed) != mine.name().raw() {
            move_in(slot, mine);
        }
        slot
    }

    /// Comes in by way of the lock, behind those who wait for it; `None` at the deadline.
    ///
    /// # Panics
    ///
    /// When this thread writes, or holds too many locks.
    #[cold]
    pub(super) fn come(&self, deadline: Deadline) -> Option<Reading<'_>> {
        match self.lock().lock_until(deadline) {
            Ok(hold) => Some(self.come_with(hold)),
            Err(NotTaken::Busy) => None,
            Err(NotTaken::Mine) => match self.come_again() {
                None => panic!("this thread has the lock for writing, and would wait for itself"),
                reading => reading,
            },
            Err(NotTaken::TooMany) => {
                panic!("this thread holds as many locks as the kernel looks after")
            }
        }
    }

    /// Comes in by way of the lock if nobody has it, or another reader has it for a moment.
    #[cold]
    pub(super) fn try_come_in(&self) -> Option<Reading<'_>> {
        for _ in 0..LOOKS {
            match self.lock().try_lock() {
                Ok(hold) => return Some(self.come_with(hold)),
                Err(NotTaken::Busy) if !self.has_writer() => spin_loop(),
                Err(NotTaken::Busy | NotTaken::TooMany) => return None,
                Err(NotTaken::Mine) => return self.come_again(),
            }
            if let Some(reading) = self.try_come() {
                return Some(reading);
            }
        }
        None
    }

    /// Raises the flag while no writer can look, and opens the gate for all.
    pub(super) fn come_with(&self, hold: Hold) -> Reading<'_> {
        self.take_over();
        let Some(mine) = self.mine() else {
            self.let_in();
            // Relaxed, as all of this word: it belongs to the thread that has the lock.
            self.lock().depth().store(1, Relaxed);
            return Reading { slot: self.slot(0), name: THE_LOCK };
        };
        let slot = self.own_slot(mine);
        // Relaxed: the next writer comes by the lock, which this thread gives up behind it.
        slot.reads.store(slot.reads.load(Relaxed).wrapping_add(1), Relaxed);
        self.let_in();
        self.lock().unlock(hold);
        Reading { slot, name: mine.name().raw() }
    }

    /// Comes in once more, if this thread reads by having the lock.
    fn come_again(&self) -> Option<Reading<'_>> {
        let depth = self.lock().depth();
        let deeper = depth.load(Relaxed).checked_add(1).filter(|deeper| *deeper > 1)?;
        depth.store(deeper, Relaxed);
        Some(Reading { slot: self.slot(0), name: THE_LOCK })
    }

    /// Opens the gate, if it is not. The caller has the lock, and is no writer any more.
    pub(super) fn let_in(&self) {
        let front = self.front();
        // Relaxed: changed under the lock only.
        match front.gate.load(Relaxed) {
            SHUT => {
                front.opened.store(front.opened.load(Relaxed).wrapping_add(1), Relaxed);
                self.open(CAREFUL);
            }
            CAREFUL | OPEN => {}
            // A writer was killed while it waited, perhaps before it had the careless ones fenced.
            _ => self.open(OPEN),
        }
    }

    /// Opens the gate this way or that. The caller has the lock.
    pub(super) fn open(&self, how: u32) {
        // Release: pairs with the Acquire in `try_come`; the lock orders it behind the last writer.
        self.front().gate.store(how, Release);
    }

    /// Notes that a writer was killed inside. The caller has the lock.
    #[inline]
    pub(super) fn take_over(&self) {
        let data = &self.front().data;
        // Relaxed, as all of this word: the lock orders those who change it, and the gate its readers.
        if data.load(Relaxed) & WRITING != 0 {
            data.store(ABANDONED, Relaxed);
        }
    }

    /// Gives up what `try_come` or `come` gave.
    #[inline]
    pub(super) fn go(&self, reading: Reading<'_>) {
        if self.remembered().is_some_and(|mine| mine.name().raw() == reading.name) {
            self.lower(reading.slot);
        } else {
            self.go_slowly(reading);
        }
    }

    #[cold]
    fn go_slowly(&self, reading: Reading<'_>) {
        if reading.name != THE_LOCK {
            // Not for the copy of a guard in the child of a fork: the flag is its parent's.
            if self.mine().is_some_and(|mine| mine.name().raw() == reading.name) {
                self.lower(reading.slot);
            }
        } else if let Some(hold) = self.lock().mine() {
            let left = self.lock().depth().load(Relaxed).saturating_sub(1);
            self.lock().depth().store(left, Relaxed);
            if left == 0 {
                self.lock().unlock(hold);
            }
        }
    }

    #[inline]
    fn lower(&self, slot: &Slot) {
        let left = slot.reads.load(Relaxed).saturating_sub(1);
        // Release: pairs with the Acquire in `reader`: what was read was read before.
        slot.reads.store(left, Release);
        fence::light();
        // Relaxed: the fence orders it; it pairs with the store in `drain`.
        if self.front().gate.load(Relaxed) == DRAINING {
            rouse(slot);
        }
    }

    /// Says whether who has the lock writes, or waits for readers to go.
    pub(super) fn has_writer(&self) -> bool {
        let front = self.front();
        // Relaxed: an answer about a moment that is past anyway.
        front.data.load(Relaxed) & WRITING != 0 || front.gate.load(Relaxed) == DRAINING
    }
}

/// Wakes the writer that may wait for this flag. Killed before this, the thread wakes it by its death.
#[cold]
fn rouse(slot: &Slot) {
    futex::wake(&slot.reads, 1);
}

#[cold]
fn move_in(slot: &Slot, mine: Mine) {
    // What is there is of a thread that is no more. A writer that looks meanwhile finds that one dead, or
    // this one, which is not inside.
    slot.reads.store(0, Relaxed);
    // Release: pairs with the Acquire in `reader`, which then finds the number of this thread.
    slot.reader.store(mine.name().raw(), Release);
}
