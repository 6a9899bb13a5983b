//! Which blocks there are, and where they lie.
//!
//! ```text
//! | table, 128 bytes | for each size 256 bytes of words | for each block 64 | blocks of the first size | ...
//! ```
//!
//! The table is written before anybody else can have the segment. It is read once, when an end is
//! made, and what it says is checked like any input.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use core::fmt;
use core::ops::Range;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

use multiproc_core::segment::{Plain, Segment};

use super::words::{BlockWords, SizeWords};

/// The most sizes.
pub(super) const MOST_SIZES: usize = 8;
/// The most blocks of all sizes: a descriptor has 16 bits for their number.
pub(super) const MOST_BLOCKS: u64 = (1 << 16) - 1;
/// Blocks begin at multiples of this many bytes: two cache lines.
pub(super) const ALIGN: usize = 128;

/// Which blocks a queue has: how many of which size.
///
/// ```
/// use shm_queue::{Blocks, bounded_blocks};
///
/// // 64 blocks of 4 KiB, and 4 of 1 MiB for what is larger.
/// let blocks = Blocks::new(64, 4 << 10).and(4, 1 << 20);
/// let (tx, _rx) = bounded_blocks(64, blocks)?;
/// assert_eq!(tx.reserve(5_000)?.len(), 5_000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A message takes a block of the smallest size that has room for it, and waits for one of *that*
/// size when there is none: many small messages never use up what large ones need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocks {
    sizes: Vec<(u64, u64)>,
}

impl Blocks {
    /// Asks for `count` blocks with room for messages of up to `bytes` bytes.
    #[must_use]
    pub fn new(count: usize, bytes: usize) -> Self {
        Self { sizes: Vec::new() }.and(count, bytes)
    }

    /// Asks for `count` more blocks, of another size: at most eight sizes, in any order.
    #[must_use]
    pub fn and(mut self, count: usize, bytes: usize) -> Self {
        // A `usize` has 64 bits on every platform of ours.
        self.sizes.push((count as u64, bytes as u64));
        self
    }

    pub(super) fn layout(&self) -> Result<Layout, String> {
        Layout::of(self.sizes.clone())
    }
}

impl fmt::Display for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (count, bytes)) in self.sizes.iter().enumerate() {
            match i {
                0 => write!(f, "{count} blocks of {bytes}")?,
                _ => write!(f, " and {count} of {bytes}")?,
            }
        }
        f.write_str(" bytes")
    }
}

/// The blocks of one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Size {
    /// The longest message in bytes.
    pub(super) bytes: u64,
    /// The numbers of its blocks.
    pub(super) blocks: Range<u32>,
    /// Where they begin, in the slab.
    at: usize,
    /// Bytes from one to the next.
    stride: usize,
}

/// All sizes, the smallest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) sizes: Vec<Size>,
    words_at: usize,
    /// Bytes of the slab.
    pub(super) bytes: u64,
}

impl Layout {
    /// Lays out so many blocks of so many bytes each.
    fn of(mut sizes: Vec<(u64, u64)>) -> Result<Self, String> {
        sizes.sort_unstable_by_key(|(_, bytes)| *bytes);
        if sizes.is_empty() || sizes.len() > MOST_SIZES {
            return Err(format!("{} sizes of blocks, and it has 1 to {MOST_SIZES}", sizes.len()));
        }
        if let Some((count, bytes)) = sizes.iter().find(|(count, bytes)| *count == 0 || *bytes == 0)
        {
            return Err(format!("{count} blocks of {bytes} bytes, and neither may be 0"));
        }
        let blocks = sizes.iter().try_fold(0, |sum: u64, (count, _)| sum.checked_add(*count));
        let Some(blocks) = blocks.filter(|blocks| *blocks <= MOST_BLOCKS) else {
            return Err(format!("more than {MOST_BLOCKS} blocks"));
        };
        // At most 2^16.
        let words_at = size_of::<Table>() + sizes.len() * size_of::<SizeWords>();
        let mut end = words_at + blocks as usize * size_of::<BlockWords>();
        let mut first = 0;
        let mut laid_out = Vec::with_capacity(sizes.len());
        for (count, bytes) in sizes {
            let at = end.next_multiple_of(ALIGN);
            let size = usize::try_from(bytes).ok().and_then(|bytes| {
                let stride = bytes.checked_next_multiple_of(ALIGN)?;
                end = at.checked_add(stride.checked_mul(count as usize)?)?;
                (end < isize::MAX as usize).then_some(stride)
            });
            let Some(stride) = size else {
                return Err("more bytes of blocks than memory can hold".to_owned());
            };
            let blocks = first..first + count as u32;
            first = blocks.end;
            laid_out.push(Size { bytes, blocks, at, stride });
        }
        Ok(Self { sizes: laid_out, words_at, bytes: end as u64 })
    }

