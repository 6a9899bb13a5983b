//! The state machine of both ends: look, sleep, copy, publish.
//!
//! An end is a lock and an index, see [`EndWords`](crate::words::EndWords). What is at stake when
//! a thread is killed at each place:
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | holding the lock, messages partly copied | nothing | the kernel frees the lock; the cells are written anew |
//! | after the index moved (one store, or one system call that also wakes) | committed messages | the kernel frees the lock |
//! | after that system call, `asleep` still set | committed messages | the next publisher makes one system call more |
//! | about to sleep, or asleep, holding the turnstile | nothing | the kernel hands the turnstile to the next, who looks anew |
//! | woken, and not yet inside | nothing | the same |
//! | receiving, between the move of the index and the return | the message is gone | nobody: `recv` is at most once |
//!
//! So there is no recovery. Whoever finds an end full or empty leaves its lock before it sleeps. Of those
//! who wait at an end one, the *leader*, sleeps on the other end's word, holding the turnstile; the others
//! wait for the turnstile, each with a deadline of its own, and look around now and then, in case the
//! leader was stopped in its sleep.
//!
//! # Why no wake-up is lost
//!
//! A publisher P enters (a locked instruction on `lock`, sequentially consistent), later loads `asleep`,
//! and moves the index: by a plain store if it saw 0, by the system call that also wakes if it saw 1. It
//! clears `asleep` after that call, and then leaves. A leader
//!
//! 1. stores 1 to `asleep`, with a full fence behind it;
//! 2. loads the index, and goes back to work if that is what it waits for;
//! 3. *outlasts* whoever is inside: loads the owner of `lock` until it is nobody, or not the one it was
//!    at first (if that takes long, it sleeps as in step 5 for a moment, and begins again);
//! 4. goes back to 1 if `asleep` is 0 or the index has moved;
//! 5. sleeps while the index is the one of step 2.
//!
//! Whoever published when the leader is asleep, was P inside at step 3's first load? Then it had left, or
//! another had come after it, before step 4: it published before, and step 4 or the kernel's own
//! comparison in step 5 has seen the index move. Otherwise P entered after that load, which is after
//! step 1; its load of `asleep` comes later still and finds 1, unless a publisher R has cleared it. If R
//! was inside at step 3, it cleared it before step 4, which has seen that; if it entered after, its system
//! call has woken this leader already. And a leader that is killed anywhere leaves a free turnstile, and a
//! set mark, which costs a system call.
//!
//! All interleavings of three publishers and three who wait, with three kills: `ring/model.rs`, where each
//! part of this that is left out makes somebody sleep for ever.
//!
//! A publisher that is stopped inside makes the leader look again every millisecond; one that is killed
//! there loses the lock to the kernel.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use multiproc_core::lock::section::Section;

use crate::ends::End;
use crate::words::{EndWords, Inside, RECEIVERS, SENDERS, distance};

mod any_length;
mod putting;
mod taking;
mod waiting;
pub(crate) use any_length::{Flat, Refusal};
pub(crate) use waiting::{Awaited, Doubling};
#[cfg(test)]
mod killed;
#[cfg(test)]
mod model;

/// How long `try_*` waits for a peer that is inside the same end.
const BRIEFLY: Duration = Duration::from_millis(1);

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

    pub(crate) fn is_over(self) -> bool {
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
    /// Full or empty, and nobody is left to change that; or nobody is left to receive; or closed.
    Gone,
}

/// Moves the index of `end` by `n`, to `to`; wakes who sleeps there.
///
/// The caller holds the end's lock. Killed anywhere, it has published a front part of the `n` or all,
/// and whoever slept has been woken with the first.
#[inline]
pub(crate) fn publish(end: &EndWords, to: u32, n: u32) {
    // SeqCst: after the lock's own instruction in the one order of these; pairs with `lead`.
    if end.inside.0.asleep.load(SeqCst) != 0 {
        wake_with_the_first(end, to, n);
        return;
    }
    #[cfg(test)]
    killed::between_look_and_store();
    // Release: pairs with the Acquire in `look` at the other end, which then finds the messages
    // written, or the cells read and free.
    end.word.0.store(to, Release);
}

