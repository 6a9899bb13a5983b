//! How large a queue is: kinds of messages, capacities, offsets.
//!
//! ```text
//! | control, 768 bytes | cells: one for each message | arena: bytes of messages of any length |
//! ```

use core::marker::PhantomData;
use core::sync::atomic::AtomicU64;

use multiproc_core::header;

use crate::Item;
use crate::lease::Layout;
use crate::words::Control;

/// The most messages that a queue can hold: an index has 31 bits, and "full" must not look like
/// "empty".
const MOST_MESSAGES: u64 = 1 << 30;
/// The largest arena: a descriptor counts in units and has 32 bits for them.
const MOST_BYTES: u64 = (1 << 32) * UNIT;
/// Messages of any length begin at multiples of this many bytes.
pub(crate) const UNIT: u64 = 8;

/// What kind of messages a queue holds.
pub(crate) trait Contents: 'static {
    /// The word for it in the header.
    const KIND: &'static str;
    /// The bytes of a cell.
    const SIZE: usize;
    /// The bytes from one cell to the next: a large one has its lines to itself, small ones share.
    const STRIDE: usize = match Self::SIZE {
        size @ 0..=64 => size,
        size => size.next_multiple_of(64),
    };
    /// Whether messages lie in an arena, with a descriptor in their cell.
    const ARENA: bool;
    /// Whether receivers lease the messages, rather than take them.
    const LEASED: bool = false;
    /// The type of the messages.
    fn item() -> header::Item;
}

/// Messages of one type and size, each in its cell.
pub(crate) struct Fixed<T>(PhantomData<fn() -> T>);

impl<T: Item> Contents for Fixed<T> {
    const KIND: &'static str = "queue";
    const SIZE: usize = size_of::<T>();
    const ARENA: bool = false;

    fn item() -> header::Item {
        header::Item::of::<T>()
    }
}

/// Messages of any length.
pub(crate) struct Bytes;

impl Contents for Bytes {
    const KIND: &'static str = "byte queue";
    const SIZE: usize = size_of::<AtomicU64>();
    const ARENA: bool = true;

    fn item() -> header::Item {
        header::Item::named("bytes")
    }
}

/// Encoded values of one type.
#[cfg(feature = "serde")]
pub(crate) struct Values<T>(PhantomData<fn() -> T>);

#[cfg(feature = "serde")]
impl<T: 'static> Contents for Values<T> {
    const KIND: &'static str = "value queue";
    const SIZE: usize = size_of::<AtomicU64>();
    const ARENA: bool = true;

    fn item() -> header::Item {
        header::Item::named(core::any::type_name::<T>())
    }
}

/// How large a queue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) capacity: u32,
    pub(crate) arena_bytes: u64,
    pub(crate) arena_at: usize,
    pub(crate) leases: Option<Layout>,
    pub(crate) body_bytes: usize,
}

impl Shape {
    /// Lays out a queue for so many messages, and so many bytes of messages of any length.
    ///
    /// # Errors
    ///
    /// A sentence that names the number which cannot be.
    pub(crate) fn of<C: Contents>(capacity: u64, capacity_bytes: u64) -> Result<Self, String> {
        if capacity == 0 || capacity > MOST_MESSAGES {
            return Err(format!(
                "its capacity is {capacity}, and a queue holds 1 to {MOST_MESSAGES} messages"
            ));
        }
        let arena_bytes = match (C::ARENA, capacity_bytes) {
            (false, _) => 0,
            (true, 1..=MOST_BYTES) => capacity_bytes.next_multiple_of(UNIT),
            (true, bytes) => {
                return Err(format!(
                    "its capacity is {bytes} bytes, and a queue holds 1 to {MOST_BYTES} bytes"
                ));
            }
        };
        // A power of two, so that an index finds its cell when the count wraps.
        let cells = capacity.next_power_of_two();
        let bytes = |cells: u64| {
            let arena_at = usize::try_from(cells).ok()?.checked_mul(C::STRIDE)?;
            let arena_at =
                arena_at.checked_add(size_of::<Control>())?.checked_next_multiple_of(128)?;
            let body = arena_at.checked_add(usize::try_from(arena_bytes).ok()?)?;
            isize::try_from(body).ok().map(|_| (arena_at, body))
        };
        let (arena_at, body_bytes) = bytes(cells).ok_or_else(|| {
            format!("its {capacity} messages of {} bytes are more than memory can hold", C::SIZE)
        })?;
        // At most 2^30.
        Ok(Self { capacity: capacity as u32, arena_bytes, arena_at, leases: None, body_bytes })
    }

    /// Adds room for so many leases.
    ///
    /// # Errors
    ///
    /// As [`Shape::of`].
    pub(crate) fn with_leases<C: Contents>(self, leases: u64) -> Result<Self, String> {
        let leases = Layout::of::<C>(leases, self.body_bytes, self.arena_bytes)?;
        Ok(Self { leases: Some(leases), body_bytes: leases.body_bytes(), ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_that_cannot_be_is_refused_with_its_number() {
        let says = |capacity, bytes| Shape::of::<Bytes>(capacity, bytes).unwrap_err();
        assert!(says(0, 8).contains("capacity is 0,"));
        assert!(says(MOST_MESSAGES + 1, 8).contains("1073741825"));
        assert!(says(1, 0).contains("capacity is 0 bytes"));
        assert!(says(1, MOST_BYTES + 1).contains(&(MOST_BYTES + 1).to_string()));
        let huge = Shape::of::<Fixed<[[u8; 1 << 20]; 1 << 20]>>(MOST_MESSAGES, 0).unwrap_err();
        assert!(huge.contains("more than memory"), "{huge}");
        assert!(Shape::of::<Fixed<u64>>(MOST_MESSAGES, 0).is_ok());
    }

    #[test]
    fn cells_are_a_power_of_two_and_large_ones_have_their_lines() {
        assert_eq!(Shape::of::<Fixed<u64>>(5, 0).unwrap().body_bytes, 768 + 128);
        assert_eq!(Fixed::<[u8; 65]>::STRIDE, 128);
        assert_eq!(Shape::of::<Fixed<()>>(5, 0).unwrap().body_bytes, 768);
        assert_eq!(Shape::of::<Bytes>(1, 13).unwrap().body_bytes, 896 + 16);
    }
}
