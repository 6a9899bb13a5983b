//! What all handles have in common: words in a segment, and a descriptor by which they travel.

#![allow(unsafe_code, reason = "keeps the address of words beside what keeps them mapped")]

use std::fmt;
use std::io;
use std::ops::Deref;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::ptr::NonNull;
use std::sync::Arc;

use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Opened, Place, Plain, Segment};

/// The words at the start of a segment, which stays mapped as long as this lives.
///
/// The address is worked out once: acquiring is a matter of nanoseconds.
pub(crate) struct Words<T> {
    at: NonNull<T>,
    segment: Arc<Segment>,
    /// By which a handle travels.
    #[cfg(feature = "serde")]
    fd: Arc<OwnedFd>,
}

// SAFETY: `at` is a shared reference into `segment`, and both of these may go to another thread.
unsafe impl<T: Plain> Send for Words<T> {}
// SAFETY: as above.
unsafe impl<T: Plain> Sync for Words<T> {}

impl<T: Plain> Words<T> {
    /// Views the start of a segment, which must be large enough.
    pub(crate) fn of(opened: Opened) -> Self {
        Self {
            at: NonNull::from(opened.segment.get(0)),
            segment: opened.segment,
            #[cfg(feature = "serde")]
            fd: opened.fd,
        }
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }

    #[cfg(feature = "serde")]
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }
}

impl<T: Plain> Deref for Words<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: `of` took it from a reference into `segment`, which is mapped as long as `self`.
        unsafe { self.at.as_ref() }
    }
}

impl<T> fmt::Debug for Words<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").finish_non_exhaustive()
    }
}

/// Where a handle's segment is to come from.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Made, in memory that has no name.
    Memory,
    /// Made at a path, where nothing is yet.
    New(&'a Path),
    /// Opened at a path, or made there.
    OpenOrNew(&'a Path),
}

impl Source<'_> {
    /// Makes or opens the segment.
    pub(crate) fn get(
        self,
        spec: &Spec,
        body_bytes: usize,
        init: impl Fn(&Segment),
    ) -> io::Result<Opened> {
        match self {
            Self::Memory => segment::create(Place::Anonymous(spec.kind), spec, body_bytes, init),
            Self::New(path) => segment::create(Place::Path(path), spec, body_bytes, init),
            Self::OpenOrNew(path) => {
                segment::open_or_create(path, spec, body_bytes, init).map(|(opened, _)| opened)
            }
        }
    }

    /// Names what is made or opened, for an error.
    pub(crate) fn object(self, kind: &str) -> String {
        match self {
            Self::Memory => format!("a {kind}"),
            Self::New(path) | Self::OpenOrNew(path) => named(kind, path),
        }
    }

    /// Names what is done, for an error.
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Memory | Self::New(_) => "create",
            Self::OpenOrNew(_) => "open or create",
        }
    }
}

/// What the permits of all forms are called in a header.
pub(crate) fn item() -> Item {
    Item::named("permit")
}

pub(crate) fn named(kind: &str, path: &Path) -> String {
    format!("{kind} `{}`", path.display())
}
