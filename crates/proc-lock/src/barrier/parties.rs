//! How many a barrier waits for.

use std::io;

use multiproc_core::place::MAX_PLACES;

/// Beside the number, in the header: the barrier shrinks.
const SHRINKS: u64 = 1 << 32;

/// How many threads a [`Barrier`](crate::Barrier) waits for, and what becomes of that when one dies.
///
/// A number alone is that many, of whom none may die.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parties {
    count: u32,
    shrinks: bool,
}

impl Parties {
    /// So many, and one less for each member that dies.
    #[must_use]
    pub fn shrinking(count: u32) -> Self {
        Self { count, shrinks: true }
    }

    pub(super) fn count(self) -> u32 {
        self.count
    }

    pub(super) fn shrinks(self) -> bool {
        self.shrinks
    }

    /// Returns the number for the header.
    pub(super) fn capacity(self) -> io::Result<u64> {
        if (1..=MAX_PLACES).contains(&self.count) {
            return Ok(u64::from(self.count) | if self.shrinks { SHRINKS } else { 0 });
        }
        let text = format!("{} parties: it may have 1 to {MAX_PLACES}", self.count);
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// Reads the number in a header; any is good for something.
    pub(super) fn from_capacity(capacity: u64) -> Self {
        // The low half, which fits.
        let count = (capacity & (SHRINKS - 1)) as u32;
        Self { count: count.clamp(1, MAX_PLACES), shrinks: capacity & SHRINKS != 0 }
    }
}

impl From<u32> for Parties {
    fn from(count: u32) -> Self {
        Self { count, shrinks: false }
    }
}
