//! Messages of any length: where in the arena they lie, and copying them.
//!
//! The arena needs no words of its own. Its used part is what the descriptors of the messages between
//! the two indices say, so an index that moves allocates or frees, too, and there is still one word
//! per end that commits. Messages follow each other, each in one piece; one that does not fit before
//! the arena's end goes to its start. In an empty queue the next message goes to the start as well,
//! which is why every message that is not longer than the arena fits at some time.
//!
//! ```text
//! not wrapped:  |  free  | first ... last |    free    |
//! wrapped:      | ... last |    free    | first ...    |
//! ```

#![allow(unsafe_code, reason = "copies messages into and out of memory that other processes map")]

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use multiproc_core::prefetch;

use crate::memory::{Memory, ahead};
#[cfg(feature = "serde")]
use crate::shape::Values;
use crate::shape::{Bytes, Contents, UNIT};
use crate::words::distance;

/// Where a message of any length lies.
///
/// In memory one word: `offset in units << 32 | length in bytes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// In units of 8 bytes.
    offset: u32,
    /// In bytes.
    len: u32,
}

impl Extent {
    pub(crate) fn from_word(word: u64) -> Self {
        // The halves.
        Self { offset: (word >> 32) as u32, len: word as u32 }
    }

    pub(crate) fn word(self) -> u64 {
        u64::from(self.offset) << 32 | u64::from(self.len)
    }

    /// Returns the units that the message takes: at least one, so that no two begin at one place.
    pub(crate) fn units(self) -> u64 {
        u64::from(self.len).div_ceil(UNIT).max(1)
    }

    /// Describes a message of the same length at another unit.
    pub(crate) fn moved_to(self, unit: u32) -> Self {
        Self { offset: unit, ..self }
    }

    /// Returns the message's first unit.
    pub(crate) fn start(self) -> u64 {
        self.offset.into()
    }

    /// Returns the length of the message in bytes.
    pub(crate) fn len(self) -> usize {
        // A `u32`.
        self.len as usize
    }

    /// Returns the unit behind the message.
    pub(crate) fn end(self) -> u64 {
        u64::from(self.offset) + self.units()
    }

    pub(crate) fn bytes(self) -> (u64, u64) {
        (u64::from(self.offset) * UNIT, u64::from(self.len))
    }
}

/// Finds room for `units` in an arena of `all`, given the first and the last message there.
///
/// The two come from memory and may be anything; what is returned lies inside the arena.
fn room(units: u64, all: u64, first: Extent, last: Extent) -> Option<u64> {
    let (start, end) = (u64::from(first.offset), last.end());
    let fits = |from: u64, to: u64| (from + units <= to.min(all)).then_some(from);
    if last.offset < first.offset {
        return fits(end, start);
    }
    fits(end, all).or_else(|| fits(0, start))
}

/// Queues whose messages lie in the arena.
pub(crate) trait Variable: Contents {}
impl Variable for Bytes {}
#[cfg(feature = "serde")]
impl<T: 'static> Variable for Values<T> {}

impl<C: Variable> Memory<C> {
    /// Returns the length of the longest message that can ever fit.
    pub(crate) fn most(&self) -> u32 {
        u32::try_from(self.arena_bytes).unwrap_or(u32::MAX)
    }

    /// Finds a place for one more message of `len` bytes, at most [`Self::most`].
    ///
    /// `head` may lie in the past: then messages are counted that are gone, and the answer is `None`
    /// too often. It must not lie so far back that its cell was used again, which the count excludes.
    pub(crate) fn place(&self, tail: u32, head: u32, len: u32) -> Option<Extent> {
        let message = Extent { offset: 0, len };
        let offset = match distance(tail, head) {
            0 => 0,
            count if count < self.capacity() => {
                let (first, last) = (self.extent(head), self.extent(tail.wrapping_sub(1)));
                room(message.units(), self.arena_bytes / UNIT, first, last)?
            }
            _ => return None,
        };
        Some(Extent { offset: u32::try_from(offset).ok()?, len })
    }

    fn descriptor(&self, index: u32) -> &AtomicU64 {
        let cell = self.cell(index).cast::<AtomicU64>();
        // SAFETY: a cell of such a queue is one word; the cells begin at a multiple of 128 bytes and
        // are mapped as long as `self`; everybody treats them as atomics.
        unsafe { cell.as_ref() }
    }

    /// Returns where the message with this index lies, as a peer wrote it: perhaps nowhere.
    pub(crate) fn extent(&self, index: u32) -> Extent {
        // Relaxed: a receiver has seen the index move (Acquire in `ring`), which the store came
        // before; senders look at their own end's descriptors, under its lock.
        Extent::from_word(self.descriptor(index).load(Ordering::Relaxed))
    }

    /// Writes a message into its extent, which came from [`Self::place`], and its descriptor.
    ///
    /// The caller holds the senders' lock and has not committed `index` yet.
    pub(crate) fn copy_in(&self, index: u32, extent: Extent, message: &[u8]) {
        let Some(to) = self.part(extent).filter(|_| message.len() as u64 == extent.bytes().1)
        else {
            return;
        };
        // SAFETY: `part` checked the bounds of the target, the filter its length; `message` is
        // private memory.
        unsafe { core::ptr::copy_nonoverlapping(message.as_ptr(), to.as_ptr(), message.len()) };
        // Relaxed: published with the index.
        self.descriptor(index).store(extent.word(), Ordering::Relaxed);
    }

