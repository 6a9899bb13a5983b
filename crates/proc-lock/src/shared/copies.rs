//! The state machine: two copies of a value, and a word that says which of them it is.
//!
//! | offset | bytes | field | written by |
//! |---|---|---|---|
//! | 0 | 8 | `version` | who has the lock: bit 0 names the copy |
//! | 128 | the value's, in whole words | copy 0 | who has the lock, while the version is odd |
//! | behind | the same | copy 1 | who has the lock, while the version is even |
//!
//! | `version` | who may change it | to what |
//! |---|---|---|
//! | n | who has the lock, having written copy (n + 1) mod 2 | n + 1: the one store that commits |
//!
//! A reader takes no lock: it reads the version, the copy, and the version again. If that is still the
//! same, nobody has begun to write to the copy, for the next writer writes to the other one.
//!
//! | killed | the value is | repaired by |
//! |---|---|---|
//! | having written to the other copy, in part or whole | the old one | nobody: the next writer writes all of it |
//! | having stored the version | the new one | nobody: the kernel frees the lock |

#![allow(unsafe_code, reason = "views shared memory as a row of atomic words")]

use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::fence;

use multiproc_core::segment::Segment;

use crate::data::Data;

/// Where the copies begin.
const FIRST: usize = 128;
const WORD: usize = size_of::<u64>();

/// Returns how many bytes of body a value of `bytes` bytes needs.
pub(super) const fn body_bytes(bytes: usize) -> Option<usize> {
    match bytes.div_ceil(WORD).checked_mul(2 * WORD) {
        Some(both) => both.checked_add(FIRST),
        None => None,
    }
}

/// The copies of one mapped value.
#[derive(Clone, Copy)]
pub(super) struct Copies<'a> {
    version: &'a AtomicU64,
    both: &'a [AtomicU64],
    bytes: usize,
}

impl<'a> Copies<'a> {
    pub(super) fn of(segment: &'a Segment, bytes: usize) -> Self {
        let words = bytes.div_ceil(WORD) * 2;
        let at: NonNull<AtomicU64> = segment.body(FIRST, words * WORD).cast();
        // SAFETY: `body` checked the bounds, and begins at a multiple of 128; mapped as long as the
        // segment. Everybody uses atomics there, once the segment is made.
        let both = unsafe { slice::from_raw_parts(at.as_ptr(), words) };
        Self { version: segment.get(0), both, bytes }
    }

    fn copy(self, version: u64) -> &'a [AtomicU64] {
        let (even, odd) = self.both.split_at(self.both.len() / 2);
        if version.is_multiple_of(2) { even } else { odd }
    }

    /// Copies the value out, unless a writer has come in between.
    #[inline]
    pub(super) fn try_load<T: Data>(self) -> Option<T> {
        // Acquire: pairs with the Release in `store`; the copy that it names is whole.
        let version = self.version.load(Acquire);
        let value = self.load_copy(version);
        // Pairs with the fence in `store`: who has read a word of a later value sees its version, too.
        fence(Acquire);
        (self.version.load(Relaxed) == version).then_some(value)
    }

    /// Copies the value out. The caller has the lock.
    pub(super) fn load<T: Data>(self) -> T {
        self.load_copy(self.version.load(Relaxed))
    }

    fn load_copy<T: Data>(self, version: u64) -> T {
        let mut value = T::zeroed();
        let bytes = bytemuck::bytes_of_mut(&mut value);
        debug_assert_eq!(bytes.len(), self.bytes);
        for (word, part) in self.copy(version).iter().zip(bytes.chunks_mut(WORD)) {
            part.copy_from_slice(&word.load(Relaxed).to_ne_bytes()[..part.len()]);
        }
        value
    }

    /// Makes this the value. The caller has the lock.
    pub(super) fn store<T: Data>(self, value: &T) {
        // Relaxed: under the lock, it is ours.
        let next = self.version.load(Relaxed).wrapping_add(1);
        // Pairs with the fence in `try_load`: the words below come after the version before them.
        fence(Release);
        let bytes = bytemuck::bytes_of(value);
        for (word, part) in self.copy(next).iter().zip(bytes.chunks(WORD)) {
            let mut whole = [0; WORD];
            whole[..part.len()].copy_from_slice(part);
            word.store(u64::from_ne_bytes(whole), Relaxed);
        }
        // Release: pairs with the Acquire in `try_load`.
        self.version.store(next, Release);
    }
}
