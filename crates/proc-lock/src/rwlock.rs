//! The handle: makes or opens a read-write lock, and locks it.

#![allow(unsafe_code, reason = "says of the body that the data lies there")]

use std::fmt;
use std::io;
use std::marker::PhantomData;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::fence;
use multiproc_core::header::Item;
use multiproc_core::lock::linked::Hold;

use crate::data::{Data, store};
use crate::error::Error;
use crate::handle::{Handle, Kind};
use crate::outcome::{LockError, LockTimeoutError, TryLockError};

mod guard;
mod held;
mod mapped;
mod reading;
mod words;
mod writing;

pub use guard::{RwLockReadGuard, RwLockWriteGuard};
use mapped::{DATA, Words, places};
use reading::Reading;
use words::{WHOLE, WRITING};
use writing::NoEntry;

type Read<'a, T> = RwLockReadGuard<'a, T>;
type Write<'a, T> = RwLockWriteGuard<'a, T>;

/// A lock in shared memory that many may have for reading, or one for writing, with the data it protects.
///
/// It has the shape of [`std::sync::RwLock`], with one outcome more: when a writer was killed inside,
/// whoever comes next is told so, may repair the data, and goes on.
///
/// ```
/// use proc_lock::RwLock;
///
/// let limits = RwLock::new([10u32, 20])?;
/// {
///     let (one, other) = (limits.read().unwrap(), limits.read().unwrap());
///     assert_eq!(one[0] + other[1], 30);
/// }
/// limits.write().unwrap()[0] = 15;
/// assert_eq!(limits.read().unwrap()[0], 15);
/// # Ok::<(), proc_lock::Error>(())
/// ```
///
/// # Waiting
///
/// Readers wait for a writer that is inside or waits, so writers are not starved; readers and writers
/// wait for the same lock, as the lockers of a [`Mutex`](crate::Mutex) do, so readers are not, either.
/// A thread that reads may read again, whoever waits. A thread that reads and wants to write, or writes
/// and wants the lock once more, would wait for itself: that is a panic, and `WouldBlock` for the
/// `try_` forms.
///
/// # What it costs
///
/// A reader raises a flag of its own and looks at the gate: no locked instruction, and no line that
/// readers share. The price is paid by a writer that comes after many reads, which has the kernel fence
/// all readers (`membarrier`, a microsecond or so). Where reads and writes alternate each reader has a
/// fence of its own instead, and writers among themselves pay what a mutex costs.
///
/// There are 126 flags, and a thread keeps the one it got until it ends. Beyond 126 living threads a
/// reader takes the lock itself, and so keeps out writers and others like it.
///
/// # When a process is killed
///
/// | it was | the others see |
/// |---|---|
/// | reading | nothing: its flag counts no more, and a writer that waits for it is woken |
/// | writing | [`LockError::OwnerDied`] with the guard, until one [marks it consistent] |
/// | waiting, coming or going | nothing |
///
/// One that is stopped (`SIGSTOP`) is not dead, and a reader or writer that is stopped inside is waited
/// for.
///
/// # What a hostile peer can do
///
/// It can hold the lock for ever, and, as it can write to the memory, change the data under those who
/// have it. It cannot make this process read or write anywhere else: any bytes are a valid `T`.
///
/// [marks it consistent]: RwLockWriteGuard::mark_consistent
#[doc(alias = "pthread_rwlock_t")]
pub struct RwLock<T> {
    words: Arc<Words>,
    data: PhantomData<T>,
}

// Written by hand: another handle, not another `T`.
impl<T> Clone for RwLock<T> {
    fn clone(&self) -> Self {
        Self { words: Arc::clone(&self.words), data: PhantomData }
    }
}

impl<T: Data + Sync> RwLock<T> {
    /// Makes an unlocked lock around `value`, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// When the kernel has no memory or descriptor left, or cannot look after a lock (musl, and some
    /// sandboxes); `Unsupported` when it refuses `membarrier`: see [`Error`].
    pub fn new(value: T) -> Result<Self, Error> {
        fenced()?;
        Self::kind().new(1, |segment| store(segment, DATA, &[value])).map(Self::from_handle)
    }

