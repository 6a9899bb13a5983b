//! The mapped queue, and the cells of messages of one size.
//!
//! Words are atomics; the messages' bytes are guarded by the lock of the end that touches them, and
//! copied out before they are looked at, for a hostile peer may write them at any time.

#![allow(unsafe_code, reason = "copies messages into and out of memory that other processes map")]

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::sync::Arc;

use multiproc_core::segment::Segment;

use crate::Item;
use crate::shape::{Contents, Fixed, Shape};
use crate::words::Control;

/// A mapped queue of `C`.
pub(crate) struct Memory<C> {
    control: NonNull<Control>,
    cells: NonNull<u8>,
    mask: u32,
    capacity: u32,
    pub(crate) arena: NonNull<u8>,
    pub(crate) arena_bytes: u64,
    /// Keeps the three pointers above mapped.
    _segment: Arc<Segment>,
    contents: PhantomData<fn() -> C>,
}

// SAFETY: the pointers lead into a mapping that belongs to the process, not to a thread; what they
// lead to are atomics, and bytes under the rules at the methods below.
unsafe impl<C> Send for Memory<C> {}
// SAFETY: as above.
unsafe impl<C> Sync for Memory<C> {}

impl<C> Memory<C> {
    #[inline]
    pub(crate) fn control(&self) -> &Control {
        // SAFETY: `new` got it from a reference into the segment, which lives as long as `self`.
        unsafe { self.control.as_ref() }
    }

    /// Returns how many messages the queue may hold.
    #[inline]
    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }
}

impl<C: Contents> Memory<C> {
    /// Views a segment whose body has at least `shape.body_bytes`.
    pub(crate) fn new(segment: Arc<Segment>, shape: Shape) -> Self {
        let control = NonNull::from(segment.get::<Control>(0));
        let mask = shape.capacity.next_power_of_two() - 1;
        let cells = segment.body(size_of::<Control>(), (mask as usize + 1) * C::STRIDE);
        // The type bounds it: it was made from a `usize` in `Shape::of`.
        let arena = segment.body(shape.arena_at, shape.arena_bytes as usize);
        Self {
            control,
            cells,
            mask,
            capacity: shape.capacity,
            arena,
            arena_bytes: shape.arena_bytes,
            _segment: segment,
            contents: PhantomData,
        }
    }

    /// Returns the address of the cell for the message with this index.
    #[inline]
    pub(crate) fn cell(&self, index: u32) -> NonNull<u8> {
        let offset = (index & self.mask) as usize * C::STRIDE;
        // SAFETY: the mask leaves a number below the number of cells, which `new` checked to fit.
        unsafe { self.cells.add(offset) }
    }
}

impl<T: Item> Memory<Fixed<T>> {
    /// Writes a message into its cell.
    ///
    /// The caller holds the senders' lock and has not committed `index` yet, so that no honest peer
    /// looks.
    #[inline]
    pub(crate) fn write(&self, index: u32, message: &T) {
        let (from, to) = (core::ptr::from_ref(message).cast::<u8>(), self.cell(index).as_ptr());
        // SAFETY: a cell has room for a `T`, private memory does not overlap it, and `T: NoUninit`,
        // so all its bytes may be copied as bytes. A hostile peer that reads or writes the cell
        // meanwhile sees or spoils bytes; no Rust reference to them exists in any process.
        unsafe { core::ptr::copy_nonoverlapping(from, to, size_of::<T>()) };
    }

    /// Copies a message out of its cell, the caller holding the receivers' lock.
    #[inline]
    pub(crate) fn read(&self, index: u32) -> T {
        let mut message = MaybeUninit::<T>::uninit();
        let (from, to) = (self.cell(index).as_ptr(), message.as_mut_ptr().cast::<u8>());
        // SAFETY: a cell has room for a `T`; it lies in mapped memory, zeroed before anyone wrote.
        unsafe { core::ptr::copy_nonoverlapping(from, to, size_of::<T>()) };
        // SAFETY: all bytes were written just now, and `T: AnyBitPattern` makes any bytes a value.
        unsafe { message.assume_init() }
    }
}
