//! The state machine of both ends: look, sleep, copy, publish.
//!
//! An end is a lock and an index, see [`EndWords`](crate::words::EndWords). What is at stake when
//! a thread is killed at each place:
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | holding the lock, message partly copied | nothing | the kernel frees the lock; the cell is written anew |
//! | after the index moved (one CAS, or one system call that also wakes) | a committed message | the kernel frees the lock |
//! | asleep, holding the turnstile | nothing | the kernel hands the turnstile to the next, who looks anew |
//! | woken, and not yet inside | nothing | the same |
//! | receiving, between the move of the index and the return | the message is gone | nobody: `recv` is at most once |
//!
//! So there is no recovery. Whoever finds an end full or empty leaves its lock before it sleeps. Of those
//! who wait at an end one, the *leader*, sleeps on the other end's word, holding the turnstile; the others
//! wait for the turnstile, each with a deadline of its own, and look around now and then, in case the
//! leader was stopped in its sleep.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use multiproc_core::lock::section::Section;

use crate::ends::{End, Peers};
use crate::memory::Memory;
use crate::words::{ASLEEP, Inside, RECEIVERS, SENDERS, distance, index};

mod any_length;
pub(crate) use any_length::Refusal;
#[cfg(test)]
mod killed;

/// The most messages that one step can publish: the kernel adds at most 2047 to a word.
const MOST_AT_ONCE: u16 = 1024;

/// How long `try_*` waits for a peer that is inside the same end.
const BRIEFLY: Duration = Duration::from_millis(1);

/// How long a leader sleeps before it asks whether the other side was killed; very long in the unit
/// tests, where a lost wake-up must show as a hang.
const SLICE: Duration = Duration::from_millis(if cfg!(test) { 3_600_000 } else { 100 });

/// How long one who waits for the turnstile waits before it looks around itself.
const LOOK: Duration = Duration::from_millis(if cfg!(test) { 3_600_000 } else { 250 });

/// How long an operation waits.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Patience {
    /// Not at all for the other end, briefly for the lock of its own.
    Try,
    /// Until then.
    Until(Deadline),
}

impl Patience {
    pub(crate) const FOREVER: Self = Self::Until(Deadline::NEVER);

    fn is_over(self) -> bool {
        match self {
            Self::Try => true,
            Self::Until(deadline) => deadline.has_passed(),
        }
    }
}

/// Why an operation did nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Full or empty, still.
    Late,
    /// Full or empty, and nobody is left to change that; or nobody is left to receive.
    Gone,
}

/// Moves the index of `word`, last seen as `seen`, by `n`; wakes who sleeps there.
///
/// The caller holds the lock of the word's end, so the index stands still and W can only be set.
/// Killed anywhere, it has done all or nothing.
#[inline]
fn publish(word: &AtomicU32, seen: u32, n: u16) {
    debug_assert!((1..=MOST_AT_ONCE).contains(&n));
    let step = 2 * u32::from(n);
    // Release: pairs with the Acquire in `look` at the other end, which then finds the messages
    // written, or the cells read and free.
    if seen & ASLEEP != 0
        || word.compare_exchange(seen, seen.wrapping_add(step), Release, Relaxed).is_err()
    {
        publish_to_sleeper(word, n);
    }
}

#[cold]
fn publish_to_sleeper(word: &AtomicU32, n: u16) {
    #[cfg(test)]
    if killed::in_two_steps() {
        return killed::publish_then_wake(word, n);
    }
    // Adding 2n - 1 moves the index by n and clears W, for W is set.
    futex::add_and_wake(word, 2 * n - 1, 1);
}

impl<C, const SIDE: usize> End<C, SIDE> {
    fn own(&self) -> (&AtomicU32, &Inside) {
        let end = &self.memory().control().ends[SIDE];
        (&end.word.0, &end.inside.0)
    }

    fn other(&self) -> &AtomicU32 {
        &self.memory().control().ends[1 - SIDE].word.0
    }