    /// Makes an unlocked lock around `value` as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](RwLock::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`RwLock::new`].
    pub fn create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        fenced()?;
        Self::kind()
            .create(path.as_ref(), 1, |segment| store(segment, DATA, &[value]))
            .map(Self::from_handle)
    }

    /// Opens the lock that another program made at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidData` when the file is something else (another primitive, or the name, size or
    /// alignment of the type differ), or was made in another PID namespace: the cause says what differs.
    /// `PermissionDenied` when it belongs to another user; `Unsupported` as for [`RwLock::new`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        fenced()?;
        Self::kind().open(path.as_ref()).map(Self::from_handle)
    }

    /// Opens the lock at `path`, or makes one around `value` if there is nothing.
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
    /// use proc_lock::RwLock;
    ///
    /// let dir = tempfile::tempdir()?;
    /// let path = dir.path().join("limits");
    /// let one = RwLock::open_or_create(&path, 1.5f64)?;
    /// let other = RwLock::open_or_create(&path, 0.0f64)?; // in another program
    /// assert_eq!(*other.read().unwrap(), 1.5);
    /// RwLock::unlink(&path)?;
    /// # drop(one);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_or_create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        fenced()?;
        Self::kind()
            .open_or_create(path.as_ref(), 1, |segment| store(segment, DATA, &[value]))
            .map(Self::from_handle)
    }

    /// Opens a lock whose descriptor arrived in a message.
    #[cfg(feature = "serde")]
    pub(crate) fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
        fenced()?;
        Self::kind().attach(fd).map(Self::from_handle)
    }

    #[cfg(feature = "serde")]
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        self.words.handle().fd()
    }

    fn kind() -> Kind {
        const { assert!(align_of::<T>() <= DATA, "the data is aligned to 128 bytes") };
        Kind {
            name: KIND,
            item: Item::of::<T>(),
            bytes: |_| Some(places(size_of::<T>()).body_bytes()),
        }
    }

    fn from_handle(handle: Handle) -> Self {
        Self { words: Arc::new(Words::new(handle, size_of::<T>())), data: PhantomData }
    }

    /// Locks for reading, blocking while another thread or process writes or waits to write.
    ///
    /// # Errors
    ///
    /// The lock is taken all the same, and the guard is in the error: [`LockError::OwnerDied`] when a
    /// process was killed while it wrote, [`LockError::Poisoned`] when a thread panicked while it
    /// wrote, and nobody has repaired the data since.
    ///
    /// # Panics
    ///
    /// When this thread has the lock for writing, which would wait for ever.
    #[doc(alias = "pthread_rwlock_rdlock")]
    #[inline]
    pub fn read(&self) -> Result<Read<'_, T>, LockError<Read<'_, T>>> {
        loop {
            if let Some(reading) = self.come(Deadline::NEVER) {
                return self.reads(reading);
            }
        }
    }

    /// Locks for reading if nobody writes or waits to write, without waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when somebody does, be it this thread; the rest as
    /// [`read`](Self::read).
    #[doc(alias = "pthread_rwlock_tryrdlock")]
    #[inline]
    pub fn try_read(&self) -> Result<Read<'_, T>, TryLockError<Read<'_, T>>> {
        match self.words.try_come().or_else(|| self.words.try_come_in()) {
            Some(reading) => self.reads(reading).map_err(TryLockError::from),
            None => Err(TryLockError::WouldBlock),
        }
    }

    /// Locks for reading, blocking for at most `timeout` while another writes or waits to write.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when it took longer; the others as [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read).
    #[doc(alias = "pthread_rwlock_clockrdlock")]
    pub fn read_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Read<'_, T>, LockTimeoutError<Read<'_, T>>> {
        match self.come(Deadline::after(timeout)) {
            Some(reading) => self.reads(reading).map_err(LockTimeoutError::from),
            None => Err(LockTimeoutError::TimedOut),
        }
    }

    /// Locks for writing, blocking while another thread or process reads or writes.
    ///
    /// # Errors
    ///
    /// The lock is taken all the same, and the guard is in the error: see [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// When this thread has the lock already, for reading or for writing, which would wait for ever;
    /// when it holds 1,900 locks, of which the kernel would not look after the rest; and when the
    /// kernel refuses a `membarrier` that it granted when the lock was opened.
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_lock::{LockError, RwLock};
    ///
    /// let totals = RwLock::new([0u64; 2])?;
    /// let mut both = match totals.write() {
    ///     Ok(both) => both,
    ///     Err(LockError::OwnerDied(mut both)) => {
    ///         both[1] = both[0]; // put it right
    ///         both.mark_consistent();
    ///         both
    ///     }
    ///     Err(LockError::Poisoned(_)) => panic!("a thread of ours panicked before"),
    /// };
    /// both[0] += 1;
    /// both[1] += 1;
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    #[doc(alias = "pthread_rwlock_wrlock")]
    #[inline]
    pub fn write(&self) -> Result<Write<'_, T>, LockError<Write<'_, T>>> {
        loop {
            if let Some(hold) = written(self.words.write(Deadline::NEVER)) {
                return self.writes(hold);
            }
        }
    }

    /// Locks for writing if nobody reads or writes, without waiting.
    ///
    /// # Errors
    ///
    /// [`TryLockError::WouldBlock`] when somebody does, be it this thread, or when this thread holds
    /// 1,900 other locks; the rest as [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write), for `membarrier` alone.
    #[doc(alias = "pthread_rwlock_trywrlock")]
    #[inline]
    pub fn try_write(&self) -> Result<Write<'_, T>, TryLockError<Write<'_, T>>> {
        match self.words.try_write() {
            Ok(hold) => self.writes(hold).map_err(TryLockError::from),
            Err(NoEntry::Unfenced) => unfenced(),
            Err(_) => Err(TryLockError::WouldBlock),
        }
    }

    /// Locks for writing, blocking for at most `timeout` while another reads or writes.
    ///
    /// # Errors
    ///
    /// [`LockTimeoutError::TimedOut`] when it took longer, as it does for a thread that reads; the others
    /// as [`write`](Self::write).
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write), but not for reading.
    #[doc(alias = "pthread_rwlock_clockwrlock")]
    pub fn write_timeout(
        &self,
        timeout: Duration,
    ) -> Result<Write<'_, T>, LockTimeoutError<Write<'_, T>>> {
        match written(self.words.write(Deadline::after(timeout))) {
            Some(hold) => self.writes(hold).map_err(LockTimeoutError::from),
            None => Err(LockTimeoutError::TimedOut),
        }
    }

    /// Locks for writing, and when the last writer was killed or panicked inside, has `repair` put the
    /// data right first.
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write), and when `repair` does: the next is told again.
    pub fn write_or_recover(&self, repair: impl FnOnce(&mut T)) -> Write<'_, T> {
        self.write().unwrap_or_else(|error| {
            let mut guard = error.into_inner();
            repair(&mut guard);
            guard.mark_consistent();
            guard
        })
    }

    /// Says whether the next reader or writer would be told that the data may be half-changed.
    ///
    /// A death that nobody has seen yet does not count.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        // Relaxed: an answer about a moment that is past anyway.
        self.words.front().data.load(Relaxed) & !WRITING != WHOLE
    }

    #[inline]
    fn come(&self, deadline: Deadline) -> Option<Reading<'_>> {
        match self.words.try_come() {
            Some(reading) => Some(reading),
            None => self.words.come(deadline),
        }
    }

    #[inline]
    fn reads<'a>(&'a self, reading: Reading<'a>) -> Result<Read<'a, T>, LockError<Read<'a, T>>> {
        // SAFETY: see `data`.
        let guard = unsafe { RwLockReadGuard::new(&self.words, reading, self.data()) };
        self.words.told().with(guard)
    }

    #[inline]
    fn writes(&self, hold: Hold) -> Result<Write<'_, T>, LockError<Write<'_, T>>> {
        // SAFETY: see `data`.
        let guard = unsafe { RwLockWriteGuard::new(&self.words, hold, self.data()) };
        self.words.told().with(guard)
    }

    /// Returns where the data lies: in bounds, and aligned, as the body is to 128 bytes. `Data` means
    /// that any bytes are a `T`.
    #[inline]
    fn data(&self) -> NonNull<T> {
        self.words.data().cast()
    }
}

