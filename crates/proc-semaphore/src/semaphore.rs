//! The handles: make or open a semaphore, acquire and release.

use std::fmt;
use std::io;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Opened, Place, Segment};

use crate::error::{Error, ReleaseError};
use crate::permits::{Permits, Waiting};

/// The most permits that a semaphore can hold.
#[doc(alias = "SEM_VALUE_MAX")]
pub const MAX_PERMITS: u32 = (1 << 30) - 1;

/// One mapped semaphore of either form.
#[derive(Debug)]
struct Handle {
    segment: Arc<Segment>,
    /// By which a handle travels.
    #[cfg(feature = "serde")]
    fd: Arc<OwnedFd>,
    waiting: Waiting,
    bound: u32,
}

impl Handle {
    fn make(place: Place<'_>, kind: &'static str, permits: u32, bound: u32) -> io::Result<Self> {
        if permits > MAX_PERMITS {
            let text = format!("{permits} permits are more than {MAX_PERMITS}");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let item = Item::named("permit");
        let spec = Spec { kind, item, capacity: u64::from(bound), detail: 0 };
        let opened = segment::create(place, &spec, size_of::<Permits>(), |segment| {
            segment.get::<Permits>(0).start(permits);
        })?;
        Ok(Self::from_opened(opened, bound))
    }

    fn open(path: &Path, kind: &'static str) -> io::Result<Self> {
        Self::checked(segment::open(path, kind, Item::named("permit"))?)
    }

    #[cfg(feature = "serde")]
    fn attach(fd: Arc<OwnedFd>, kind: &'static str) -> Result<Arc<Self>, Error> {
        segment::attach(fd, kind, Item::named("permit"))
            .and_then(Self::checked)
            .map(Arc::new)
            .map_err(|source| Error::new("open", format!("a {kind} that arrived"), source))
    }

    fn checked(opened: Opened) -> io::Result<Self> {
        let bound = u32::try_from(opened.found.capacity).ok().filter(|bound| *bound <= MAX_PERMITS);
        let fits = opened.segment.body_bytes() >= size_of::<Permits>();
        match bound {
            Some(bound) if fits => Ok(Self::from_opened(opened, bound)),
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its header allows {} permits", opened.found.capacity),
            )),
        }
    }

    fn from_opened(opened: Opened, bound: u32) -> Self {
        Self {
            segment: opened.segment,
            #[cfg(feature = "serde")]
            fd: opened.fd,
            waiting: Waiting::default(),
            bound,
        }
    }

    #[inline]
    fn permits(&self) -> &Permits {
        self.segment.get(0)
    }

    #[inline]
    fn acquire(&self, deadline: Deadline) -> bool {
        self.permits().acquire(&self.waiting, deadline)
    }
}

/// What both forms have in common, so that they cannot drift apart.
macro_rules! semaphore {
    (
        $(#[$meta:meta])*
        $name:ident: $kind:literal, bound: $bound:expr, exact: $exact:literal
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
            /// `InvalidInput` for more than [`MAX_PERMITS`]. Also when the kernel has no memory or descriptor left, or cannot look after a lock
            /// (musl, and some sandboxes).
            #[doc(alias = "sem_init")]
            pub fn new(permits: u32) -> Result<Self, Error> {
                Handle::make(Place::Anonymous($kind), $kind, permits, ($bound)(permits))
                    .map(|handle| Self { handle: Arc::new(handle) })
                    .map_err(|source| Error::new("create", concat!("a ", $kind), source))
            }

            /// Makes a semaphore as a file that other programs can [`open`](Self::open).
            ///
            /// The file has mode 0600 and appears whole or not at all; remove it by
            /// [`std::fs::remove_file`].
            ///
            /// # Errors
            ///
            /// `AlreadyExists` when there is something at the path, and as `new`.
            #[doc(alias = "sem_open")]
            pub fn create(path: impl AsRef<Path>, permits: u32) -> Result<Self, Error> {
                let path = path.as_ref();
                Handle::make(Place::Path(path), $kind, permits, ($bound)(permits))
                    .map(|handle| Self { handle: Arc::new(handle) })
                    .map_err(|source| Error::new("create", named($kind, path), source))
            }

            /// Opens the semaphore that another program made at `path`.
            ///
            /// # Errors
            ///
            /// `NotFound`; `InvalidData` when the file is something else, or was made in another PID
            /// namespace: the cause says what differs. `PermissionDenied` when it belongs to another
            /// user.
            pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
                let path = path.as_ref();
                Handle::open(path, $kind)
                    .map(|handle| Self { handle: Arc::new(handle) })
                    .map_err(|source| Error::new("open", named($kind, path), source))
            }

            /// Takes a permit, blocking while there is none.
            #[doc(alias = "sem_wait")]
            #[doc(alias = "P")]
            #[inline]
            pub fn acquire(&self) {
                while !self.handle.acquire(Deadline::NEVER) {}
            }

            /// Takes a permit if there is one, without waiting; says whether it did.
            #[doc(alias = "sem_trywait")]
            #[must_use = "the permit may not have been taken"]
            #[inline]
            pub fn try_acquire(&self) -> bool {
                self.handle.permits().try_acquire()
            }

            /// Takes a permit, blocking for at most `timeout` while there is none; says whether it did.
            #[doc(alias = "sem_timedwait")]
            #[must_use = "the permit may not have been taken"]
            pub fn acquire_timeout(&self, timeout: Duration) -> bool {
                self.try_acquire() || self.handle.acquire(Deadline::after(timeout))
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
                let Handle { waiting, bound, .. } = &*self.handle;
                self.handle.permits().release(waiting, *bound, $exact)
            }

            /// Returns the number of permits there are now, which may have changed by the time you look.
            #[doc(alias = "get_value")]
            #[doc(alias = "sem_getvalue")]
            #[must_use]
            pub fn value(&self) -> u32 {
                self.handle.permits().value()
            }

            #[cfg(feature = "serde")]
            pub(crate) fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
                Handle::attach(fd, $kind).map(|handle| Self { handle })
            }

            #[cfg(feature = "serde")]
            pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
                &self.handle.fd
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("value", &self.value()).finish_non_exhaustive()
            }
        }
    };
}

fn named(kind: &str, path: &Path) -> String {
    format!("{kind} `{}`", path.display())
}

semaphore! {
    /// A number of permits in shared memory, released by anybody.
    ///
    /// See the [crate](crate) for an example, and for what happens when a process is killed.
    #[doc(alias = "sem_t")]
    Semaphore: "semaphore", bound: |_| MAX_PERMITS, exact: false
}

semaphore! {
    /// A semaphore that never holds more permits than it was made with.
    ///
    /// A release too many, which a [`Semaphore`] takes for another permit, is an error here.
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
    BoundedSemaphore: "bounded semaphore", bound: |permits: u32| permits, exact: true
}
