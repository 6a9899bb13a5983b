//! A mapped lock: where its words lie in this process.
//!
//! A read is a few instructions, so nothing is looked up in it that can be known before.

#![allow(unsafe_code, reason = "keeps the addresses of words beside their mapping")]

use std::ptr::NonNull;
use std::sync::Arc;

use multiproc_core::lock::linked::LinkedLock;
use multiproc_core::place::{MAX_PLACES, Mine, Places};
use multiproc_core::segment::Segment;

use crate::handle::Handle;

use super::words::{Front, Slot};

/// Where in the body the data lies, behind the words.
pub(super) const DATA: usize = size_of::<Front>();

/// A mapped lock: its words, and its readers' places.
pub(super) struct Words {
    handle: Handle,
    places: Places,
    front: NonNull<Front>,
    data: NonNull<u8>,
    slots: [NonNull<Slot>; MAX_PLACES as usize],
}

// SAFETY: the pointers are to words that are atomics, and to data of which a guard alone makes
// references.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

/// Returns where the places of a lock around `data_bytes` bytes lie.
pub(super) fn places(data_bytes: usize) -> Places {
    Places::after(DATA + data_bytes, MAX_PLACES)
}

impl Words {
    /// Finds the words of a lock around `data_bytes` bytes.
    pub(super) fn new(handle: Handle, data_bytes: usize) -> Self {
        let (places, segment) = (places(data_bytes), handle.segment());
        let (front, data) = (NonNull::from(segment.get(0)), segment.body(DATA, data_bytes));
        let slots = std::array::from_fn(|index| {
            NonNull::from(places.data(segment, u32::try_from(index).unwrap_or(0), 0))
        });
        Self { handle, places, front, data, slots }
    }

    #[inline]
    pub(super) fn front(&self) -> &Front {
        // SAFETY: taken from a reference in `new`; the handle keeps the mapping.
        unsafe { self.front.as_ref() }
    }

    /// Returns the words of a place; of the first for one that does not exist.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> &Slot {
        let slot = self.slots.get(index as usize).unwrap_or(&self.slots[0]);
        // SAFETY: as in `front`.
        unsafe { slot.as_ref() }
    }

    /// Returns where the data lies: the bytes that `new` was told of, aligned to 128.
    #[inline]
    pub(super) fn data(&self) -> NonNull<u8> {
        self.data
    }

    /// Returns the calling thread's place if it remembers one.
    #[inline]
    pub(super) fn remembered(&self) -> Option<Mine> {
        Places::remembered(self.segment())
    }

    /// Returns the calling thread's place, unless there is none left.
    #[cold]
    pub(super) fn mine(&self) -> Option<Mine> {
        self.places.mine(self.segment()).ok()
    }

    #[inline]
    pub(super) fn lock(&self) -> LinkedLock<'_> {
        LinkedLock::of(self.segment())
    }

    pub(super) fn places(&self) -> Places {
        self.places
    }

    #[inline]
    pub(super) fn segment(&self) -> &Arc<Segment> {
        self.handle.segment()
    }

    #[cfg(feature = "serde")]
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }
}
