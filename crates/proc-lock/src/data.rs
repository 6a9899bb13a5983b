//! What may lie in shared memory beside a lock, and how it gets there first.

#![allow(unsafe_code, reason = "copies into a segment that nobody else has yet")]

use bytemuck::{AnyBitPattern, NoUninit};
use multiproc_core::segment::Segment;

/// What a [`Mutex`](crate::Mutex) may protect: plain bytes, without pointers, of which every pattern is
/// valid.
///
/// Integers, floats, arrays of them, `()`, and structs that derive [`bytemuck::NoUninit`] and
/// [`bytemuck::AnyBitPattern`] (or `Pod`).
pub trait Data: NoUninit + AnyBitPattern + Send + 'static {}

impl<T: NoUninit + AnyBitPattern + Send + 'static> Data for T {}

/// Puts the first values into a segment that nobody else has yet, `offset` bytes from its body's start.
pub(crate) fn store<T: Data>(segment: &Segment, offset: usize, values: &[T]) {
    let bytes: &[u8] = bytemuck::cast_slice(values);
    let to = segment.body(offset, bytes.len());
    // SAFETY: `body` checked the bounds; the memory is new, and a mapping does not overlap a value.
    unsafe { to.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
}
