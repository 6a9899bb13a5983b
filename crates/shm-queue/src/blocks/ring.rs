//! What lies in the ring: descriptors of messages, each a block and a length.

#![allow(unsafe_code, reason = "views a cell of the ring as the one word that it is")]

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

use multiproc_core::header;

use crate::memory::Memory;
use crate::shape::Contents;
use crate::words::{RECEIVERS, SENDERS, distance};

/// Messages that lie in blocks. The slab of blocks takes the place of the arena.
pub(crate) struct InBlocks;

impl Contents for InBlocks {
    const KIND: &'static str = "block queue";
    const SIZE: usize = size_of::<AtomicU64>();
    const ARENA: bool = true;

    fn item() -> header::Item {
        header::Item::named("blocks")
    }
}

/// Where a message lies. In memory one word: `block << 48 | length in bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) block: u32,
    pub(super) len: u64,
}

impl Descriptor {
    fn of(word: u64) -> Self {
        // 16 bits.
        Self { block: (word >> 48) as u32, len: word & ((1 << 48) - 1) }
    }

    /// The caller's block is below 2^16, its length below 2^48.
    fn word(self) -> u64 {
        u64::from(self.block) << 48 | self.len
    }
}

impl Memory<InBlocks> {
    fn descriptor_word(&self, index: u32) -> &AtomicU64 {
        let cell = self.cell(index).cast::<AtomicU64>();
        // SAFETY: a cell of such a queue is one word; the cells begin at a multiple of 128 bytes
        // and are mapped as long as `self`; everybody treats them as atomics.
        unsafe { cell.as_ref() }
    }

    /// Returns what the message with this index says, as a peer wrote it.
    pub(super) fn descriptor(&self, index: u32) -> Descriptor {
        // Relaxed: who looks has seen the senders' index move (Acquire), which this came before.
        Descriptor::of(self.descriptor_word(index).load(Relaxed))
    }

    /// Writes a message's descriptor. The caller is in the senders' section and publishes `index`
    /// next.
    pub(super) fn describe(&self, index: u32, descriptor: Descriptor) {
        // Relaxed: published with the index.
        self.descriptor_word(index).store(descriptor.word(), Relaxed);
    }
}

/// Which blocks lie in the ring now.
pub(super) struct Queued<'a>(pub(super) &'a Memory<InBlocks>);

impl Queued<'_> {
    /// Returns the index of the message that was sent last.
    #[cfg(test)]
    pub(super) fn last(&self) -> u32 {
        self.0.control().ends[SENDERS].word.0.load(Relaxed).wrapping_sub(1)
    }

    /// Says whether the message with this index is in the ring and lies in this block.
    ///
    /// The caller has found that the thread which last touched the block's word is dead, so what
    /// that one published is visible.
    pub(super) fn is_at(&self, index: u32, block: u32) -> bool {
        let ends = &self.0.control().ends;
        // Acquire: pair with the Release of the publications. The tail first: a message that it
        // covers has its descriptor, whoever died while he wrote another one to the same cell.
        let tail = ends[SENDERS].word.0.load(Acquire);
        let found = self.0.descriptor(index).block;
        let head = ends[RECEIVERS].word.0.load(Acquire);
        let len = distance(tail, head).min(self.0.capacity());
        distance(index, head) < len && found == block
    }
}
