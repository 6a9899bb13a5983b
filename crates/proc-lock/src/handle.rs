//! What every handle is: a mapping, and the descriptor by which it travels.

use std::io;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Opened, Place, Segment};

use crate::error::Error;

/// One mapped primitive.
#[derive(Clone)]
pub(crate) struct Handle {
    segment: Arc<Segment>,
    /// By which a handle travels.
    #[cfg(feature = "serde")]
    fd: Arc<OwnedFd>,
    capacity: u64,
}

/// What a segment of one primitive is.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// As the header has it, and the messages of errors.
    pub(crate) name: &'static str,
    /// What lies in it.
    pub(crate) item: Item,
    /// How many bytes of body it needs for a capacity; `None` when no memory is so large.
    pub(crate) bytes: fn(u64) -> Option<usize>,
}

impl Kind {
    /// Makes a segment that vanishes with its last handle; `init` fills it before anybody has it.
    #[expect(
        clippy::new_ret_no_self,
        clippy::wrong_self_convention,
        reason = "makes one of its kind"
    )]
    pub(crate) fn new(self, capacity: u64, init: impl Fn(&Segment)) -> Result<Handle, Error> {
        self.make(Place::Anonymous(self.name), capacity, init)
            .map_err(|source| Error::new("create", self.some(), source))
    }

    /// Makes a segment at a path.
    pub(crate) fn create(
        self,
        path: &Path,
        capacity: u64,
        init: impl Fn(&Segment),
    ) -> Result<Handle, Error> {
        self.make(Place::Path(path), capacity, init)
            .map_err(|source| Error::new("create", self.at(path), source))
    }

    /// Opens the segment at a path, or makes it; of two who do so at once one makes it.
    pub(crate) fn open_or_create(
        self,
        path: &Path,
        capacity: u64,
        init: impl Fn(&Segment),
    ) -> Result<Handle, Error> {
        self.body(capacity)
            .and_then(|bytes| segment::open_or_create(path, &self.spec(capacity), bytes, init))
            .and_then(|(opened, _)| self.checked(opened))
            .map_err(|source| Error::new("open or create", self.at(path), source))
    }

    /// Opens the segment that another program made at a path.
    pub(crate) fn open(self, path: &Path) -> Result<Handle, Error> {
        segment::open(path, self.name, self.item)
            .and_then(|opened| self.checked(opened))
            .map_err(|source| Error::new("open", self.at(path), source))
    }

    /// Removes the name of a segment at a path.
    pub(crate) fn unlink(self, path: &Path) -> Result<(), Error> {
        segment::unlink(path).map_err(|source| Error::new("unlink", self.at(path), source))
    }

    /// Opens a segment whose descriptor arrived in a message.
    #[cfg(feature = "serde")]
    pub(crate) fn attach(self, fd: Arc<OwnedFd>) -> Result<Handle, Error> {
        segment::attach(fd, self.name, self.item)
            .and_then(|opened| self.checked(opened))
            .map_err(|source| Error::new("open", format!("{} that arrived", self.some()), source))
    }

    fn make(self, place: Place<'_>, capacity: u64, init: impl Fn(&Segment)) -> io::Result<Handle> {
        let bytes = self.body(capacity)?;
        segment::create(place, &self.spec(capacity), bytes, init).map(Handle::from)
    }

    fn spec(self, capacity: u64) -> Spec {
        Spec { kind: self.name, item: self.item, capacity, detail: 0 }
    }

    fn body(self, capacity: u64) -> io::Result<usize> {
        (self.bytes)(capacity).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "it would be larger than memory")
        })
    }

    fn checked(self, opened: Opened) -> io::Result<Handle> {
        let (has, needs) = (opened.segment.body_bytes(), (self.bytes)(opened.found.capacity));
        if needs.is_some_and(|needs| needs <= has) {
            return Ok(Handle::from(opened));
        }
        let needs = needs.map_or("more than memory has".to_owned(), |bytes| bytes.to_string());
        let why = format!("its body has {has} bytes, and its data {needs}");
        Err(io::Error::new(io::ErrorKind::InvalidData, why))
    }

    fn some(self) -> String {
        let article = if self.name.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        format!("{article} {}", self.name)
    }

    fn at(self, path: &Path) -> String {
        format!("{} `{}`", self.name, path.display())
    }
}

impl From<Opened> for Handle {
    fn from(opened: Opened) -> Self {
        Self {
            segment: opened.segment,
            #[cfg(feature = "serde")]
            fd: opened.fd,
            capacity: opened.found.capacity,
        }
    }
}

impl Handle {
    #[inline]
    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    /// Returns the number in the header, as it was when the segment was opened.
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    #[cfg(feature = "serde")]
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }
}

/// Gives a handle what is the same for all: the way in for other programs, the way out, and travel.
///
/// The type has `fn kind() -> Kind` and `fn from_handle(Handle) -> Self`, and a field `handle`. What its
/// name removes does not depend on the type inside: `unlink` belongs to the `plain` form.
macro_rules! by_path {
    ([$($generics:tt)*] $type:ty, plain: $plain:ty, $noun:literal) => {
        impl<$($generics)*> $type {
            #[doc = concat!("Opens the ", $noun, " that another program made at `path`.")]
            ///
            /// # Errors
            ///
            /// `NotFound`; `InvalidData` when the file is something else (another primitive, or the name,
            /// size or alignment of the type differ), or was made in another PID namespace: the cause says
            /// what differs. `PermissionDenied` when it belongs to another user.
            pub fn open(path: impl AsRef<std::path::Path>) -> Result<Self, $crate::Error> {
                Self::kind().open(path.as_ref()).map(Self::from_handle)
            }

            #[cfg(feature = "serde")]
            pub(crate) fn attach(
                fd: std::sync::Arc<std::os::fd::OwnedFd>,
            ) -> Result<Self, $crate::Error> {
                Self::kind().attach(fd).map(Self::from_handle)
            }

            #[cfg(feature = "serde")]
            pub(crate) fn fd(&self) -> &std::sync::Arc<std::os::fd::OwnedFd> {
                self.handle.fd()
            }
        }

        impl $plain {
            #[doc = concat!("Removes the ", $noun, " at `path`: its name, that is.")]
            ///
            /// Whoever has it open goes on with it; the memory is given back with the last handle.
            ///
            /// # Errors
            ///
            /// As [`std::fs::remove_file`].
            pub fn unlink(path: impl AsRef<std::path::Path>) -> Result<(), $crate::Error> {
                Self::kind().unlink(path.as_ref())
            }
        }
    };
}
pub(crate) use by_path;
