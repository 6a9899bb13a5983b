//! The failures of this crate, and the one outcome that is more than yes or no.

use std::fmt;

multiproc_core::opaque_error! {
    /// A semaphore could not be made or opened: which, and why.
    pub struct Error;
}

/// A release would have made more permits than the semaphore may hold. Nothing was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReleaseError {
    pub(crate) bound: u32,
}

impl ReleaseError {
    /// Returns how many permits the semaphore may hold.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.bound
    }
}

impl fmt::Display for ReleaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "semaphore released too often: it may hold {} permits", self.bound)
    }
}

impl std::error::Error for ReleaseError {}
