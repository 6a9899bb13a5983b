//! The counting handles: make or open a semaphore, acquire and release.

use std::fmt;
use std::io;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Spec;
use multiproc_core::segment::{self, Opened};

use crate::counting::{Counting, Waiting};
use crate::error::{AcquireError, Error, ReleaseError};
use crate::handle::{Source, Words, item, named};

/// The most permits that a semaphore can hold.
#[doc(alias = "SEM_VALUE_MAX")]
pub const MAX_PERMITS: u32 = (1 << 30) - 1;

/// One mapped semaphore of either form.
#[derive(Debug)]
struct Handle {
    words: Words<Counting>,
    waiting: Waiting,
    bound: u32,
}

impl Handle {
    fn make(
        source: Source<'_>,
        kind: &'static str,
        permits: u32,
        bound: u32,
    ) -> Result<Arc<Self>, Error> {
        let made = if permits > MAX_PERMITS {
            let text = format!("{permits} permits are more than {MAX_PERMITS}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        } else {
            let spec = Spec { kind, item: item(), capacity: u64::from(bound), detail: 0 };
            source
                .get(&spec, size_of::<Counting>(), |segment| {
                    segment.get::<Counting>(0).start(permits);
                })
                .and_then(Self::checked)
        };
        made.map_err(|cause| Error::new(source.operation(), source.object(kind), cause))
    }

    fn open(path: &Path, kind: &'static str) -> Result<Arc<Self>, Error> {
        segment::open(path, kind, item())
            .and_then(Self::checked)
            .map_err(|cause| Error::new("open", named(kind, path), cause))
    }

    #[cfg(feature = "serde")]
    fn attach(fd: Arc<OwnedFd>, kind: &'static str) -> Result<Arc<Self>, Error> {
        segment::attach(fd, kind, item())
            .and_then(Self::checked)
            .map_err(|cause| Error::new("open", format!("a {kind} that arrived"), cause))
    }

    fn checked(opened: Opened) -> io::Result<Arc<Self>> {
        let allowed = opened.found.capacity;
        let bound = u32::try_from(allowed).ok().filter(|bound| *bound <= MAX_PERMITS);
        let fits = opened.segment.body_bytes() >= size_of::<Counting>();
        match bound {
            Some(bound) if fits => {
                let words = Words::of(opened);
                Ok(Arc::new(Self { words, waiting: Waiting::default(), bound }))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its header allows {allowed} permits"),
            )),
        }
    }

    #[inline]
    fn acquire(&self, n: u32, deadline: Deadline) -> bool {
        self.words.acquire(n, &self.waiting, deadline)
    }
}

