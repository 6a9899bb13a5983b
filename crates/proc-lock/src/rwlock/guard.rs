//! The guards: reading, and writing.

#![allow(unsafe_code, reason = "references to shared bytes, which the lock keeps from changing")]

use std::fmt;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;

use multiproc_core::lock::linked::Hold;
use multiproc_core::place::Places;

use crate::mark::Told;

use super::held;
use super::mapped::Words;
use super::reading::Reading;
use super::words::{PANICKED, WHOLE, WRITING};

/// Having a [`RwLock`](crate::RwLock) for reading: its data, until this is dropped.
///
/// It cannot be sent to another thread: the kernel looks after the thread that locked.
#[must_use = "the lock unlocks when this is dropped"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    words: &'a Words,
    reading: Reading<'a>,
    // A raw pointer: neither `Send` nor, of itself, `Sync`.
    data: NonNull<T>,
    life: PhantomData<&'a T>,
}

// SAFETY: `&RwLockReadGuard` only gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

/// Having a [`RwLock`](crate::RwLock) for writing: its data, until this is dropped.
///
/// It cannot be sent to another thread: the kernel looks after the thread that locked.
#[must_use = "the lock unlocks when this is dropped"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    words: &'a Words,
    hold: Hold,
    panicking: bool,
    data: NonNull<T>,
    life: PhantomData<&'a mut T>,
}

// SAFETY: `&RwLockWriteGuard` only gives `&T`.
unsafe impl<T: ?Sized + Sync> Sync for RwLockWriteGuard<'_, T> {}

impl Words {
    /// Says what who comes in is to be told.
    #[inline]
    pub(super) fn told(&self) -> Told {
        // Relaxed: the gate, or the lock, orders it behind the last writer.
        match self.front().data.load(Relaxed) & !WRITING {
            WHOLE => Told::Nothing,
            PANICKED => Told::Poisoned,
            _ => Told::OwnerDied,
        }
    }
}

impl<'a, T: ?Sized> RwLockReadGuard<'a, T> {
    /// Makes the guard of a lock that this thread has for reading.
    ///
    /// # Safety
    ///
    /// `data` lies in the body of the lock's segment, aligned, and any bytes are a `T`.
    #[inline]
    pub(super) unsafe fn new(words: &'a Words, reading: Reading<'a>, data: NonNull<T>) -> Self {
        // Panics long before the flag, which counts forgotten guards, too, would wrap.
        Places::hold();
        held::add(words.segment());
        Self { words, reading, data, life: PhantomData }
    }
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Makes the guard of a lock that this thread has for writing.
    ///
    /// # Safety
    ///
    /// `data` lies in the body of the lock's segment, aligned, and any bytes are a `T`.
    #[inline]
    pub(super) unsafe fn new(words: &'a Words, hold: Hold, data: NonNull<T>) -> Self {
        let panicking = std::thread::panicking();
        Self { words, hold, panicking, data, life: PhantomData }
    }

    /// Says that the data is whole again, so that nobody is told of anything.
    ///
    /// The way out of [`LockError::OwnerDied`](crate::LockError::OwnerDied) and
    /// [`LockError::Poisoned`](crate::LockError::Poisoned) after a repair.
    #[doc(alias = "clear_poison")]
    pub fn mark_consistent(&mut self) {
        // A copy of the guard in the child of a fork has nothing to say.
        if self.words.lock().is_ours(self.hold) {
            self.words.mend();
        }
    }

    /// Goes from writing to reading: no writer comes in between, and other readers may.
    ///
    /// ```
    /// use proc_lock::{RwLock, RwLockWriteGuard};
    ///
    /// let settings = RwLock::new([1u32, 1])?;
    /// let mut both = settings.write().unwrap();
    /// *both = [2, 2];
    /// let both = RwLockWriteGuard::downgrade(both);
    /// assert_eq!(*settings.try_read().unwrap(), *both);
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    pub fn downgrade(this: Self) -> RwLockReadGuard<'a, T> {
        let this = ManuallyDrop::new(this);
        let reading = this.words.downgrade(this.hold);
        // SAFETY: taken from a guard of the same segment.
        unsafe { RwLockReadGuard::new(this.words, reading, this.data) }
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        held::remove(self.words.segment());
        self.words.go(self.reading);
        Places::release();
    }
}

impl<T: ?Sized> Drop for RwLockWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.words.end_write(self.hold, !self.panicking && std::thread::panicking());
    }
}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: in bounds, aligned and mapped while the guard lives; any bytes are a `T`. Every process
        // that follows the protocol only reads until the guard is dropped.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> Deref for RwLockWriteGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: in bounds, aligned and mapped while the guard lives; any bytes are a `T`. The lock
        // keeps every process that follows the protocol out until the guard is dropped.
        unsafe { self.data.as_ref() }
    }
}

impl<T: ?Sized> DerefMut for RwLockWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`; `&mut self` excludes the rest of this thread.
        unsafe { self.data.as_mut() }
    }
}

macro_rules! printed {
    ($($guard:ident)*) => {$(
        impl<T: ?Sized + fmt::Debug> fmt::Debug for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    )*};
}

printed!(RwLockReadGuard RwLockWriteGuard);
