//! What may lie in a queue as it is.

/// Types that may be messages of a [`bounded`](crate::bounded) queue: plain data of a fixed size.
///
/// Every type that is `NoUninit + AnyBitPattern` in the terms of [`bytemuck`] is one: integers, floats,
/// arrays of them, and structs that derive `bytemuck::Pod`. No padding, so that no stale memory of the
/// sender's leaks; any bytes a value, so that no peer can make an invalid one; no pointers, for they
/// would mean nothing in another process.
///
/// ```
/// use shm_queue::bytemuck::{Pod, Zeroable};
///
/// #[derive(Clone, Copy)]
/// #[repr(C)]
/// struct Sample {
///     time: f64,
///     sensor: u32,
///     value: f32,
/// }
///
/// // With bytemuck's feature `derive` these two lines are `#[derive(Pod, Zeroable)]`.
/// // SAFETY: any bytes are numbers, and there is no padding between them.
/// unsafe impl Zeroable for Sample {}
/// unsafe impl Pod for Sample {}
///
/// let (tx, rx) = shm_queue::bounded::<Sample>(4)?;
/// tx.send(Sample { time: 0.5, sensor: 7, value: -1.0 })?;
/// assert_eq!(rx.recv()?.sensor, 7);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Strings, vectors and enums go through a queue of values or of bytes instead.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot lie in shared memory as it is",
    note = "messages of `bounded` are plain data: numbers, arrays of them, structs that derive `bytemuck::Pod`",
    note = "for strings, vectors and enums use `bounded_values` (feature `serde`) or `bounded_bytes`"
)]
pub trait Item: bytemuck::NoUninit + bytemuck::AnyBitPattern + Send + 'static {}

impl<T: bytemuck::NoUninit + bytemuck::AnyBitPattern + Send + 'static> Item for T {}