/// What both forms have in common, so that they cannot drift apart.
macro_rules! semaphore {
    (
        $(#[$meta:meta])*
        $name:ident: $kind:literal, new: $new:expr, bound: $bound:expr, exact: $exact:literal
    ) => {
        $(#[$meta])*
        #[derive(Clone)]
        pub struct $name {
            handle: Arc<Handle>,
        }

        impl $name {
            /// Makes a semaphore with `permits` permits, in memory that vanishes with its last handle.
            ///
            /// # Errors
            ///
            /// `InvalidInput` for more than [`MAX_PERMITS`]. Also when the kernel has no memory or
            /// descriptor left, or cannot look after a lock (musl, and some sandboxes).
            #[doc(alias = "sem_init")]
            pub fn new(permits: u32) -> Result<Self, Error> {
                let handle = Handle::make(Source::Memory, $kind, permits, ($new)(permits))?;
                Ok(Self { handle })
            }

            /// Makes a semaphore as a file that other programs can [`open`](Self::open).
            ///
            /// The file has mode 0600 and appears whole or not at all, also when this process is killed
            /// meanwhile; [`unlink`](Self::unlink) removes it.
            ///
            /// # Errors
            ///
            /// `AlreadyExists` when there is something at the path, and as `new`.
            #[doc(alias = "sem_open")]
            pub fn create(path: impl AsRef<Path>, permits: u32) -> Result<Self, Error> {
                let source = Source::New(path.as_ref());
                Ok(Self { handle: Handle::make(source, $kind, permits, ($new)(permits))? })
            }

            /// Opens the semaphore that another program made at `path`.
            ///
            /// # Errors
            ///
            /// `NotFound`; `InvalidData` when the file is something else, or was made in another PID
            /// namespace: the cause says what differs. `PermissionDenied` when it belongs to another
            /// user.
            pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
                Ok(Self { handle: Handle::open(path.as_ref(), $kind)? })
            }

            /// Opens the semaphore at `path`, or makes it with `permits` permits where there is none.
            ///
            /// Of programs that do this at the same time one makes it and the others open it. The number
            /// counts for the maker only, as with `sem_open`.
            ///
            /// # Errors
            ///
            /// As [`open`](Self::open) and [`create`](Self::create), except for `NotFound` and
            /// `AlreadyExists`.
            pub fn open_or_create(path: impl AsRef<Path>, permits: u32) -> Result<Self, Error> {
                let source = Source::OpenOrNew(path.as_ref());
                Ok(Self { handle: Handle::make(source, $kind, permits, ($new)(permits))? })
            }

            /// Removes the name `path`. Those who have the semaphore open keep it.
            ///
            /// # Errors
            ///
            /// `NotFound`, and what else the kernel has against it.
            #[doc(alias = "sem_unlink")]
            pub fn unlink(path: impl AsRef<Path>) -> Result<(), Error> {
                let path = path.as_ref();
                segment::unlink(path)
                    .map_err(|cause| Error::new("remove", named($kind, path), cause))
            }

            /// Takes a permit, blocking while there is none.
            #[doc(alias = "sem_wait")]
            #[doc(alias = "P")]
            #[inline]
            pub fn acquire(&self) {
                while !self.handle.acquire(1, Deadline::NEVER) {}
            }

            /// Takes a permit if there is one, without waiting or standing in line; says whether it did.
            #[doc(alias = "sem_trywait")]
            #[must_use = "the permit may not have been taken"]
            #[inline]
            pub fn try_acquire(&self) -> bool {
                self.handle.words.try_acquire(1)
            }

            /// Takes a permit, blocking for at most `timeout` while there is none; says whether it did.
            #[doc(alias = "sem_timedwait")]
            #[must_use = "the permit may not have been taken"]
            pub fn acquire_timeout(&self, timeout: Duration) -> bool {
                self.acquire_many_timeout(1, timeout)
            }

            /// Takes `n` permits at once, blocking while there are fewer.
            ///
            /// All or none, also when this process is killed meanwhile: two that each want many do not
            /// hold each other up. Who waits first in line is not overtaken by another `acquire`, so
            /// those who want few do not starve one who wants many; `try_acquire` takes what is there.
            ///
            /// # Errors
            ///
            /// [`AcquireError`], at once, when the semaphore may never hold so many.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = concat!("use proc_semaphore::", stringify!($name), ";")]
            ///
            #[doc = concat!("let gigabytes = ", stringify!($name), "::new(8)?;")]
            /// gigabytes.acquire_many(5)?;
            /// assert!(!gigabytes.try_acquire_many(4));
            /// gigabytes.release_many(5)?;
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn acquire_many(&self, n: u32) -> Result<(), AcquireError> {
                self.may_hold(n)?;
                while n > 0 && !self.handle.acquire(n, Deadline::NEVER) {}
                Ok(())
            }

            /// Takes `n` permits if there are so many, without waiting or standing in line; says whether
            /// it did.
            #[must_use = "the permits may not have been taken"]
            #[inline]
            pub fn try_acquire_many(&self, n: u32) -> bool {
                n == 0 || (self.may_hold(n).is_ok() && self.handle.words.try_acquire(n))
            }

            /// Takes `n` permits at once, blocking for at most `timeout` while there are fewer; says
            /// whether it did. `false` at once when the semaphore may never hold so many.
            #[must_use = "the permits may not have been taken"]
            pub fn acquire_many_timeout(&self, n: u32, timeout: Duration) -> bool {
                let acquire = |deadline| self.handle.acquire(n, deadline);
                n == 0 || (self.may_hold(n).is_ok() && acquire(Deadline::after(timeout)))
            }

            /// Puts a permit back, and wakes a waiter for it. Any process may.
            ///
            /// # Errors
            ///
            /// [`ReleaseError`] when the semaphore holds all the permits that it may; nothing changed.
            #[doc(alias = "sem_post")]
            #[doc(alias = "V")]
            #[inline]
            pub fn release(&self) -> Result<(), ReleaseError> {
                self.release_many(1)
            }

            /// Puts `n` permits back at once, and wakes who waits for them. Any process may.
            ///
            /// All or none, also when this process is killed meanwhile.
            ///
            /// # Errors
            ///
            /// [`ReleaseError`] when the semaphore may not hold so many more; nothing changed.
            #[inline]
            pub fn release_many(&self, n: u32) -> Result<(), ReleaseError> {
                self.handle.words.release(n, self.bound(), $exact)
            }

            /// Returns the number of permits there are now, which may have changed by the time you look.
            #[doc(alias = "get_value")]
            #[doc(alias = "sem_getvalue")]
            #[must_use]
            pub fn value(&self) -> u32 {
                self.handle.words.value()
            }

            #[inline]
            fn bound(&self) -> u32 {
                ($bound)(&*self.handle)
            }

            #[inline]
            fn may_hold(&self, n: u32) -> Result<(), AcquireError> {
                let bound = self.bound();
                if n <= bound { Ok(()) } else { Err(AcquireError { bound }) }
            }

            #[cfg(test)]
            pub(crate) fn counting(&self) -> &Counting {
                &self.handle.words
            }

            #[cfg(feature = "serde")]
            pub(crate) fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
                Handle::attach(fd, $kind).map(|handle| Self { handle })
            }

            #[cfg(feature = "serde")]
            pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
                self.handle.words.fd()
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("value", &self.value()).finish_non_exhaustive()
            }
        }
    };
}

