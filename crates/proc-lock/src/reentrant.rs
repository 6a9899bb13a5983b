//! A mutex that the thread which holds it may lock again.

#![allow(unsafe_code, reason = "references to shared bytes, which the lock makes exclusive")]

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Item;
use multiproc_core::lock::linked::{Hold, LinkedLock};
use multiproc_core::segment::Segment;

use crate::data::{Data, store};
use crate::error::Error;
use crate::guard::wait;
use crate::handle::{Handle, Kind, by_path};
use crate::mark;
use crate::outcome::{LockError, LockTimeoutError, TryLockError};

/// A mutual exclusion lock in shared memory that the thread which holds it may lock again.
///
/// It belongs to one thread of one process at a time, and is free when the last of that thread's guards is
/// dropped, in whatever order. Several guards of a thread are about, so a guard gives no `&mut T` but a
/// [`Cell<T>`](Cell): `get`, `set`, `replace`.
///
/// A [`Mutex`](crate::Mutex) is the better choice where nothing locks twice: it gives `&mut T`, and works
/// with a [`Condvar`](crate::Condvar).
///
/// # When a process is killed
///
/// As with a [`Mutex`](crate::Mutex): if it held the lock, however often, the next to lock is told once
/// and for all.
///
/// # What a hostile peer can do
///
/// As with a [`Mutex`](crate::Mutex): keep the lock for ever, change the data under those who have it (any bytes
/// are a valid `T`), hide that an owner died; no more. The number of guards is kept outside of the shared memory,
/// where no peer can garble it.
///
/// # Examples
///
/// ```
/// use proc_lock::ReentrantMutex;
///
/// fn pay(account: &ReentrantMutex<i64>, amount: i64) {
///     let balance = account.lock().unwrap();
///     balance.set(balance.get() - amount);
/// }
///
/// let account = ReentrantMutex::new(100)?;
/// let balance = account.lock().unwrap();
/// if balance.get() >= 30 {
///     pay(&account, 30); // locks again
/// }
/// assert_eq!(balance.get(), 70);
/// # Ok::<(), proc_lock::Error>(())
/// ```
#[doc(alias = "RLock")]
#[doc(alias = "PTHREAD_MUTEX_RECURSIVE")]
pub struct ReentrantMutex<T> {
    handle: Handle,
    data: PhantomData<T>,
}

impl<T> Clone for ReentrantMutex<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), data: PhantomData }
    }
}

by_path!([T: Data] ReentrantMutex<T>, plain: ReentrantMutex<()>, "reentrant mutex");

/// Having a [`ReentrantMutex`]: its data, until the last guard of this thread is dropped.
///
/// It cannot be sent to another thread, nor shared with one.
#[must_use = "the mutex unlocks when its last guard is dropped"]
pub struct ReentrantMutexGuard<'a, T> {
    segment: &'a Segment,
    hold: Hold,
    panicking: bool,
    // A raw pointer: neither `Send` nor `Sync`.
    data: NonNull<Cell<T>>,
}

impl<T: Data> ReentrantMutex<T> {
    /// Makes an unlocked mutex around `value`, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// As [`Mutex::new`](crate::Mutex::new).
    pub fn new(value: T) -> Result<Self, Error> {
        Self::kind().new(1, |segment| store(segment, 0, &[value])).map(Self::from_handle)
    }