    /// Writes the table, before anybody else has the segment.
    pub(super) fn write(&self, segment: &Segment, slab: usize) {
        let table = segment.get::<Table>(slab);
        for (entry, size) in table.sizes.iter().zip(&self.sizes) {
            // Relaxed: nobody else has the segment yet.
            entry.count.store(size.blocks.len() as u64, Relaxed);
            entry.bytes.store(size.bytes, Relaxed);
        }
    }

    /// Reads the table of a slab of `bytes` bytes.
    pub(super) fn read(segment: &Segment, slab: usize, bytes: u64) -> Result<Self, String> {
        if bytes < size_of::<Table>() as u64 {
            return Err(format!("a slab of {bytes} bytes, too short for its table"));
        }
        let table = segment.get::<Table>(slab);
        // Relaxed: written before the segment could be had.
        let sizes = table.sizes.iter().map(|e| (e.count.load(Relaxed), e.bytes.load(Relaxed)));
        let layout = Self::of(sizes.take_while(|size| *size != (0, 0)).collect())?;
        match layout.bytes {
            needs if needs <= bytes => Ok(layout),
            needs => Err(format!("blocks of {needs} bytes in a slab of {bytes}")),
        }
    }

    /// Returns the number of the smallest size that has room for `len` bytes.
    pub(super) fn size_for(&self, len: usize) -> Option<usize> {
        self.sizes.iter().position(|size| size.bytes >= len as u64)
    }

    /// Returns the size of a block that there is.
    pub(super) fn size_of(&self, block: u32) -> Option<usize> {
        self.sizes.iter().position(|size| size.blocks.contains(&block))
    }

    /// Returns the length of the longest message.
    pub(super) fn most(&self) -> usize {
        // It was made from a `usize`.
        self.sizes.last().map_or(0, |size| size.bytes as usize)
    }

    /// Returns where the words of a size lie, in the slab.
    pub(super) fn size_words_at(&self, size: usize) -> usize {
        size_of::<Table>() + size * size_of::<SizeWords>()
    }

    /// Returns where the words of a block lie, in the slab.
    pub(super) fn block_words_at(&self, block: u32) -> usize {
        self.words_at + block as usize * size_of::<BlockWords>()
    }
}

impl Size {
    /// Returns where a block of this size lies, in the slab.
    pub(super) fn data_at(&self, block: u32) -> usize {
        self.at + (block - self.blocks.start) as usize * self.stride
    }
}

/// The table at the start of the slab; unused entries are zero.
#[repr(C)]
#[derive(Debug)]
struct Table {
    sizes: [Entry; MOST_SIZES],
}

#[repr(C)]
#[derive(Debug)]
struct Entry {
    count: AtomicU64,
    bytes: AtomicU64,
}

const _: () = assert!(size_of::<Table>() == 128);

// SAFETY: atomics only; what they say is checked.
unsafe impl Plain for Table {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_lie_apart_and_inside() {
        let layout = Blocks::new(3, 1_000).and(5, 10).and(2, 128).layout().unwrap();
        assert_eq!(
            layout.sizes.iter().map(|size| size.bytes).collect::<Vec<_>>(),
            [10, 128, 1_000]
        );

        let mut end = layout.block_words_at(10);
        for block in 0..10 {
            let size = &layout.sizes[layout.size_of(block).unwrap()];
            let at = size.data_at(block);
            assert!(at >= end && at.is_multiple_of(ALIGN), "{block}");
            end = at + size.bytes as usize;
        }
        assert!(end as u64 <= layout.bytes);
        assert_eq!(layout.size_of(10), None);
    }

    #[test]
    fn a_message_goes_to_the_smallest_size_with_room() {
        let layout = Blocks::new(1, 100).and(1, 10).layout().unwrap();
        let sizes = [0, 10, 11, 100, 101].map(|len| layout.size_for(len));
        assert_eq!(sizes, [Some(0), Some(0), Some(1), Some(1), None]);
        assert_eq!(layout.most(), 100);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_number() {
        let says = |blocks: Blocks| blocks.layout().unwrap_err();
        assert!(says(Blocks::new(0, 9)).contains("0 blocks of 9 bytes"));
        assert!(says(Blocks::new(9, 0)).contains("9 blocks of 0 bytes"));
        assert!(says(Blocks::new(65_536, 1)).contains("65535"));
        assert!(says(Blocks::new(usize::MAX, 1).and(1, 1)).contains("65535"));
        assert!(says(Blocks::new(2, usize::MAX / 2)).contains("memory"));
        let many = (1..9).fold(Blocks::new(1, 1), |blocks, bytes| blocks.and(1, bytes));
        assert!(says(many).starts_with("9 sizes"));
    }
}
