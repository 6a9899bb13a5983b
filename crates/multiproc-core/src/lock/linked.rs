//! The lock under a user's guard.

#![allow(unsafe_code, reason = "links an entry into the kernel's list, and views the lock's words")]

use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicU32, AtomicU64};
use core::time::Duration;

use super::word::{Taken, Word};
use crate::deadline::Deadline;
use crate::robust::{self, ENTRY_AFTER_WORD, Entry, MOST_LINKED, Thread};
use crate::segment::{Plain, Segment};

/// The last bytes of a segment: a lock word with room for what libc may write behind it.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `word` | lockers and the kernel, see [`super::word`] |
/// | 8 | 4 | `mark` | the owner: what the next owner must know (poison) |
/// | 12 | 12 | unused | nobody |
/// | 24 | 8 | `libc` | libc's back pointers, which nobody reads |
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Tail {
    word: Word,
    mark: AtomicU32,
    unused: [AtomicU32; 3],
    libc: AtomicU64,
}

const _: () = assert!(size_of::<Tail>() == ENTRY_AFTER_WORD);

// SAFETY: atomics only; every value of the word is a state of the protocol, zero is "free".
unsafe impl Plain for Tail {}

/// The start of the private page behind a segment: the entry of its lock.
///
/// It directly follows the [`Tail`] in the address space, at the distance that the kernel uses, but
/// belongs to this process alone. So no peer can send the kernel or libc, or this code, anywhere.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Link {
    entry: Entry,
    /// The thread of this process that has the lock, or had it when it was lost sight of.
    holder: AtomicU32,
    /// What the owner keeps out of its peers' reach, see [`LinkedLock::depth`].
    depth: AtomicU32,
}

impl Link {
    /// Says whether a thread of this process has the lock: the mapping must stay then.
    pub(crate) fn is_held(&self) -> bool {
        self.holder.load(Relaxed) != 0
    }

    /// Says whether a living thread of this process has the lock, whatever the shared word says.
    ///
    /// A peer can write over the word. It must not bring two threads of ours to where one may be. What
    /// stays of a guard that was forgotten, or copied by a fork, names no living thread of ours.
    fn is_held_by_the_living(&self) -> bool {
        // Relaxed: unless the word was garbled, the lock orders the holders.
        match self.holder.load(Relaxed) {
            0 => false,
            holder => robust::is_of_this_process(holder),
        }
    }
}

/// How long one waits for a thread to end that the kernel has declared dead.
const NAP: Duration = Duration::from_micros(100);

/// Why a linked lock was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotTaken {
    /// Another thread has it, still, at the deadline.
    Busy,
    /// This thread has it already.
    Mine,
    /// This thread has as many locks as the kernel looks after.
    TooMany,
}

/// What the owner of a linked lock holds. Give it back to [`LinkedLock::unlock`].
#[derive(Clone, Copy, Debug)]
pub struct Hold {
    taken: Taken,
}

impl Hold {
    /// Says whether the previous owner died holding the lock.
    #[must_use]
    pub fn owner_died(&self) -> bool {
        self.taken.owner_died
    }
}

/// The lock at the end of a segment, with as many held at a time as a user likes (1,900 a thread).
///
/// A thread's locks form the chain of its robust list. Unlike a process-shared pthread mutex this
/// follows no pointer out of shared memory (libc's habit leaves one there, which nobody reads).
#[derive(Clone, Copy, Debug)]
pub struct LinkedLock<'a> {
    segment: &'a Segment,
}

impl<'a> LinkedLock<'a> {
    /// Returns the lock of this segment: there is one in each, free at first.
    #[must_use]
    pub fn of(segment: &'a Segment) -> Self {
        Self { segment }
    }

    /// Takes the lock, sleeping until the deadline while another has it.
    ///
    /// # Errors
    ///
    /// [`NotTaken`] says why not.
    #[inline]
    pub fn lock_until(self, deadline: Deadline) -> Result<Hold, NotTaken> {
        match self.take(|word, me| word.acquire(me, self.segment.spin(), deadline)) {
            Err(NotTaken::Busy) if !deadline.has_passed() => self.lock_later(deadline),
            taken => taken,
        }
    }

