//! Where the leases of a queue lie: behind its messages.
//!
//! ```text
//! | words | records, each with room for one message of a fixed size | arena for others | places |
//! ```

use multiproc_core::place::Places;

use super::words::{Control, Record};
use crate::shape::Contents;

/// The most leases of a queue at a time. Some searches look at all of them.
const MOST_LEASES: u64 = 1 << 16;

/// The most threads that have leases of one queue: a sleeper watches them all, and four words more.
const PLACES: u32 = 124;

/// How the leases of a queue are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// How many there are.
    pub(crate) leases: u32,
    /// Where the words begin.
    pub(crate) at: usize,
    /// The bytes from one record to the next.
    pub(crate) stride: usize,
    /// Where the arena begins.
    pub(crate) arena_at: usize,
    /// As large as the queue's own.
    pub(crate) arena_bytes: u64,
}

impl Layout {
    /// Lays out so many leases behind a queue that ends at `at`.
    ///
    /// # Errors
    ///
    /// A sentence that names the number which cannot be.
    pub(crate) fn of<C: Contents>(
        leases: u64,
        at: usize,
        arena_bytes: u64,
    ) -> Result<Self, String> {
        if leases == 0 || leases > MOST_LEASES {
            return Err(format!(
                "it is to have {leases} leases, and a queue has 1 to {MOST_LEASES} at a time"
            ));
        }
        let message = if C::ARENA { 0 } else { C::SIZE };
        let bytes = || {
            let at = at.checked_next_multiple_of(align_of::<Control>())?;
            // Its lines to itself: neighbours are acknowledged by different threads.
            let stride = size_of::<Record>().checked_add(message)?.checked_next_multiple_of(64)?;
            let records = usize::try_from(leases).ok()?.checked_mul(stride)?;
            let arena_at = at.checked_add(size_of::<Control>())?.checked_add(records)?;
            let end = arena_at.checked_add(usize::try_from(arena_bytes).ok()?)?;
            // A quarter of what there is leaves room for the places.
            (end <= usize::MAX / 4).then_some((at, stride, arena_at))
        };
        let (at, stride, arena_at) = bytes().ok_or_else(|| {
            format!("its {leases} leases of {message} bytes are more than memory can hold")
        })?;
        // At most 2^16.
        Ok(Self { leases: leases as u32, at, stride, arena_at, arena_bytes })
    }

    /// Returns where the threads' places lie.
    pub(crate) fn places(&self) -> Places {
        // As checked in `of`.
        Places::after(self.arena_at + self.arena_bytes as usize, PLACES)
    }

    /// Returns how many bytes of body the queue needs, its leases included.
    pub(crate) fn body_bytes(&self) -> usize {
        self.places().body_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape::{Bytes, Fixed};

    #[test]
    fn what_cannot_be_is_refused_with_its_number() {
        let says = |leases| Layout::of::<Fixed<u64>>(leases, 1_000, 0).unwrap_err();
        assert!(says(0).contains("0 leases"));
        assert!(says(MOST_LEASES + 1).contains("65537"));
        let huge = Layout::of::<Fixed<[[u8; 1 << 24]; 1 << 24]>>(MOST_LEASES, 0, 0).unwrap_err();
        assert!(huge.contains("more than memory"), "{huge}");
    }

    #[test]
    fn a_record_has_its_lines_to_itself() {
        let stride = |layout: Result<Layout, String>| layout.unwrap().stride;
        assert_eq!(stride(Layout::of::<Fixed<[u8; 40]>>(3, 1_000, 0)), 64);
        assert_eq!(stride(Layout::of::<Fixed<[u8; 41]>>(3, 1_000, 0)), 128);
        let bytes = Layout::of::<Bytes>(3, 1_000, 80).unwrap();
        assert_eq!((bytes.at, bytes.stride, bytes.arena_at), (1_024, 64, 1_024 + 384 + 192));
    }
}