    /// Makes an unlocked mutex around `value` as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](ReentrantMutex::unlink) removes
    /// it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        Self::kind()
            .create(path.as_ref(), 1, |segment| store(segment, 0, &[value]))
            .map(Self::from_handle)
    }

    /// Opens the mutex at `path`, or makes one around `value` if there is nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        Self::kind()
            .open_or_create(path.as_ref(), 1, |segment| store(segment, 0, &[value]))
            .map(Self::from_handle)
    }

    /// Locks, blocking while another thread or process holds the lock.
    ///
    /// # Errors
    ///
    /// As [`Mutex::lock`](crate::Mutex::lock), and each time that this thread locks until the data is
    /// marked consistent.
    ///
    /// # Panics
    ///
    /// When this thread holds 1,900 other locks, or this one some four billion times.
    #[doc(alias = "acquire")]
    pub fn lock(
        &self,
    ) -> Result<ReentrantMutexGuard<'_, T>, LockError<ReentrantMutexGuard<'_, T>>> {
        loop {
            if let Some(hold) = self.again().or_else(|| self.first(Deadline::NEVER)) {
                return self.guard(hold);
            }
        }
    }

    /// Locks if no other thread holds the lock, without waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when another has it, or this thread holds 1,900 others; the rest as
    /// [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// When this thread holds this lock some four billion times.
    pub fn try_lock(
        &self,
    ) -> Result<ReentrantMutexGuard<'_, T>, TryLockError<ReentrantMutexGuard<'_, T>>> {
        match self.again().or_else(|| self.try_first()) {
            Some(hold) => self.guard(hold).map_err(TryLockError::from),
            None => Err(TryLockError::WouldBlock),
        }
    }

    /// Locks, blocking for at most `timeout` while another thread or process holds the lock.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when it was held for so long; the others as [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// As [`lock`](Self::lock).
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<ReentrantMutexGuard<'_, T>, LockTimeoutError<ReentrantMutexGuard<'_, T>>> {
        match self.again().or_else(|| self.first(Deadline::after(timeout))) {
            Some(hold) => self.guard(hold).map_err(LockTimeoutError::from),
            None => Err(LockTimeoutError::TimedOut),
        }
    }

    /// Locks, and when the last holder was killed or panicked inside, has `repair` put the data right
    /// first.
    ///
    /// # Panics
    ///
    /// As [`lock`](Self::lock), and when `repair` does: the next to lock is told again.
    pub fn lock_or_recover(&self, repair: impl FnOnce(&Cell<T>)) -> ReentrantMutexGuard<'_, T> {
        self.lock().unwrap_or_else(|error| {
            let guard = error.into_inner();
            repair(&guard);
            guard.mark_consistent();
            guard
        })
    }

    /// Says whether the next locker would be told that the data may be half-changed.
    ///
    /// A death that no locker has seen yet does not count.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        mark::is_set(self.linked())
    }

    /// Returns the thread id of who holds the lock now, as [`Mutex::owner`](crate::Mutex::owner).
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        Some(self.linked().owner()).filter(|owner| *owner != 0)
    }

    /// Takes the lock once more, if this thread has it already.
    fn again(&self) -> Option<Hold> {
        let hold = self.linked().mine()?;
        let depth = self.linked().depth();
        // How many guards there are besides the first. Relaxed, as all of it: it belongs to this thread. A
        // signal handler that locks and unlocks before `first` has cleared it leaves it as it was.
        let Some(deeper) = depth.load(Relaxed).checked_add(1) else {
            panic!("this thread holds the mutex too often");
        };
        depth.store(deeper, Relaxed);
        Some(hold)
    }

    fn first(&self, deadline: Deadline) -> Option<Hold> {
        wait(self.linked(), deadline).inspect(|_| self.linked().depth().store(0, Relaxed))
    }

    fn try_first(&self) -> Option<Hold> {
        self.linked().try_lock().ok().inspect(|_| self.linked().depth().store(0, Relaxed))
    }

    #[inline]
    fn linked(&self) -> LinkedLock<'_> {
        LinkedLock::of(self.handle.segment())
    }

    fn guard(
        &self,
        hold: Hold,
    ) -> Result<ReentrantMutexGuard<'_, T>, LockError<ReentrantMutexGuard<'_, T>>> {
        const { assert!(align_of::<T>() <= 128, "a segment's body is aligned to 128 bytes") };
        let segment = self.handle.segment();
        let data = segment.body(0, size_of::<T>()).cast();
        let panicking = std::thread::panicking();
        let guard = ReentrantMutexGuard { segment, hold, panicking, data };
        mark::on_lock(self.linked(), hold).with(guard)
    }

    fn kind() -> Kind {
        Kind { name: "reentrant mutex", item: Item::of::<T>(), bytes: |_| Some(size_of::<T>()) }
    }

    fn from_handle(handle: Handle) -> Self {
        Self { handle, data: PhantomData }
    }
}

impl<T> ReentrantMutexGuard<'_, T> {
    /// Says that the data is whole again, so that lockers are told of nothing.
    #[doc(alias = "pthread_mutex_consistent")]
    #[doc(alias = "clear_poison")]
    pub fn mark_consistent(&self) {
        mark::clear(LinkedLock::of(self.segment), self.hold);
    }
}

impl<T> Drop for ReentrantMutexGuard<'_, T> {
    fn drop(&mut self) {
        let lock = LinkedLock::of(self.segment);
        mark::on_unlock(lock, self.hold, self.panicking);
        // In the child of a fork the depth is a copy of the parent's, as this guard is.
        if lock.is_ours(self.hold) {
            match lock.depth().load(Relaxed).checked_sub(1) {
                Some(left) => lock.depth().store(left, Relaxed),
                None => lock.unlock(self.hold),
            }
        }
    }
}

impl<T> Deref for ReentrantMutexGuard<'_, T> {
    type Target = Cell<T>;

    fn deref(&self) -> &Cell<T> {
        // SAFETY: in bounds, aligned to 128 and mapped while the guard lives; any bytes are a `T`, and a
        // `Cell` is laid out as what is in it. The lock keeps out every process that follows the protocol
        // and every other thread of this one; within this thread a `Cell` is made for being shared.
        unsafe { self.data.as_ref() }
    }
}

impl<T: Copy + fmt::Debug> fmt::Debug for ReentrantMutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl<T: Data> fmt::Debug for ReentrantMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReentrantMutex").field("owner", &self.owner()).finish_non_exhaustive()
    }
}
