//! A row of values beside a lock.

#![allow(unsafe_code, reason = "says of the body that the values lie there")]

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::NonNull;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Item;
use multiproc_core::lock::linked::{Hold, LinkedLock};

use crate::data::{Data, store};
use crate::error::Error;
use crate::guard::{MutexGuard, wait};
use crate::handle::{Handle, Kind, by_path};
use crate::mark;
use crate::outcome::{LockError, LockTimeoutError, TryLockError};

/// A slice in shared memory with a lock beside it: a [`Mutex`](crate::Mutex) around a `[T]`, of a length
/// that is known when the program runs.
///
/// [`lock`](Self::lock) gives the slice itself, as a mutex does and with the same outcomes when an owner
/// was killed; the guard works with a [`Condvar`](crate::Condvar). [`get`](Self::get), [`set`](Self::set)
/// and their kin lock for themselves, once each.
///
/// A peer that may write the memory can write to the slice without the lock, and stall those who want it;
/// it can change neither the length nor anything outside of the slice.
///
/// # Examples
///
/// ```
/// use proc_lock::SharedSlice;
///
/// let totals = SharedSlice::new(&[0.0f64; 3])?;
/// totals.set(1, 2.5);
/// for total in totals.lock().unwrap().iter_mut() {
///     *total += 1.0;
/// }
/// assert_eq!(totals.to_vec(), [1.0, 3.5, 1.0]);
/// assert_eq!(totals.get(3), None);
/// # Ok::<(), proc_lock::Error>(())
/// ```
#[doc(alias = "Array")]
pub struct SharedSlice<T> {
    handle: Handle,
    len: usize,
    data: PhantomData<T>,
}

impl<T> Clone for SharedSlice<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), len: self.len, data: PhantomData }
    }
}

by_path!([T: Data] SharedSlice<T>, plain: SharedSlice<()>, "slice");

impl<T: Data> SharedSlice<T> {
    /// Copies `values` into memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// As [`Mutex::new`](crate::Mutex::new).
    pub fn new(values: &[T]) -> Result<Self, Error> {
        Self::kind()
            .new(values.len() as u64, |segment| store(segment, 0, values))
            .map(Self::from_handle)
    }

    /// Makes a slice of `len` values, all bytes of which are zero, without a copy of it on the way.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and `InvalidInput` when it would be larger than memory.
    ///
    /// # Examples
    ///
    /// ```
    /// let slots = proc_lock::SharedSlice::<u32>::zeroed(1_000)?;
    /// assert_eq!(slots.get(999), Some(0));
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    pub fn zeroed(len: usize) -> Result<Self, Error> {
        Self::kind().new(len as u64, |_| ()).map(Self::from_handle)
    }