impl RwLock<()> {
    /// Removes the lock at `path`: its name, that is.
    ///
    /// Whoever has it open goes on with it; the memory is given back with the last handle.
    ///
    /// # Errors
    ///
    /// As [`std::fs::remove_file`].
    pub fn unlink(path: impl AsRef<Path>) -> Result<(), Error> {
        Self::kind().unlink(path.as_ref())
    }
}

const KIND: &str = "read-write lock";

/// Refuses a lock whose readers this process could not have fenced.
fn fenced() -> Result<(), Error> {
    if fence::heavy() {
        return Ok(());
    }
    let text = "the kernel, or a filter, refuses `membarrier`, which its writers need";
    let source = io::Error::new(io::ErrorKind::Unsupported, text);
    Err(Error::new("use", "a read-write lock", source))
}

#[inline]
fn written(wrote: Result<Hold, NoEntry>) -> Option<Hold> {
    match wrote {
        Ok(hold) => Some(hold),
        Err(NoEntry::Late) => None,
        Err(NoEntry::Mine) => {
            panic!("this thread has the lock already, and would wait for itself")
        }
        Err(NoEntry::TooMany) => {
            panic!("this thread holds as many locks as the kernel looks after")
        }
        Err(NoEntry::Unfenced) => unfenced(),
    }
}

#[cold]
fn unfenced() -> ! {
    panic!("the kernel refuses `membarrier`, which it granted when the lock was opened")
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Does not show the data: looking would take the lock.
        f.debug_struct("RwLock")
            .field("has_writer", &self.words.has_writer())
            .finish_non_exhaustive()
    }
}