    /// Enters this end.
    #[inline]
    fn enter(&self, patience: Patience) -> Result<Section<'_>, Stop> {
        // A `match`, not `or_else`: the section stays in registers.
        match self.own().1.lock.try_lock() {
            Some(section) => Ok(section),
            None => self.enter_slowly(patience).ok_or(Stop::Late),
        }
    }

    #[cold]
    fn enter_slowly(&self, patience: Patience) -> Option<Section<'_>> {
        let lock = &self.own().1.lock;
        match patience {
            Patience::Try => lock.lock_until(&self.lock_spin, Deadline::after(BRIEFLY)),
            Patience::Until(deadline) => lock.lock_until(&self.lock_spin, deadline),
        }
    }

    /// Looks at the other end for as long as it pays to look, or until `ready` is content with its index.
    ///
    /// The caller is in this end's section.
    #[inline]
    fn look<P>(&self, patience: Patience, ready: impl Fn(u32) -> Option<P>) -> Option<P> {
        let look = |word: u32| {
            let index = index(word);
            // Relaxed: only ever read under the lock.
            ready(index).inspect(|_| self.own().1.seen.store(index, Relaxed))
        };
        // Acquire: pairs with the Release in `publish`.
        match (look(self.other().load(Acquire)), patience) {
            (None, Patience::Until(_)) => self.spin(look),
            (found, _) => found,
        }
    }

    #[cold]
    fn spin<P>(&self, look: impl Fn(u32) -> Option<P>) -> Option<P> {
        let word = self.other();
        let mut found = None;
        self.peer_spin.until(|| {
            // Acquire, here and below: pairs with the Release in `publish`.
            found = look(word.load(Acquire));
            found.is_some()
        });
        if found.is_some() && self.pace.pause_pays() {
            let before = index(word.load(Relaxed));
            self.pace.pause(|| distance(index(word.load(Relaxed)), before));
            return look(word.load(Acquire)).or(found);
        }
        found
    }

    /// Sleeps until the other end may have changed what `ready` says, in vain until now.
    ///
    /// The caller is in no section. What is not ready stays so until the other end's word changes.
    #[cold]
    fn sleep(&self, patience: Patience, ready: impl Fn() -> bool) -> Result<(), Stop> {
        let Patience::Until(deadline) = patience else { return Err(Stop::Late) };
        let turnstile = &self.own().1.turnstile;
        let _turn = loop {
            let slice = deadline.slice(LOOK);
            if let Some(turn) = turnstile.lock_until(&self.turn_spin, slice) {
                break turn;
            }
            if ready() {
                return Ok(());
            }
            if matches!(self.peers(), Peers::Gone) {
                return if ready() { Ok(()) } else { Err(Stop::Gone) };
            }
            if deadline.has_passed() {
                return Err(Stop::Late);
            }
        };
        let word = self.other();
        loop {
            // Acquire: pairs with the Release in `publish`.
            let seen = word.load(Acquire);
            if ready() {
                return Ok(());
            }
            let asleep = seen | ASLEEP;
            // Relaxed: the bit carries no data; its meaning is in the word's own order of changes.
            if seen != asleep && word.compare_exchange(seen, asleep, Relaxed, Relaxed).is_err() {
                continue;
            }
            let departures = match self.peers() {
                Peers::There { departures } => departures,
                // The last of them may have published just before it left.
                Peers::Gone => return if ready() { Ok(()) } else { Err(Stop::Gone) },
            };
            if deadline.has_passed() {
                return Err(Stop::Late);
            }
            // A publisher changes the first word, one who departs the second, each in one step with
            // its wake: neither can be missed.
            let words = [(word, asleep), (self.their_departures(), departures)];
            futex::wait_any(&words, deadline.slice(SLICE));
        }
    }
}

/// Sending.
impl<C> End<C, SENDERS> {
    /// Puts one message: finds a `place` for it given both indices, and has it written there.
    #[inline]
    pub(crate) fn put<P>(
        &self,
        patience: Patience,
        place: impl Fn(&Memory<C>, u32, u32) -> Option<P>,
        write: impl FnOnce(&Memory<C>, u32, P),
    ) -> Result<(), Stop> {
        if self.some_peer_left() && matches!(self.peers(), Peers::Gone) {
            return Err(Stop::Gone);
        }
        if matches!(patience, Patience::Try) && self.is_full(&place) {
            return Err(self.late());
        }
        let memory = self.memory();
        let (word, inside) = self.own();
        let mut last = false;
        loop {
            let section = self.enter(patience)?;
            // Relaxed: only the holder of the lock moves it, and the lock orders the holders.
            let seen = word.load(Relaxed);
            let tail = index(seen);
            let free = place(memory, tail, inside.seen.load(Relaxed))
                .or_else(|| self.look(patience, |head| place(memory, tail, head)));
            if let Some(free) = free {
                write(memory, tail, free);
                publish(word, seen, 1);
                drop(section);
                return Ok(());
            }
            drop(section);
            if last {
                return Err(Stop::Late);
            }
            self.sleep(patience, || self.has_place(&place))?;
            // What was seen from outside may not be so inside: once more, but not beyond the deadline.
            last = patience.is_over();
        }
    }