    /// Copies `values` into a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](SharedSlice::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>, values: &[T]) -> Result<Self, Error> {
        Self::kind()
            .create(path.as_ref(), values.len() as u64, |segment| store(segment, 0, values))
            .map(Self::from_handle)
    }

    /// Opens the slice at `path`, or makes one of `values` if there is nothing.
    ///
    /// What is there already may have another length: see [`len`](Self::len).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>, values: &[T]) -> Result<Self, Error> {
        Self::kind()
            .open_or_create(path.as_ref(), values.len() as u64, |segment| store(segment, 0, values))
            .map(Self::from_handle)
    }

    /// Returns the number of values, which never changes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Says whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Locks the slice, blocking while another thread or process holds the lock.
    ///
    /// # Errors
    ///
    /// As [`Mutex::lock`](crate::Mutex::lock).
    ///
    /// # Panics
    ///
    /// As [`Mutex::lock`](crate::Mutex::lock).
    #[doc(alias = "get_lock")]
    pub fn lock(&self) -> Result<MutexGuard<'_, [T]>, LockError<MutexGuard<'_, [T]>>> {
        self.guard(self.hold())
    }

    /// Locks the slice if nobody holds the lock, without waiting.
    ///
    /// # Errors
    ///
    /// As [`Mutex::try_lock`](crate::Mutex::try_lock).
    pub fn try_lock(&self) -> Result<MutexGuard<'_, [T]>, TryLockError<MutexGuard<'_, [T]>>> {
        match self.linked().try_lock() {
            Ok(hold) => self.guard(hold).map_err(TryLockError::from),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    /// Locks the slice, blocking for at most `timeout` while another thread or process holds the lock.
    ///
    /// # Errors
    ///
    /// As [`Mutex::lock_timeout`](crate::Mutex::lock_timeout).
    ///
    /// # Panics
    ///
    /// As [`Mutex::lock`](crate::Mutex::lock).
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, [T]>, LockTimeoutError<MutexGuard<'_, [T]>>> {
        match wait(self.linked(), Deadline::after(timeout)) {
            Some(hold) => self.guard(hold).map_err(LockTimeoutError::from),
            None => Err(LockTimeoutError::TimedOut),
        }
    }

    /// Locks the slice, and when the last holder was killed or panicked inside, has `repair` put it right
    /// first.
    ///
    /// # Panics
    ///
    /// As [`lock`](Self::lock), and when `repair` does: the next to lock is told again.
    pub fn lock_or_recover(&self, repair: impl FnOnce(&mut [T])) -> MutexGuard<'_, [T]> {
        self.lock().unwrap_or_else(|error| {
            let mut guard = error.into_inner();
            repair(&mut guard);
            guard.mark_consistent();
            guard
        })
    }

    /// Returns the value at `index`; `None` beyond the end. Blocks while another holds the lock.
    ///
    /// This and the methods below do not tell of an owner that died: the value may be one that it had
    /// half-written. Lock the slice to be told.
    ///
    /// # Panics
    ///
    /// When this thread holds the lock, or 1,900 others.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<T> {
        if index < self.len { Some(self.whole()[index]) } else { None }
    }

    /// Makes `value` the value at `index`. Blocks while another holds the lock.
    ///
    /// # Panics
    ///
    /// Beyond the end, and as [`get`](Self::get).
    pub fn set(&self, index: usize, value: T) {
        self.range(index, 1);
        self.whole()[index] = value;
    }

    /// Copies the values from `start` on into `to`, all of which is filled. Blocks while another holds the
    /// lock.
    ///
    /// # Panics
    ///
    /// When that is beyond the end, and as [`get`](Self::get).
    pub fn copy_to(&self, start: usize, to: &mut [T]) {
        let range = self.range(start, to.len());
        to.copy_from_slice(&self.whole()[range]);
    }

    /// Copies `from` to where the values from `start` on are. Blocks while another holds the lock.
    ///
    /// # Panics
    ///
    /// When that is beyond the end, and as [`get`](Self::get).
    pub fn copy_from(&self, start: usize, from: &[T]) {
        let range = self.range(start, from.len());
        self.whole()[range].copy_from_slice(from);
    }

    /// Returns all values. Blocks while another holds the lock.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    #[must_use]
    pub fn to_vec(&self) -> Vec<T> {
        self.whole().to_vec()
    }

    /// Says whether the next locker would be told that the values may be half-changed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        mark::is_set(self.linked())
    }

    /// Returns the thread id of who holds the lock now, as [`Mutex::owner`](crate::Mutex::owner).
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        Some(self.linked().owner()).filter(|owner| *owner != 0)
    }

    /// Checks, before anything is locked, that the values are there.
    fn range(&self, start: usize, len: usize) -> std::ops::Range<usize> {
        match start.checked_add(len).filter(|end| *end <= self.len) {
            Some(end) => start..end,
            None => panic!("{len} values from {start} on, of a slice of {}", self.len),
        }
    }

    /// Locks the slice, whatever there is to tell.
    fn whole(&self) -> MutexGuard<'_, [T]> {
        self.lock().unwrap_or_else(LockError::into_inner)
    }

    fn hold(&self) -> Hold {
        loop {
            if let Some(hold) = wait(self.linked(), Deadline::NEVER) {
                return hold;
            }
        }
    }

    fn linked(&self) -> LinkedLock<'_> {
        LinkedLock::of(self.handle.segment())
    }

    fn guard(&self, hold: Hold) -> Result<MutexGuard<'_, [T]>, LockError<MutexGuard<'_, [T]>>> {
        const { assert!(align_of::<T>() <= 128, "a segment's body is aligned to 128 bytes") };
        let segment = self.handle.segment();
        let first = segment.body(0, self.len * size_of::<T>()).cast();
        let data = NonNull::slice_from_raw_parts(first, self.len);
        // SAFETY: `body` checked the bounds, and begins at a multiple of 128; `Data` means any bytes.
        unsafe { MutexGuard::new(segment, hold, data) }
    }

    fn kind() -> Kind {
        let bytes = |len| usize::try_from(len).ok()?.checked_mul(size_of::<T>());
        Kind { name: "slice", item: Item::of::<T>(), bytes }
    }

    fn from_handle(handle: Handle) -> Self {
        // It fits: `Kind` has checked what the header says.
        let len = usize::try_from(handle.capacity()).unwrap_or(0);
        Self { handle, len, data: PhantomData }
    }
}

impl<T: Data> fmt::Debug for SharedSlice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSlice").field("len", &self.len).finish_non_exhaustive()
    }
}
