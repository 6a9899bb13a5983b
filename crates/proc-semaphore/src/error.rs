//! The failures of this crate, and the two outcomes that are more than yes or no.

use std::fmt;

multiproc_core::opaque_error! {
    /// A semaphore or pool could not be made, opened or used: which, and why.
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

/// More permits were asked for than the semaphore may hold: they would never have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcquireError {
    pub(crate) bound: u32,
}

impl AcquireError {
    /// Returns how many permits the semaphore may hold.
    #[must_use]
    pub fn bound(&self) -> u32 {
        self.bound
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many permits asked for: the semaphore may hold {}", self.bound)
    }
}

impl std::error::Error for AcquireError {}
