//! A value that changes as a whole.

use std::fmt;
use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Item;
use multiproc_core::lock::linked::{Hold, LinkedLock};
use multiproc_core::segment::Segment;

use crate::data::Data;
use crate::error::Error;
use crate::guard::wait;
use crate::handle::{Handle, Kind, by_path};

mod copies;
use copies::{Copies, body_bytes};

/// How often a reader whom writers disturb looks without the lock.
const LOOKS: usize = 64;

/// A value in shared memory that changes as a whole: read without a lock, written under one.
///
/// There are two copies and a word that says which of them is the value, so a change is one store.
/// Nothing is ever half-changed, nobody is told that an owner died, and no repair is needed; a reader does
/// not wait for a writer that is stopped. The price is that each access copies the whole value: it is made
/// for numbers and small structs. For large data use a [`Mutex`](crate::Mutex) or a
/// [`SharedSlice`](crate::SharedSlice), for a counter a [`SharedAtomic`](crate::SharedAtomic).
///
/// # When a process is killed
///
/// In the middle of a change, at any instruction, it has changed the value or it has not; the others go on.
///
/// A peer that may write the memory can give the others any value of the type, and stall those who write.
///
/// # Examples
///
/// ```
/// use proc_lock::Shared;
///
/// let progress = Shared::new([0u64, 100])?;
/// let half = progress.update(|[done, of]| {
///     *done += 50;
///     *done * 2 == *of
/// });
/// assert!(half);
/// assert_eq!(progress.get(), [50, 100]);
/// # Ok::<(), proc_lock::Error>(())
/// ```
#[doc(alias = "Value")]
pub struct Shared<T> {
    handle: Handle,
    data: PhantomData<T>,
}

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), data: PhantomData }
    }
}

by_path!([T: Data] Shared<T>, plain: Shared<()>, "value");

impl<T: Data> Shared<T> {
    /// Puts `value` into memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// As [`Mutex::new`](crate::Mutex::new).
    pub fn new(value: T) -> Result<Self, Error> {
        Self::kind().new(1, |segment| copies::<T>(segment).store(&value)).map(Self::from_handle)
    }

    /// Puts `value` into a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](Shared::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        Self::kind()
            .create(path.as_ref(), 1, |segment| copies::<T>(segment).store(&value))
            .map(Self::from_handle)
    }

    /// Opens the value at `path`, or puts `value` there if there is nothing.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(path: impl AsRef<Path>, value: T) -> Result<Self, Error> {
        Self::kind()
            .open_or_create(path.as_ref(), 1, |segment| copies::<T>(segment).store(&value))
            .map(Self::from_handle)
    }

    /// Returns the value.
    ///
    /// Without a lock, unless writers come so thick that it is never left alone: then it waits for its
    /// turn as they do.
    #[must_use]
    #[inline]
    pub fn get(&self) -> T {
        (0..LOOKS).find_map(|_| self.copies().try_load()).unwrap_or_else(|| self.get_slow())
    }

    #[cold]
    fn get_slow(&self) -> T {
        match self.linked().mine() {
            // In its own change it sees the value before it. Nobody else writes meanwhile.
            Some(_) => self.copies().load(),
            None => {
                let _turn = self.turn();
                self.copies().load()
            }
        }
    }

    /// Makes `value` the value, blocking while another changes it.
    ///
    /// # Panics
    ///
    /// Inside of the closure of a change of the same value, and when this thread holds 1,900 locks.
    pub fn set(&self, value: T) {
        let _turn = self.turn();
        self.copies().store(&value);
    }

    /// Makes `value` the value, and returns the one before it, blocking while another changes it.
    ///
    /// # Panics
    ///
    /// As [`set`](Self::set).
    pub fn replace(&self, value: T) -> T {
        self.update(|old| std::mem::replace(old, value))
    }

    /// Changes the value by `f`, blocking while another changes it, and returns what `f` does.
    ///
    /// What `f` is given is a copy, which becomes the value when it returns. The others can read the old
    /// value meanwhile.
    ///
    /// # Panics
    ///
    /// When `f` does, and nothing has changed then; and as [`set`](Self::set).
    #[doc(alias = "get_lock")]
    pub fn update<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        let turn = self.turn();
        self.change(&turn, f)
    }

    /// Changes the value by `f` unless another is about to; `None` when one is, and `f` was not called.
    ///
    /// # Panics
    ///
    /// When `f` does, and nothing has changed then.
    pub fn try_update<R>(&self, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let lock = self.linked();
        let turn = Turn { lock, hold: lock.try_lock().ok()? };
        Some(self.change(&turn, f))
    }

    /// Changes the value by `f`, blocking for at most `timeout` while another changes it; `None` when one
    /// did for so long, and `f` was not called.
    ///
    /// # Panics
    ///
    /// As [`update`](Self::update).
    pub fn update_timeout<R>(&self, timeout: Duration, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let lock = self.linked();
        let turn = Turn { lock, hold: wait(lock, Deadline::after(timeout))? };
        Some(self.change(&turn, f))
    }

    fn change<R>(&self, _turn: &Turn<'_>, f: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.copies().load();
        let result = f(&mut value);
        self.copies().store(&value);
        result
    }

    fn turn(&self) -> Turn<'_> {
        let lock = self.linked();
        loop {
            if let Some(hold) = wait(lock, Deadline::NEVER) {
                return Turn { lock, hold };
            }
        }
    }

    fn linked(&self) -> LinkedLock<'_> {
        LinkedLock::of(self.handle.segment())
    }

    #[inline]
    fn copies(&self) -> Copies<'_> {
        copies::<T>(self.handle.segment())
    }

    fn kind() -> Kind {
        let bytes = |_| body_bytes(size_of::<T>());
        Kind { name: "value", item: Item::of::<T>(), bytes }
    }

    fn from_handle(handle: Handle) -> Self {
        Self { handle, data: PhantomData }
    }
}

#[inline]
fn copies<T: Data>(segment: &Segment) -> Copies<'_> {
    Copies::of(segment, size_of::<T>())
}

/// Being the one who changes the value.
struct Turn<'a> {
    lock: LinkedLock<'a>,
    hold: Hold,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.lock.unlock(self.hold);
    }
}

impl<T: Data + fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&self.get()).finish()
    }
}
