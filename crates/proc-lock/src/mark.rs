//! What the next owner must know: the word beside the lock, written by the owner only.
//!
//! | value | the data | set by |
//! |---|---|---|
//! | [`CONSISTENT`] | is whole | `mark_consistent` |
//! | [`ABANDONED`] | its owner was killed inside | the next owner, before it looks |
//! | [`PANICKED`] | its owner panicked inside | that owner, before it unlocks |
//!
//! A death between "the kernel says the owner died" and the mark leaves the new owner's death to be
//! told by the kernel again, so no death inside is ever forgotten.

use std::sync::atomic::Ordering::Relaxed;

use multiproc_core::lock::linked::{Hold, LinkedLock};

use crate::outcome::LockError;

const CONSISTENT: u32 = 0;
const ABANDONED: u32 = 1;
const PANICKED: u32 = 2;

/// What an owner is told.
#[derive(Clone, Copy)]
pub(crate) enum Told {
    Nothing,
    OwnerDied,
    Poisoned,
}

impl Told {
    /// Hands the guard out, with what there is to tell.
    #[inline]
    pub(crate) fn with<G>(self, guard: G) -> Result<G, LockError<G>> {
        match self {
            Self::Nothing => Ok(guard),
            Self::OwnerDied => Err(LockError::OwnerDied(guard)),
            Self::Poisoned => Err(LockError::Poisoned(guard)),
        }
    }
}

/// Says, right after the lock was taken, what its owner is to be told.
#[inline]
pub(crate) fn on_lock(lock: LinkedLock<'_>, hold: Hold) -> Told {
    let mark = lock.mark();
    if hold.owner_died() {
        mark.store(ABANDONED, Relaxed); // Relaxed, as all of the mark: the lock orders it.
    }
    match mark.load(Relaxed) {
        CONSISTENT => Told::Nothing,
        PANICKED => Told::Poisoned,
        _ => Told::OwnerDied,
    }
}

/// Notes, before a guard goes, that its thread panics and did not when it came.
#[inline]
pub(crate) fn on_unlock(lock: LinkedLock<'_>, hold: Hold, was_panicking: bool) {
    let panicked = !was_panicking && std::thread::panicking();
    if panicked && lock.is_ours(hold) && lock.mark().load(Relaxed) == CONSISTENT {
        lock.mark().store(PANICKED, Relaxed);
    }
}

/// Says that the data is whole again. A copy of the guard in the child of a fork has nothing to say.
pub(crate) fn clear(lock: LinkedLock<'_>, hold: Hold) {
    if lock.is_ours(hold) {
        lock.mark().store(CONSISTENT, Relaxed);
    }
}

/// Says whether the next owner would be told. A death that nobody has seen yet does not count.
pub(crate) fn is_set(lock: LinkedLock<'_>) -> bool {
    lock.mark().load(Relaxed) != CONSISTENT
}
