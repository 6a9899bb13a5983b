//! A value that is set once.

#![allow(unsafe_code, reason = "copies a value into and out of shared memory")]

use std::fmt;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Item;
use multiproc_core::lock::linked::{Hold, LinkedLock};
use multiproc_core::segment::Segment;
use multiproc_core::spin::Spin;

use crate::data::{Data, store};
use crate::error::Error;
use crate::flag::Flag;
use crate::guard::wait;
use crate::handle::{Handle, Kind, by_path};

/// Where the value lies: behind the flag, aligned as a body is.
const VALUE: usize = 128;

/// A value in shared memory that is set once, by whoever comes first.
///
/// As [`std::sync::OnceLock`], but it gives copies of the value, since a reference would be to memory that
/// a peer can write.
///
/// # When a process is killed
///
/// | it was | the others see |
/// |---|---|
/// | computing the value, or writing it | an empty lock: the next who wants the value computes it |
/// | setting the flag | an empty lock, or the whole value and all waiters awake: it is one step |
/// | waiting | nothing |
///
/// A peer that may write the memory can set or garble the value, every byte pattern of which is a `T`.
///
/// # Examples
///
/// ```
/// use proc_lock::OnceLock;
///
/// let started = OnceLock::<u64>::new()?;
/// assert_eq!(started.get(), None);
/// assert_eq!(started.get_or_init(|| 17), 17);
/// assert_eq!(started.get_or_init(|| 18), 17);
/// assert_eq!(started.set(19), Err(19));
/// # Ok::<(), proc_lock::Error>(())
/// ```
#[doc(alias = "pthread_once")]
pub struct OnceLock<T> {
    handle: Handle,
    spin: Arc<Spin>,
    data: PhantomData<T>,
}

impl<T> Clone for OnceLock<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), spin: Arc::clone(&self.spin), data: PhantomData }
    }
}

by_path!([T: Data] OnceLock<T>, plain: OnceLock<()>, "once lock");

impl<T: Data> OnceLock<T> {
    /// Makes an empty lock, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// As [`Mutex::new`](crate::Mutex::new).
    pub fn new() -> Result<Self, Error> {
        Self::kind().new(1, start).map(Self::from_handle)
    }

    /// Makes an empty lock as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](OnceLock::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::kind().create(path.as_ref(), 1, start).map(Self::from_handle)
    }

    /// Opens the lock at `path`, or makes an empty one if there is nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::kind().open_or_create(path.as_ref(), 1, start).map(Self::from_handle)
    }

    /// Returns the value, if it is set. Never blocks.
    #[must_use]
    pub fn get(&self) -> Option<T> {
        self.flag().is_set().then(|| self.load())
    }

    /// Sets the value, blocking while another computes it.
    ///
    /// # Errors
    ///
    /// Gives the value back when there is one already.
    ///
    /// # Panics
    ///
    /// As [`get_or_init`](Self::get_or_init).
    pub fn set(&self, value: T) -> Result<(), T> {
        let mut mine = Some(value);
        self.get_or_init(|| mine.take().unwrap_or(value));
        mine.map_or(Ok(()), Err)
    }

    /// Returns the value; if there is none, `f` computes it, blocking all others who want it meanwhile.
    ///
    /// # Panics
    ///
    /// When `f` does (the lock is left empty), or wants the same value. When this thread holds 1,900
    /// locks.
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> T {
        if let Some(value) = self.get() {
            return value;
        }
        // Whether the last owner died is no matter: what it left is empty, or whole.
        let _turn = self.turn();
        if let Some(value) = self.get() {
            return value;
        }
        let value = f();
        store(self.handle.segment(), VALUE, &[value]);
        self.flag().set();
        value
    }

    /// Waits until the value is set, blocking while it is not, and returns it.
    pub fn wait(&self) -> T {
        loop {
            if self.flag().wait(&self.spin, Deadline::NEVER) {
                return self.load();
            }
        }
    }

    /// Waits until the value is set, blocking for at most `timeout`; `None` when it was not.
    pub fn wait_timeout(&self, timeout: Duration) -> Option<T> {
        let set = self.flag().is_set() || self.flag().wait(&self.spin, Deadline::after(timeout));
        set.then(|| self.load())
    }

    fn turn(&self) -> Turn<'_> {
        let lock = LinkedLock::of(self.handle.segment());
        loop {
            if let Some(hold) = wait(lock, Deadline::NEVER) {
                return Turn { lock, hold };
            }
        }
    }

    fn load(&self) -> T {
        const { assert!(align_of::<T>() <= VALUE, "a segment's body is aligned to 128 bytes") };
        let mut value = MaybeUninit::<T>::uninit();
        let from = self.handle.segment().body(VALUE, size_of::<T>());
        let to = value.as_mut_ptr().cast::<u8>();
        // SAFETY: `body` checked the bounds; a raw copy, into a value of our own.
        unsafe { to.copy_from_nonoverlapping(from.as_ptr(), size_of::<T>()) };
        // SAFETY: all of its bytes are written, and any bytes are a `T`.
        unsafe { value.assume_init() }
    }

    fn flag(&self) -> &Flag {
        self.handle.segment().get(0)
    }

    fn kind() -> Kind {
        let bytes = |_| Some(VALUE + size_of::<T>());
        Kind { name: "once lock", item: Item::of::<T>(), bytes }
    }

    fn from_handle(handle: Handle) -> Self {
        Self { handle, spin: Arc::default(), data: PhantomData }
    }
}

fn start(segment: &Segment) {
    segment.get::<Flag>(0).start();
}

/// Being the one who computes the value.
struct Turn<'a> {
    lock: LinkedLock<'a>,
    hold: Hold,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lock.unlock(self.hold);
    }
}

impl<T: Data + fmt::Debug> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OnceLock").field(&self.get()).finish()
    }
}
