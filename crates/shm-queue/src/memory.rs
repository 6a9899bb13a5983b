//! The mapped queue, and the cells of messages of one size.
//!
//! Words are atomics; the messages' bytes are guarded by the lock of the end that touches them, and
//! copied out before they are looked at, for a hostile peer may write them at any time.

#![allow(unsafe_code, reason = "copies messages into and out of memory that other processes map")]

use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;
use std::sync::Arc;

use multiproc_core::prefetch;
use multiproc_core::segment::Segment;

use crate::Item;
use crate::lease::Ledger;
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
    /// What is in lease, in a queue that has leases.
    ledger: Option<Ledger>,
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

    /// Returns the leases, if the queue has any.
    #[inline]
    pub(crate) fn ledger(&self) -> Option<&Ledger> {
        self.ledger.as_ref()
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
            ledger: shape.leases.map(|leases| Ledger::new(Arc::clone(&segment), leases)),
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

/// Returns how many messages of so many bytes ahead of the one that is read to ask for one: to read as many
/// takes about as long as a line takes to come. Measured from 8 bytes to 4 KiB.
#[inline]
pub(crate) const fn ahead(bytes: usize) -> u32 {
    match bytes {
        ..128 => 16,
        128..1024 => 2048 / bytes as u32,
        _ => 2,
    }
}

impl<C: Contents> Memory<C> {
    /// Asks for a cell that will be read soon, of the `len` messages that are there from `index` on.
    #[inline]
    pub(crate) fn prefetch(&self, index: u32, len: u32) {
        let ahead = const { ahead(C::STRIDE) };
        if len > ahead {
            prefetch::read(self.cell(index.wrapping_add(ahead)).as_ptr(), C::SIZE);
        }
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

    /// Writes messages into the cells from `index` on; no more than the queue's capacity.
    ///
    /// The caller is as that of [`Self::write`].
    pub(crate) fn write_all(&self, index: u32, messages: &[T]) {
        let messages = &messages[..messages.len().min(self.capacity as usize)];
        let mut index = index;
        for part in self.parts(index, messages.len()) {
            let part = &messages[part];
            if Fixed::<T>::STRIDE == size_of::<T>() {
                let (from, to) = (part.as_ptr().cast::<u8>(), self.cell(index).as_ptr());
                // SAFETY: as in `write`, for cells that lie side by side, which `parts` says.
                unsafe { core::ptr::copy_nonoverlapping(from, to, size_of_val(part)) };
            } else {
                (index..).zip(part).for_each(|(index, message)| self.write(index, message));
            }
            index = index.wrapping_add(part.len() as u32);
        }
    }

    /// Appends the `n` messages from `index` on to `buffer`, or as many as it has room for, the caller
    /// holding the receivers' lock; returns how many. Nothing is allocated.
    pub(crate) fn read_all(&self, index: u32, n: u32, buffer: &mut Vec<T>) -> u32 {
        let n = n.min(self.capacity);
        let n = n.min(u32::try_from(buffer.capacity() - buffer.len()).unwrap_or(u32::MAX));
        let mut index = index;
        for part in self.parts(index, n as usize) {
            if Fixed::<T>::STRIDE == size_of::<T>() {
                let from = self.cell(index).as_ptr();
                let to = buffer.spare_capacity_mut().as_mut_ptr().cast::<u8>();
                // SAFETY: `parts` says that so many cells lie side by side; `n` is not more than
                // the buffer's room. As in `read` otherwise.
                unsafe { core::ptr::copy_nonoverlapping(from, to, part.len() * size_of::<T>()) };
                let len = buffer.len() + part.len();
                // SAFETY: they were written just now, and any bytes are a `T`.
                unsafe { buffer.set_len(len) };
            } else {
                buffer.extend((0..part.len() as u32).map(|at| self.read(index.wrapping_add(at))));
            }
            index = index.wrapping_add(part.len() as u32);
        }
        n
    }

    /// Cuts `n` messages that begin at `index` where the cells end and begin anew.
    fn parts(&self, index: u32, n: usize) -> [core::ops::Range<usize>; 2] {
        let before_the_end = (self.mask - (index & self.mask)) as usize + 1;
        let cut = n.min(before_the_end);
        [0..cut, cut..n]
    }
}
