//! The writer's side: take the lock, shut the gate, wait for those inside.

use std::sync::atomic;
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::fence;
use multiproc_core::futex;
use multiproc_core::lock::linked::{Hold, NotTaken};
use multiproc_core::place::Name;

use super::held;
use super::mapped::Words;
use super::reading::Reading;
use super::words::{CAREFUL, DRAINING, OPEN, PANICKED, SHUT, Slot, WHOLE, WRITING};

/// How long a writer sleeps before it asks whether the reader still exists: as for locks, in case the
/// kernel could not tell.
const BELT: Duration = Duration::from_secs(1);

/// Why a writer did not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoEntry {
    /// Others are inside, still, at the deadline.
    Late,
    /// This thread is inside already.
    Mine,
    /// This thread has as many locks as the kernel looks after.
    TooMany,
    /// The kernel does not fence the readers any more.
    Unfenced,
}

impl From<NotTaken> for NoEntry {
    fn from(why: NotTaken) -> Self {
        match why {
            NotTaken::Busy => Self::Late,
            NotTaken::Mine => Self::Mine,
            NotTaken::TooMany => Self::TooMany,
        }
    }
}

/// How long a writer waits for readers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Patience {
    Try,
    Until(Deadline),
}

impl Patience {
    fn is_endless(self) -> bool {
        matches!(self, Self::Until(deadline) if deadline.remaining().is_none())
    }
}

impl Words {
    /// Comes in to write.
    #[inline]
    pub(super) fn write(&self, deadline: Deadline) -> Result<Hold, NoEntry> {
        let hold = self.lock().lock_until(deadline)?;
        self.write_with(hold, Patience::Until(deadline))
    }

    /// Comes in to write if nobody is inside.
    #[inline]
    pub(super) fn try_write(&self) -> Result<Hold, NoEntry> {
        let hold = self.lock().try_lock()?;
        self.write_with(hold, Patience::Try)
    }

    #[inline]
    fn write_with(&self, hold: Hold, patience: Patience) -> Result<Hold, NoEntry> {
        self.take_over();
        let front = self.front();
        // Relaxed: changed under the lock only.
        if front.gate.load(Relaxed) != SHUT {
            self.drain(hold, patience)?;
        }
        front.data.store(front.data.load(Relaxed) | WRITING, Relaxed);
        self.lock().depth().store(0, Relaxed); // For `come_again`: no reader.
        Ok(hold)
    }

    /// Shuts the gate and waits until nobody is inside, or opens it again and gives up the lock.
    #[cold]
    fn drain(&self, hold: Hold, patience: Patience) -> Result<(), NoEntry> {
        let gate = &self.front().gate;
        // Behind a careful gate all readers are careful, or were seen by one who had them fenced.
        let careful = gate.load(Relaxed) == CAREFUL;
        // Relaxed: the fence orders it; it pairs with the looks of readers that come and go.
        gate.store(DRAINING, Relaxed);
        let gone = if careful {
            // Pairs with the one in `try_come_carefully`.
            atomic::fence(SeqCst);
            self.see_off(patience, false)
        } else if fence::heavy() {
            self.see_off(patience, true)
        } else {
            Err(NoEntry::Unfenced)
        };
        match gone {
            Ok(()) => gate.store(SHUT, Relaxed),
            Err(_) => {
                self.open(if careful { CAREFUL } else { OPEN });
                self.lock().unlock(hold);
            }
        }
        gone
    }

    fn see_off(&self, patience: Patience, fenced: bool) -> Result<(), NoEntry> {
        let mut fenced = fenced;
        // Behind the fence: who has come to a place since finds the gate closed.
        (0..self.places().used(self.segment())).try_for_each(|index| {
            let slot = self.slot(index);
            match self.reader(slot) {
                Some(_) => self.wait_for(slot, patience, &mut fenced),
                None => Ok(()),
            }
        })
    }

    /// Returns who reads with this flag, if it lives, and the number that the flag shows.
    #[inline]
    fn reader(&self, slot: &Slot) -> Option<(u32, Name)> {
        // Acquire: pairs with the Release in `lower`: what is written from here on was read before.
        let reads = slot.reads.load(Acquire);
        if reads == 0 {
            return None;
        }
        // Acquire: pairs with the Release in `move_in`. The dead read nothing.
        let name = Name::from_raw(slot.reader.load(Acquire))?;
        self.places().is_alive(self.segment(), name).then_some((reads, name))
    }

    #[cold]
    fn wait_for(&self, slot: &Slot, patience: Patience, fenced: &mut bool) -> Result<(), NoEntry> {
        let me = self.mine().map(|mine| mine.name());
        let mut spun = false;
        while let Some((reads, name)) = self.reader(slot) {
            if Some(name) == me {
                if !held::may_read(self.segment()) {
                    slot.reads.store(0, Relaxed); // Not ours: a peer wrote over it.
                    continue;
                }
                if patience.is_endless() {
                    return Err(NoEntry::Mine);
                }
            }
            let Patience::Until(deadline) = patience else { return Err(NoEntry::Late) };
            if !spun {
                spun = true;
                self.segment().spin().until(|| slot.reads.load(Relaxed) != reads);
                continue;
            }
            if !*fenced {
                // From here on a reader that goes sees that it has to wake us, or we see that it is gone.
                if !fence::heavy() {
                    return Err(NoEntry::Unfenced);
                }
                *fenced = true;
                continue;
            }
            let Some((life, living)) = self.places().watch(self.segment(), name) else {
                continue;
            };
            if deadline.has_passed() {
                return Err(NoEntry::Late);
            }
            // A reader that goes lowers the first and wakes; killed between, it wakes by the second.
            // Who has the lock is the only one to sleep here.
            let words = [(&slot.reads, reads), (life, living)];
            if futex::wait_any(&words, deadline.slice(BELT)).is_none() {
                self.places().bury_the_lost(self.segment(), name);
            }
        }
        Ok(())
    }

    /// Says that the data is whole again. The caller writes.
    pub(super) fn mend(&self) {
        self.front().data.store(WHOLE | WRITING, Relaxed);
    }

    /// Leaves what `write` gave.
    #[inline]
    pub(super) fn end_write(&self, hold: Hold, panicked: bool) {
        // Not for the copy of a guard in the child of a fork.
        if self.lock().is_ours(hold) {
            self.end_writing(panicked);
            self.lock().unlock(hold);
        }
    }

    /// Goes from writing to reading; no writer comes in between.
    pub(super) fn downgrade(&self, hold: Hold) -> Reading<'_> {
        self.end_writing(false);
        self.come_with(hold)
    }

    #[inline]
    fn end_writing(&self, panicked: bool) {
        let data = &self.front().data;
        let mark = data.load(Relaxed) & !WRITING;
        data.store(if panicked && mark == WHOLE { PANICKED } else { mark }, Relaxed);
    }
}