#[cold]
fn wake_with_the_first(end: &EndWords, to: u32, n: u32) {
    let (word, asleep) = (&end.word.0, &end.inside.0.asleep);
    #[cfg(test)]
    if killed::in_two_steps() {
        killed::publish_then_wake(word, to);
        asleep.store(0, Release);
        return;
    }
    // The kernel adds at most so many. The rest needs no wake: whoever was woken does not sleep again
    // before it has outlasted us.
    let first = u16::try_from(n).unwrap_or(u16::MAX).min(futex::MAX_ADD);
    futex::add_and_wake(word, first, 1);
    // Relaxed: the lock is released behind it, and whoever outlasts us reads it after that.
    asleep.store(0, Relaxed);
    if u32::from(first) < n {
        // Release: as in `publish`.
        word.store(to, Release);
    }
}

/// Empties a queue whose indices contradict each other: somebody has written over them.
///
/// The caller holds the receivers' lock.
#[cold]
pub(crate) fn start_over(receivers: &EndWords, senders: &EndWords) {
    let word = &receivers.word.0;
    // As a look and a publication. Were we killed in between, a sleeper's slice would end.
    word.store(senders.word.0.load(Acquire), Release);
    futex::wake(word, 1);
}

impl<C, const SIDE: usize> End<C, SIDE> {
    pub(crate) fn own(&self) -> &EndWords {
        &self.memory().control().ends[SIDE]
    }

    pub(crate) fn other(&self) -> &EndWords {
        &self.memory().control().ends[1 - SIDE]
    }

    fn own_inside(&self) -> &Inside {
        &self.own().inside.0
    }

    fn other_word(&self) -> &AtomicU32 {
        &self.other().word.0
    }

    /// Enters this end.
    #[inline]
    pub(crate) fn enter(&self, patience: Patience) -> Result<Section<'_>, Stop> {
        // A `match`, not `or_else`: the section stays in registers.
        let section = match self.own_inside().lock.try_lock() {
            Some(section) => section,
            None => self.enter_slowly(patience).ok_or(Stop::Late)?,
        };
        if SIDE == RECEIVERS && section.owner_died() {
            self.repair();
        }
        Ok(section)
    }

    #[cold]
    fn enter_slowly(&self, patience: Patience) -> Option<Section<'_>> {
        let lock = &self.own_inside().lock;
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
        let look = |index: u32| {
            // Relaxed: only ever read under the lock.
            ready(index).inspect(|_| self.own_inside().seen.store(index, Relaxed))
        };
        // Relaxed: only ever changed under the lock.
        let seen = self.own_inside().seen.load(Relaxed);
        // Acquire: pairs with the Release in `publish`.
        let index = self.other_word().load(Acquire);
        let found = look(index);
        if matches!(patience, Patience::Try) {
            return found;
        }
        match found {
            None => self.spin(look),
            Some(_) if self.pace.wants_more(distance(index, seen), self.memory().capacity()) => {
                self.let_ahead(look).or(found)
            }
            found => found,
        }
    }

    #[cold]
    fn spin<P>(&self, look: impl Fn(u32) -> Option<P>) -> Option<P> {
        let word = self.other_word();
        let mut found = None;
        self.peer_spin.until(|| {
            // Acquire, here and below: pairs with the Release in `publish`.
            found = look(word.load(Acquire));
            found.is_some()
        });
        if found.is_some() && self.pace.pause_pays() {
            return self.let_ahead(look).or(found);
        }
        found
    }

    /// Leaves the other end alone for a moment, and looks again.
    #[cold]
    fn let_ahead<P>(&self, look: impl Fn(u32) -> Option<P>) -> Option<P> {
        let word = self.other_word();
        let before = word.load(Relaxed);
        self.pace.pause(|| distance(word.load(Relaxed), before));
        look(word.load(Acquire))
    }

    /// Returns how many messages there are, or were a moment ago.
    pub(crate) fn len(&self) -> usize {
        let ends = &self.memory().control().ends;
        let head = ends[RECEIVERS].word.0.load(Acquire);
        let tail = ends[SENDERS].word.0.load(Acquire);
        distance(tail, head).min(self.memory().capacity()) as usize
    }
}