    /// Says whether there is a place now, without the lock.
    fn has_place<P>(&self, place: impl Fn(&Memory<C>, u32, u32) -> Option<P>) -> bool {
        let tail = index(self.own().0.load(Acquire));
        let head = index(self.other().load(Acquire));
        place(self.memory(), tail, head).is_some()
    }

    /// Says whether there is no place now, without the lock.
    fn is_full<P>(&self, place: impl Fn(&Memory<C>, u32, u32) -> Option<P>) -> bool {
        // The receivers' index is read second, so the queue is not emptier than it looks.
        let tail = index(self.own().0.load(Acquire));
        let head = index(self.other().load(Acquire));
        distance(tail, head) <= self.memory().capacity()
            && place(self.memory(), tail, head).is_none()
    }

    /// Tells "full" from "full for ever".
    #[cold]
    fn late(&self) -> Stop {
        if matches!(self.peers(), Peers::Gone) { Stop::Gone } else { Stop::Late }
    }
}

/// Receiving.
impl<C> End<C, RECEIVERS> {
    /// Takes one message by having it read; when `read` refuses, the message stays in the queue.
    #[inline]
    pub(crate) fn take<R, E>(
        &self,
        patience: Patience,
        read: impl FnOnce(&Memory<C>, u32) -> Result<R, E>,
    ) -> Result<Result<R, E>, Stop> {
        if matches!(patience, Patience::Try) && self.is_empty() {
            self.late()?;
        }
        let memory = self.memory();
        let mut last = false;
        loop {
            let section = self.enter(patience)?;
            if let Some(seen) = self.next_filled(patience) {
                let message = read(memory, index(seen));
                if message.is_ok() {
                    publish(self.own().0, seen, 1);
                }
                drop(section);
                return Ok(message);
            }
            drop(section);
            if last {
                return Err(Stop::Late);
            }
            self.sleep(patience, || !self.is_empty())?;
            // As in `put`.
            last = patience.is_over();
        }
    }

    /// Returns this end's word when there is a message at its index. The caller is in the section.
    #[inline]
    fn next_filled(&self, patience: Patience) -> Option<u32> {
        let (word, inside) = self.own();
        let capacity = self.memory().capacity();
        loop {
            // Relaxed: only the holder of the lock moves it, and the lock orders the holders.
            let seen = word.load(Relaxed);
            let mut len = distance(inside.seen.load(Relaxed), index(seen));
            if len == 0 || len > capacity {
                let filled = |tail| Some(distance(tail, index(seen))).filter(|len| *len != 0);
                len = self.look(patience, filled)?;
            }
            if len <= capacity {
                return Some(seen);
            }
            self.start_over();
        }
    }

    /// Empties a queue whose indices contradict each other: somebody has written over them.
    #[cold]
    fn start_over(&self) {
        let (word, _) = self.own();
        // Acquire and AcqRel: as a look and a publication. A sleeper whose mark is lost here is woken
        // to set it again; were we killed in between, its slice would end.
        let tail = index(self.other().load(Acquire));
        word.swap(tail << 1, AcqRel);
        futex::wake(word, 1);
    }

    /// Says whether there is no message now, without the lock.
    fn is_empty(&self) -> bool {
        self.next_index().is_none()
    }

    /// Returns the index of the next message if there is one, without the lock.
    fn next_index(&self) -> Option<u32> {
        // The senders' index is read second: if they are equal, they were so at that moment.
        let head = index(self.own().0.load(Acquire));
        (head != index(self.other().load(Acquire))).then_some(head)
    }

    /// Tells "empty" from "empty for ever"; `Ok` when it is not empty any more.
    #[cold]
    fn late(&self) -> Result<(), Stop> {
        match self.peers() {
            Peers::There { .. } => Err(Stop::Late),
            // The last of them may have published just before it left.
            Peers::Gone if self.is_empty() => Err(Stop::Gone),
            Peers::Gone => Ok(()),
        }
    }
}

impl<C, const SIDE: usize> End<C, SIDE> {
    /// Returns how many messages there are, or were a moment ago.
    pub(crate) fn len(&self) -> usize {
        let ends = &self.memory().control().ends;
        let head = index(ends[RECEIVERS].word.0.load(Acquire));
        let tail = index(ends[SENDERS].word.0.load(Acquire));
        distance(tail, head).min(self.memory().capacity()) as usize
    }
}
