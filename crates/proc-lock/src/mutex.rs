//! The handle: makes or opens a mutex, and locks it.

#![allow(unsafe_code, reason = "says of the body that the data lies there")]

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
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

/// A mutual exclusion lock in shared memory, with the data it protects.
///
/// `Mutex<()>` is a plain lock for something outside.
///
/// # When a process is killed
///
/// If it held the lock, the next to lock gets the guard with [`LockError::OwnerDied`], and so does each after
/// that until one [marks it consistent](MutexGuard::mark_consistent). If it waited, or was just woken for the
/// lock, the others notice nothing. The [crate](crate#when-a-holder-is-killed) has the whole table.
///
/// # What a hostile peer can do
///
/// A peer that may write the memory can keep the lock for ever, change the data under those who have it, and hide
/// that an owner died. It cannot crash the others, have them read or write anywhere else (any bytes are a valid
/// `T`), or bring two threads of one process inside at once: each process notes in memory of its own who of its
/// threads has the lock.
#[doc(alias = "Lock")]
#[doc(alias = "pthread_mutex_t")]
pub struct Mutex<T> {
    handle: Handle,
    data: PhantomData<T>,
}

// Written by hand: another handle, not another `T`.
impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), data: PhantomData }
    }
}

by_path!([T: Data] Mutex<T>, plain: Mutex<()>, "mutex");

impl<T: Data> Mutex<T> {
    /// Makes an unlocked mutex around `value`, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// When the kernel has no memory or descriptor left, or cannot look after a lock (musl, and some
    /// sandboxes): see [`Error`].
    pub fn new(value: T) -> Result<Self, Error> {
        Self::kind().new(1, |segment| store(segment, 0, &[value])).map(Self::from_handle)
    }

    /// Makes an unlocked mutex around `value` as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](Mutex::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`Mutex::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_lock::Mutex;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let path = dir.path().join("jobs.lock");
    /// let mine = Mutex::create(&path, [0u32; 4])?;
    /// let theirs = Mutex::<[u32; 4]>::open(&path)?; // in another program
    /// mine.lock().unwrap()[3] = 7;
    /// assert_eq!(*theirs.lock().unwrap(), [0, 0, 0, 7]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        Self::kind()
            .create(path.as_ref(), 1, |segment| store(segment, 0, &[value]))
            .map(Self::from_handle)
    }

    /// Opens the mutex at `path`, or makes one around `value` if there is nothing.
    ///
    /// However many programs do this at once, and whoever of them is killed: one makes it, and the others
    /// open it whole.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_lock::Mutex;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let path = dir.path().join("runs");
    /// for run in 1..=3u64 {
    ///     let runs = Mutex::open_or_create(&path, 0u64)?;
    ///     *runs.lock().unwrap() += 1;
    ///     assert_eq!(*runs.lock().unwrap(), run);
    /// }
    /// Mutex::unlink(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_or_create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        Self::kind()
            .open_or_create(path.as_ref(), 1, |segment| store(segment, 0, &[value]))
            .map(Self::from_handle)
    }

    fn kind() -> Kind {
        Kind { name: "mutex", item: Item::of::<T>(), bytes: |_| Some(size_of::<T>()) }
    }

    fn from_handle(handle: Handle) -> Self {
        Self { handle, data: PhantomData }
    }

    /// Locks, blocking while another thread or process holds the lock.
    ///
    /// # Errors
    ///
    /// The lock is taken all the same, and the guard is in the error:
    /// [`LockError::OwnerDied`] when a process was killed inside, [`LockError::Poisoned`] when a
    /// thread panicked inside, and nobody has repaired the data since.
    ///
    /// # Panics
    ///
    /// When this thread holds the lock already, which would wait for ever, or holds 1,900 locks, of
    /// which the kernel would not look after the rest.
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_lock::{LockError, Mutex};
    ///
    /// let account = Mutex::new(100i64)?;
    /// let mut balance = match account.lock() {
    ///     Ok(balance) => balance,
    ///     Err(LockError::OwnerDied(mut balance)) => {
    ///         *balance = 100; // put it right, from the books
    ///         balance.mark_consistent();
    ///         balance
    ///     }
    ///     Err(LockError::Poisoned(_)) => panic!("a thread of ours panicked before"),
    /// };
    /// *balance -= 30;
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    #[doc(alias = "acquire")]
    #[inline]
    pub fn lock(&self) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        loop {
            if let Some(hold) = self.wait(Deadline::NEVER) {
                return self.guard(hold);
            }
        }
    }

    /// Locks if nobody holds the lock, without waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when somebody has it, be it this thread, or when this thread holds
    /// 1,900 others; the rest as [`lock`](Self::lock).
    #[doc(alias = "pthread_mutex_trylock")]
    #[inline]
    pub fn try_lock(&self) -> Result<MutexGuard<'_, T>, TryLockError<MutexGuard<'_, T>>> {
        match self.linked().try_lock() {
            Ok(hold) => self.guard(hold).map_err(TryLockError::from),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    /// Locks, blocking for at most `timeout` while another thread or process holds the lock.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when it was held for so long; the others as
    /// [`lock`](Self::lock).
    ///
    /// # Panics
    ///
    /// As [`lock`](Self::lock).
    #[doc(alias = "pthread_mutex_clocklock")]
    pub fn lock_timeout(
        &self,
        timeout: Duration,
    ) -> Result<MutexGuard<'_, T>, LockTimeoutError<MutexGuard<'_, T>>> {
        match self.wait(Deadline::after(timeout)) {
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
    ///
    /// # Examples
    ///
    /// ```
    /// # let totals = proc_lock::Mutex::new([0u32; 2])?;
    /// let totals = totals.lock_or_recover(|totals| *totals = [0, 0]);
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    pub fn lock_or_recover(&self, repair: impl FnOnce(&mut T)) -> MutexGuard<'_, T> {
        self.lock().unwrap_or_else(|error| {
            let mut guard = error.into_inner();
            repair(&mut guard);
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

    /// Returns the thread id of who holds the lock now; the first thread's is the process id.
    ///
    /// An answer about a moment that is past: good for a message, and for a look at who is stopped or
    /// loops. The dead do not hold it any more. A peer that means ill can write any number.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = proc_lock::Mutex::new(0u8)?;
    /// assert_eq!(mutex.owner(), None);
    /// let guard = mutex.lock().unwrap();
    /// assert!(mutex.owner().is_some());
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    #[must_use]
    pub fn owner(&self) -> Option<u32> {
        Some(self.linked().owner()).filter(|owner| *owner != 0)
    }

    #[inline]
    fn linked(&self) -> LinkedLock<'_> {
        LinkedLock::of(self.handle.segment())
    }

    fn wait(&self, deadline: Deadline) -> Option<Hold> {
        wait(self.linked(), deadline)
    }

    #[inline]
    fn guard(&self, hold: Hold) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        let segment = self.handle.segment();
        let data = segment.body(0, size_of::<T>()).cast();
        const { assert!(align_of::<T>() <= 128, "a segment's body is aligned to 128 bytes") };
        // SAFETY: `body` checked the bounds, and begins at a multiple of 128; `Data` means any bytes.
        unsafe { MutexGuard::new(segment, hold, data) }
    }
}

impl<T: Data> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Does not show the data: looking would take the lock.
        f.debug_struct("Mutex").field("owner", &self.owner()).finish_non_exhaustive()
    }
}