    /// Appends a message to `buffer` if it has room for it; returns the room that it needs if not.
    ///
    /// A descriptor that leads out of the arena is cut to what lies inside. The caller holds the
    /// receivers' lock. Nothing is allocated here: the allocator may be the user's, whose code has
    /// no place in a section.
    pub(crate) fn copy_out(&self, extent: Extent, buffer: &mut Vec<u8>) -> Result<(), usize> {
        let extent = self.cut(extent);
        // A `u32`.
        let len = extent.len as usize;
        if buffer.capacity() - buffer.len() < len {
            return Err(len);
        }
        let Some(from) = self.part(extent) else { return Ok(()) };
        let to = buffer.spare_capacity_mut().as_mut_ptr().cast::<u8>();
        // SAFETY: `part` checked the bounds of the source, the comparison those of the target.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, len) };
        let len = buffer.len() + len;
        // SAFETY: the bytes up to here were written just now, and the capacity was checked.
        unsafe { buffer.set_len(len) };
        Ok(())
    }

    /// Asks for what will be read soon, of the `len` messages that are there from `index` on, of which the
    /// first is of this extent.
    pub(crate) fn prefetch_both(&self, index: u32, len: u32, extent: Extent) {
        self.prefetch(index, len);
        let ahead = ahead(extent.len());
        if len > ahead {
            let next = self.cut(self.extent(index.wrapping_add(ahead)));
            if let Some(at) = self.part(next) {
                prefetch::read(at.as_ptr(), next.len());
            }
        }
    }

    /// Returns the length of the message with this index, or what it says there.
    pub(crate) fn len_hint(&self, index: u32) -> usize {
        // A `u32`.
        self.cut(self.extent(index)).len as usize
    }

    /// Returns what of an extent lies inside the arena.
    pub(crate) fn cut(&self, extent: Extent) -> Extent {
        let (from, len) = extent.bytes();
        let len = len.min(self.arena_bytes.saturating_sub(from));
        // Not more than it was.
        Extent { len: len as u32, ..extent }
    }

    /// Returns the address of an extent, if it lies in the arena.
    pub(crate) fn part(&self, extent: Extent) -> Option<NonNull<u8>> {
        let (from, len) = extent.bytes();
        // SAFETY: inside the arena, as the comparison says.
        (from + len <= self.arena_bytes).then(|| unsafe { self.arena.add(from as usize) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    fn at(offset: u32, len: u32) -> Extent {
        Extent { offset, len }
    }

    #[test]
    fn an_extent_takes_whole_units_and_never_none() {
        assert_eq!([0, 1, 8, 9].map(|len| at(0, len).units()), [1, 1, 1, 2]);
        assert_eq!(at(u32::MAX, u32::MAX).end(), (1 << 32) - 1 + (1 << 29));
        let word = at(0x89ab_cdef, 0x0123_4567).word();
        assert_eq!(Extent::from_word(word), at(0x89ab_cdef, 0x0123_4567));
    }

    #[test]
    fn room_is_behind_the_last_or_before_the_first() {
        assert_eq!(room(3, 10, at(2, 8), at(4, 17)), Some(7), "up to the end exactly");
        assert_eq!(room(4, 10, at(4, 8), at(4, 24)), Some(0), "wraps, up to the first exactly");
        assert_eq!(room(5, 10, at(4, 8), at(4, 24)), None);
        assert_eq!(room(2, 10, at(6, 8), at(3, 8)), Some(4), "wrapped already");
        assert_eq!(room(3, 10, at(6, 8), at(3, 8)), None, "and never beyond the first");
        assert_eq!(room(1, 10, at(0, 80), at(0, 80)), None, "full with one");
        assert_eq!(room(1, 10, at(4, 8), at(0, 32)), None, "full, and wrapped");
    }

    #[test]
    fn no_garbage_leads_out_of_the_arena() {
        let garbage = [0, 1, 9, 10, 11, u32::MAX - 1, u32::MAX];
        for (a, b, c, d) in garbage.into_iter().flat_map(|a| {
            garbage.into_iter().flat_map(move |b| {
                garbage.into_iter().flat_map(move |c| garbage.map(move |d| (a, b, c, d)))
            })
        }) {
            for units in [1, 9, 10] {
                let found = room(units, 10, at(a, b), at(c, d));
                assert!(found.is_none_or(|from| from + units <= 10), "{found:?}");
            }
        }
    }

    /// Against a model: live messages never overlap, and whatever fits the arena fits at last.
    #[test]
    fn messages_never_overlap_whatever_their_lengths() {
        const ALL: u64 = 13;
        let mut live: VecDeque<Extent> = VecDeque::new();
        let mut random = 1u32;
        let mut wraps = 0;
        for _ in 0..200_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let len = (random >> 16) % (ALL as u32 * 8 + 1);
            let message = at(0, if random >> 30 == 0 { len } else { len % 25 });
            let place = match (live.front(), live.back()) {
                (Some(first), Some(last)) => room(message.units(), ALL, *first, *last),
                _ => Some(0),
            };
            let Some(from) = place else {
                live.pop_front();
                continue;
            };
            let extent = at(u32::try_from(from).unwrap(), message.len);
            assert!(extent.end() <= ALL, "{extent:?}");
            for other in &live {
                let apart = extent.end() <= u64::from(other.offset)
                    || other.end() <= u64::from(extent.offset);
                assert!(apart, "{extent:?} overlaps {other:?}");
            }
            wraps += u32::from(live.back().is_some_and(|last| extent.offset < last.offset));
            live.push_back(extent);
            if random & 0x300 == 0 {
                live.pop_front();
            }
        }
        assert!(wraps > 1_000, "{wraps}");
    }
}