semaphore! {
    /// A number of permits in shared memory, released by anybody.
    ///
    /// See the [crate](crate) for an example.
    ///
    /// # When a process is killed
    ///
    /// It has acquired or released all that it asked for, or nothing, and whoever waits goes on. The permits
    /// that it had are spent, for nobody can say whose they were; those of a [`PermitPool`](crate::PermitPool)
    /// come back.
    ///
    /// # What a hostile peer can do
    ///
    /// A peer that may write the memory can make up permits, take them away, and wake nobody: the others go on
    /// though they should not, or wait. It cannot crash them, have them read out of bounds, or hold up a wait
    /// beyond its timeout: whatever the word holds is a number of permits.
    #[doc(alias = "sem_t")]
    Semaphore: "semaphore", new: |_| MAX_PERMITS, bound: |_: &Handle| MAX_PERMITS, exact: false
}

semaphore! {
    /// A semaphore that never holds more permits than it was made with.
    ///
    /// A release too many, which a [`Semaphore`] takes for another permit, is an error here.
    ///
    /// When a process is killed the permits that it had are spent, as with a [`Semaphore`], and a hostile peer
    /// can do the same as there. The bound it cannot change once this handle is made: it is read and checked then,
    /// and kept in memory of this process.
    ///
    /// ```
    /// use proc_semaphore::BoundedSemaphore;
    ///
    /// let connections = BoundedSemaphore::new(3)?;
    /// connections.acquire();
    /// connections.release()?;
    /// let error = connections.release().unwrap_err();
    /// assert_eq!(error.to_string(), "semaphore released too often: it may hold 3 permits");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    BoundedSemaphore: "bounded semaphore", new: |permits: u32| permits, bound: |handle: &Handle| handle.bound, exact: true
}
