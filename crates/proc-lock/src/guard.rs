//! The guard: having the lock.

#![allow(unsafe_code, reason = "references to shared bytes, which the lock makes exclusive")]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::lock::linked::{Hold, LinkedLock, NotTaken};
use multiproc_core::segment::Segment;

use crate::mark;
use crate::outcome::LockError;

/// How long who wants a garbled lock waits before it looks again.
const PAUSE: Duration = Duration::from_millis(1);

/// Having a [`Mutex`](crate::Mutex) or a [`SharedSlice`](crate::SharedSlice): its data, until this is
/// dropped.
///
/// It cannot be sent to another thread: the kernel looks after the thread that locked.
#[must_use = "the mutex unlocks when this is dropped"]
pub struct MutexGuard<'a, T: ?Sized> {
    segment: &'a Segment,
    hold: Hold,
    panicking: bool,
    // A raw pointer: neither `Send` nor, of itself, `Sync`.
    data: NonNull<T>,
    life: PhantomData<&'a mut T>,
}

// SAFETY: `&MutexGuard` only gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for MutexGuard<'_, T> {}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// Makes the guard of a lock that was just taken.
    ///
    /// # Safety
    ///
    /// `data` lies in the body of `segment`, aligned, and any bytes are a `T`.
    #[inline]
    pub(crate) unsafe fn new(
        segment: &'a Segment,
        hold: Hold,
        data: NonNull<T>,
    ) -> Result<Self, LockError<Self>> {
        let panicking = std::thread::panicking();
        let guard = Self { segment, hold, panicking, data, life: PhantomData };
        mark::on_lock(LinkedLock::of(segment), hold).with(guard)
    }

    /// Unlocks, and returns how to lock again.
    pub(crate) fn unlock(self) -> Unlocked<'a, T> {
        Unlocked { segment: self.segment, data: self.data }
    }

    /// Says that the data is whole again, so that lockers are told of nothing.
    ///
    /// The way out of [`LockError::OwnerDied`] and [`LockError::Poisoned`] after a repair.
    #[doc(alias = "pthread_mutex_consistent")]
    #[doc(alias = "clear_poison")]
    pub fn mark_consistent(&mut self) {
        mark::clear(LinkedLock::of(self.segment), self.hold);
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let lock = LinkedLock::of(self.segment);
        mark::on_unlock(lock, self.hold, self.panicking);
        lock.unlock(self.hold);
    }
}

/// What is left of a guard while its thread waits for a call: where to lock again.
pub(crate) struct Unlocked<'a, T: ?Sized> {
    segment: &'a Segment,
    data: NonNull<T>,
}

impl<'a, T: ?Sized> Unlocked<'a, T> {
    /// Locks again, blocking while another has the lock.
    pub(crate) fn lock(self) -> Result<MutexGuard<'a, T>, LockError<MutexGuard<'a, T>>> {
        let lock = LinkedLock::of(self.segment);
        let hold = loop {
            match lock.lock_until(Deadline::NEVER) {
                Ok(hold) => break hold,
                Err(NotTaken::Busy) => {}
                // This thread has just given it up, and no other since: somebody wrote over the word.
                Err(NotTaken::Mine | NotTaken::TooMany) => std::thread::sleep(PAUSE),
            }
        };
        // SAFETY: taken from a guard of the same segment.
        unsafe { MutexGuard::new(self.segment, hold, self.data) }
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: in bounds, aligned to 128 and mapped while the guard lives; any bytes are a `T`.
        // The lock keeps every process that follows the protocol out until the guard is dropped.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` excludes the rest of this thread.
        unsafe { self.data.as_mut() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Takes a lock for a guard. `None` at the deadline.
#[inline]
pub(crate) fn wait(lock: LinkedLock<'_>, deadline: Deadline) -> Option<Hold> {
    match lock.lock_until(deadline) {
        Ok(hold) => Some(hold),
        Err(NotTaken::Busy) => None,
        Err(NotTaken::Mine) => panic!("this thread holds the mutex already"),
        Err(NotTaken::TooMany) => {
            panic!("this thread holds as many mutexes as the kernel looks after")
        }
    }
}
