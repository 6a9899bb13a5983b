//! The guard: having the lock, and what is told to the next who has it.
//!
//! The word beside the lock, written by the owner only:
//!
//! | value | the data | set by |
//! |---|---|---|
//! | [`CONSISTENT`] | is whole | `mark_consistent` |
//! | [`ABANDONED`] | its owner was killed inside | the next owner, before it looks |
//! | [`PANICKED`] | its owner panicked inside | that owner, before it unlocks |
//!
//! A death between "the kernel says the owner died" and the mark leaves the new owner's death to be
//! told by the kernel again, so no death inside is ever forgotten.

#![allow(unsafe_code, reason = "references to shared bytes, which the lock makes exclusive")]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

use multiproc_core::lock::linked::{Hold, LinkedLock};
use multiproc_core::segment::Segment;

use crate::mutex::Data;
use crate::outcome::LockError;

pub(crate) const CONSISTENT: u32 = 0;
const ABANDONED: u32 = 1;
const PANICKED: u32 = 2;

/// Having a [`Mutex`](crate::Mutex): its data, until this is dropped.
///
/// It cannot be sent to another thread: the kernel looks after the thread that locked.
#[must_use = "the mutex unlocks when this is dropped"]
pub struct MutexGuard<'a, T: Data> {
    segment: &'a Segment,
    hold: Hold,
    panicking: bool,
    // A raw pointer: neither `Send` nor, of itself, `Sync`.
    data: NonNull<T>,
    life: PhantomData<&'a mut T>,
}

// SAFETY: `&MutexGuard` only gives `&T`.
unsafe impl<T: Data + Sync> Sync for MutexGuard<'_, T> {}

/// Puts the first value into a segment that nobody else has yet.
pub(crate) fn store(segment: &Segment, bytes: &[u8]) {
    let to = segment.body(0, bytes.len());
    // SAFETY: `body` checked the bounds; the memory is new, and a mapping does not overlap a value.
    unsafe { to.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}

impl<'a, T: Data> MutexGuard<'a, T> {
    #[inline]
    pub(crate) fn new(segment: &'a Segment, hold: Hold) -> Result<Self, LockError<Self>> {
        const { assert!(align_of::<T>() <= 128, "a segment's body is aligned to 128 bytes") };
        let data = segment.body(0, size_of::<T>()).cast();
        let panicking = std::thread::panicking();
        let guard = Self { segment, hold, panicking, data, life: PhantomData };
        let mark = LinkedLock::of(segment).mark();
        if hold.owner_died() {
            mark.store(ABANDONED, Relaxed); // Relaxed, as all of the mark: the lock orders it.
        }
        match mark.load(Relaxed) {
            CONSISTENT => Ok(guard),
            PANICKED => Err(LockError::Poisoned(guard)),
            _ => Err(LockError::OwnerDied(guard)),
        }
    }

    /// Says that the data is whole again, so that lockers are told of nothing.
    ///
    /// The way out of [`LockError::OwnerDied`] and [`LockError::Poisoned`] after a repair.
    #[doc(alias = "pthread_mutex_consistent")]
    #[doc(alias = "clear_poison")]
    pub fn mark_consistent(&mut self) {
        let lock = LinkedLock::of(self.segment);
        // A copy of the guard in the child of a fork has nothing to say.
        if lock.is_ours(self.hold) {
            lock.mark().store(CONSISTENT, Relaxed);
        }
    }
}

impl<T: Data> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let lock = LinkedLock::of(self.segment);
        let panicked = !self.panicking && std::thread::panicking();
        if panicked && lock.is_ours(self.hold) && lock.mark().load(Relaxed) == CONSISTENT {
            lock.mark().store(PANICKED, Relaxed);
        }
        lock.unlock(self.hold);
    }
}

impl<T: Data> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: in bounds, aligned to 128 and mapped while the guard lives; any bytes are a `T`.
        // The lock keeps every process that follows the protocol out until the guard is dropped.
        unsafe { self.data.as_ref() }
    }
}

impl<T: Data> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` excludes the rest of this thread.
        unsafe { self.data.as_mut() }
    }
}

impl<T: Data + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Data + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
