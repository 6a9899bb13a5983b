//! The handle: makes or opens a mutex, and locks it.

use std::fmt;
use std::io;
use std::marker::PhantomData;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytemuck::{AnyBitPattern, NoUninit};
use multiproc_core::deadline::Deadline;
use multiproc_core::header::{Item, Spec};
use multiproc_core::lock::linked::{Hold, LinkedLock, NotTaken};
use multiproc_core::segment::{self, Opened, Place, Segment};

use crate::error::Error;
use crate::guard::{self, MutexGuard};
use crate::outcome::{LockError, LockTimeoutError, TryLockError};

const KIND: &str = "mutex";

/// What a [`Mutex`] may protect: plain bytes, without pointers, of which every pattern is valid.
///
/// Integers, floats, arrays of them, `()`, and structs that derive [`bytemuck::NoUninit`] and
/// [`bytemuck::AnyBitPattern`] (or `Pod`).
pub trait Data: NoUninit + AnyBitPattern + Send + 'static {}

impl<T: NoUninit + AnyBitPattern + Send + 'static> Data for T {}

/// A mutual exclusion lock in shared memory, with the data it protects.
///
/// `Mutex<()>` is a plain lock for something outside. See the [crate](crate) for what happens when a
/// holder is killed.
#[doc(alias = "Lock")]
#[doc(alias = "pthread_mutex_t")]
pub struct Mutex<T> {
    segment: Arc<Segment>,
    /// By which a handle travels.
    #[cfg(feature = "serde")]
    fd: Arc<OwnedFd>,
    data: PhantomData<T>,
}

// Written by hand: another handle, not another `T`.
impl<T> Clone for Mutex<T> {
    fn clone(&self) -> Self {
        Self {
            segment: Arc::clone(&self.segment),
            #[cfg(feature = "serde")]
            fd: Arc::clone(&self.fd),
            data: PhantomData,
        }
    }
}

impl<T: Data> Mutex<T> {
    /// Makes an unlocked mutex around `value`, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// When the kernel has no memory or descriptor left, or cannot look after a lock (musl, and some
    /// sandboxes): see [`Error`].
    pub fn new(value: T) -> Result<Self, Error> {
        let place = Place::Anonymous("mutex");
        Self::make(place, value).map_err(|source| Error::new("create", "a mutex", source))
    }

    /// Makes an unlocked mutex around `value` as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; remove it by [`std::fs::remove_file`].
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
        let path = path.as_ref();
        Self::make(Place::Path(path), value)
            .map_err(|source| Error::new("create", format!("mutex `{}`", path.display()), source))
    }

    /// Opens the mutex that another program made at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidData` when the file is no mutex around a `T` (by name, size and alignment of
    /// the type), or was made in another PID namespace: the cause says what differs. `PermissionDenied` when it belongs to another user.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        segment::open(path, KIND, Item::of::<T>())
            .and_then(Self::checked)
            .map_err(|source| Error::new("open", format!("mutex `{}`", path.display()), source))
    }

    fn make(place: Place<'_>, value: T) -> io::Result<Self> {
        let spec = Spec { kind: KIND, item: Item::of::<T>(), capacity: 1, detail: 0 };
        let opened = segment::create(place, &spec, size_of::<T>(), |segment| {
            let bytes = bytemuck::bytes_of(&value);
            guard::store(segment, bytes);
        })?;
        Ok(Self::from_opened(opened))
    }

    fn checked(opened: Opened) -> io::Result<Self> {
        let (has, needs) = (opened.segment.body_bytes(), size_of::<T>());
        if has < needs {
            let why = format!("its body has {has} bytes, and its data {needs}");
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(Self::from_opened(opened))
    }

    fn from_opened(opened: Opened) -> Self {
        Self {
            segment: opened.segment,
            #[cfg(feature = "serde")]
            fd: opened.fd,
            data: PhantomData,
        }
    }

    /// Opens a mutex whose descriptor arrived in a message.
    #[cfg(feature = "serde")]
    pub(crate) fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
        segment::attach(fd, KIND, Item::of::<T>())
            .and_then(Self::checked)
            .map_err(|source| Error::new("open", "a mutex that arrived", source))
    }

    #[cfg(feature = "serde")]
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
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
        match LinkedLock::of(&self.segment).try_lock() {
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
        // Relaxed: an answer about a moment that is past anyway.
        LinkedLock::of(&self.segment).mark().load(Relaxed) != guard::CONSISTENT
    }

    fn wait(&self, deadline: Deadline) -> Option<Hold> {
        match LinkedLock::of(&self.segment).lock_until(deadline) {
            Ok(hold) => Some(hold),
            Err(NotTaken::Busy) => None,
            Err(NotTaken::Mine) => panic!("this thread holds the mutex already"),
            Err(NotTaken::TooMany) => {
                panic!("this thread holds as many mutexes as the kernel looks after")
            }
        }
    }

    #[inline]
    fn guard(&self, hold: Hold) -> Result<MutexGuard<'_, T>, LockError<MutexGuard<'_, T>>> {
        MutexGuard::new(&self.segment, hold)
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Does not show the data: looking would take the lock.
        let owner = LinkedLock::of(&self.segment).owner();
        f.debug_struct("Mutex")
            .field("owner", &(owner != 0).then_some(owner))
            .finish_non_exhaustive()
    }
}