    /// Goes on trying: the word was garbled, or a thread of this process has not quite ended yet.
    #[cold]
    fn lock_later(self, deadline: Deadline) -> Result<Hold, NotTaken> {
        loop {
            std::thread::sleep(NAP);
            match self.take(|word, me| word.acquire(me, self.segment.spin(), deadline)) {
                Err(NotTaken::Busy) if !deadline.has_passed() => {}
                taken => return taken,
            }
        }
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    ///
    /// [`NotTaken`] says why not.
    #[inline]
    pub fn try_lock(self) -> Result<Hold, NotTaken> {
        self.take(Word::try_acquire)
    }

    #[inline]
    fn take(self, acquire: impl FnOnce(&Word, Thread) -> Option<Taken>) -> Result<Hold, NotTaken> {
        let me = Thread::current();
        let (tail, link) = (self.segment.tail(), self.segment.link());
        if link.holder.load(Relaxed) == me.tid() && tail.word.owner() == me.tid() {
            return Err(NotTaken::Mine);
        }
        if me.linked() >= MOST_LINKED {
            return Err(NotTaken::TooMany);
        }
        me.announce(tail.word.address());
        let mut taken = acquire(&tail.word, me);
        if let Some(taken) = taken.take_if(|_| link.is_held_by_the_living()) {
            // Garbled, or its owner has not quite ended yet.
            tail.word.put_back(taken);
        }
        if taken.is_some() {
            link.holder.store(me.tid(), Relaxed);
            // SAFETY: the segment stays mapped while there is a holder; its link lies behind its tail,
            // and is in no thread's chain: its last holder has taken it out, or is no more.
            unsafe { me.link(&link.entry) };
        }
        me.settle();
        taken.map(|taken| Hold { taken }).ok_or(NotTaken::Busy)
    }

    /// Gives the lock up. In the child of a fork, whose copy of a guard owns nothing, does nothing.
    #[inline]
    pub fn unlock(self, hold: Hold) {
        if !self.is_ours(hold) {
            return;
        }
        let me = Thread::current();
        let (tail, link) = (self.segment.tail(), self.segment.link());
        me.announce(tail.word.address());
        // SAFETY: whatever this thread has linked is kept mapped, see `take`.
        unsafe { me.unlink(&link.entry) };
        link.holder.store(0, Relaxed);
        tail.word.release();
        me.settle();
    }

    /// Returns the hold of the calling thread, if it has the lock already.
    #[must_use]
    #[inline]
    pub fn mine(self) -> Option<Hold> {
        let me = Thread::current();
        // The private word: a peer may have written our id over the shared one. What a guard that was
        // forgotten left there was seen to by the kernel when its thread ended.
        let held = self.segment.link().holder.load(Relaxed) == me.tid() && self.owner() == me.tid();
        held.then(|| Hold { taken: Taken::again(me) })
    }

    /// Returns a word that the owner keeps beside the lock, in memory of this process alone.
    ///
    /// It holds whatever the last owner in this process left.
    #[must_use]
    pub fn depth(self) -> &'a AtomicU32 {
        &self.segment.link().depth
    }

    /// Says whether this thread took the lock, rather than inherited a copy of the guard by a fork.
    #[must_use]
    #[inline]
    pub fn is_ours(self, hold: Hold) -> bool {
        hold.taken.is_by(Thread::current())
    }

    /// Returns the word beside the lock, for its owner to leave marks in. Zero at first.
    #[must_use]
    pub fn mark(self) -> &'a AtomicU32 {
        &self.segment.tail().mark
    }

    /// Returns the thread id of the owner, or 0.
    #[must_use]
    pub fn owner(self) -> u32 {
        self.segment.tail().word.owner()
    }
}
