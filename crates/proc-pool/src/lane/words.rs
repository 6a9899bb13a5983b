//! The words that the pool and one worker share, and what their values mean.
//!
//! Each side may be written over by the other at any time: what comes from here is read once, and
//! reduced to its range before it is used.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use core::sync::atomic::{AtomicU32, AtomicU64};

use multiproc_core::segment::Plain;

use super::mapped::Kind;

/// How many tasks a worker may have that are not answered.
pub(crate) const SLOTS: usize = 512;
/// Arguments up to this length lie in the slot itself.
pub(super) const TASK_INLINE: usize = 64;
/// Results up to this length lie in the slot itself.
pub(super) const ANSWER_INLINE: usize = 104;

/// A task's state: `ticket << 2 | tag`. Tickets count on for as long as the lane is there, so a slot that
/// is used again never looks as it did before.
///
/// | tag | who may change it | to what |
/// |---|---|---|
/// | 0 | the pool, once the slot's last task is answered or taken back | READY of a later ticket |
/// | READY | the worker, before it looks at anything else of the task | BEGUN |
/// | READY | the pool, which wants it back | TAKEN |
/// | BEGUN | the pool, once it has the answer | READY of a later ticket |
/// | TAKEN | the pool | READY of a later ticket |
///
/// Both changes of READY are one compare-and-swap, so one of the two wins. A worker that died in a task
/// has left it BEGUN; one that is READY was touched by nobody.
pub(super) mod tag {
    pub(in crate::lane) const READY: u64 = 1;
    pub(in crate::lane) const BEGUN: u64 = 2;
    pub(in crate::lane) const TAKEN: u64 = 3;

    /// Returns the state of the task with this ticket.
    pub(in crate::lane) fn state(ticket: u64, tag: u64) -> u64 {
        ticket << 2 | tag
    }
}

/// Where a payload lies, how long it is, and what else comes: one word.
///
/// | bits | what |
/// |---|---|
/// | 0..48 | length in bytes |
/// | 48..56 | packets that come over the socket |
/// | 56..64 | kind of an answer |
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) len: usize,
    pub(super) packets: u8,
    pub(super) kind: u8,
}

impl Shape {
    pub(super) fn word(self) -> u64 {
        self.len as u64 & ((1 << 48) - 1)
            | u64::from(self.packets) << 48
            | u64::from(self.kind) << 56
    }

    pub(super) fn from_word(word: u64) -> Self {
        let len = usize::try_from(word & ((1 << 48) - 1)).unwrap_or(usize::MAX);
        // The bytes above.
        Self { len, packets: (word >> 48) as u8, kind: (word >> 56) as u8 }
    }
}

/// A task as it lies in the lane. All but `state` and `began` is written by the pool, before READY.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct TaskSlot {
    pub(super) state: AtomicU64,
    /// When the worker began it, on the monotonic clock, in nanoseconds. Written by the worker before
    /// BEGUN, and meaningless otherwise.
    pub(super) began: AtomicU64,
    pub(super) call: [AtomicU64; 4],
    pub(super) offset: AtomicU64,
    pub(super) shape: AtomicU64,
    pub(super) inline: [AtomicU64; TASK_INLINE / 8],
}

/// An answer as it lies in the lane. Written by the worker, before `answered` moves past it.
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct AnswerSlot {
    pub(super) ticket: AtomicU64,
    pub(super) offset: AtomicU64,
    pub(super) shape: AtomicU64,
    pub(super) inline: [AtomicU64; ANSWER_INLINE / 8],
}

/// What each side may be hammering has two cache lines of its own (the second is prefetched).
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Apart<T>(pub(super) T);

/// The words that the pool writes.
#[repr(C)]
#[derive(Debug)]
pub(super) struct PoolWords {
    /// `count << 1 | CLOSED`: how many tasks were put, modulo 2^31, and whether more will come. The
    /// worker sleeps on it.
    pub(super) put: AtomicU32,
    /// How many answers were taken, modulo 2^32: their payloads' room is the worker's again.
    pub(super) taken: AtomicU32,
}

/// More tasks will not come.
pub(super) const CLOSED: u32 = 1;
/// The largest count that `put` holds.
pub(super) const COUNTS: u32 = u32::MAX >> 1;

/// The words that the worker writes.
#[repr(C)]
#[derive(Debug)]
pub(super) struct WorkerWords {
    /// How many answers were put, modulo 2^32. Moving it is what commits an answer.
    pub(super) answered: AtomicU32,
    /// 1 while it sleeps on `put`, or is about to.
    pub(super) asleep: AtomicU32,
    /// 1 once its initializer has run.
    pub(super) ready: AtomicU32,
}

/// The whole body of a lane's segment.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `pool` | the pool |
/// | 128 | 12 | `worker` | the worker |
/// | 256 | 64 Ki | `tasks` | the pool; `state` and `began` both |
/// | 65,792 | 64 Ki | `answers` | the worker |
#[repr(C)]
#[derive(Debug)]
pub(super) struct Words {
    pub(super) pool: Apart<PoolWords>,
    pub(super) worker: Apart<WorkerWords>,
    pub(super) tasks: [TaskSlot; SLOTS],
    pub(super) answers: [AnswerSlot; SLOTS],
}

const _: () = assert!(size_of::<TaskSlot>() == 128);
const _: () = assert!(size_of::<AnswerSlot>() == 128);
const _: () = assert!(size_of::<Words>() == 256 + 2 * 128 * SLOTS);
const _: () = assert!(SLOTS.is_power_of_two());

// SAFETY: atomics only; every value of each is a state of the protocol, or is reduced to one.
unsafe impl Plain for Words {}

impl Kind for Words {
    const NAME: &'static str = "pool lane";
}

/// The bell's words.
///
/// | word | who may change it | to what |
/// |---|---|---|
/// | `rings` | anybody who has something to tell | + 1, in one step with the wake |
/// | `asleep` | the one thread of the pool that is about to sleep | the number of its sleep, never 0 |
/// | `asleep` | whoever has rung, by compare-and-swap of the number that it saw | 0: no need to ring again |
/// | `asleep` | the sleeper, awake | 0 |
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct BellWords {
    pub(super) rings: AtomicU32,
    pub(super) asleep: AtomicU32,
}

const _: () = assert!(size_of::<BellWords>() == 128);

// SAFETY: atomics only; every value of each is a state of the protocol.
unsafe impl Plain for BellWords {}

impl Kind for BellWords {
    const NAME: &'static str = "pool bell";
}

/// Returns the slot of a ticket, or of a count of answers.
pub(super) fn slot(number: u64) -> usize {
    // Reduced to the range.
    (number % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read_as_it_was_written() {
        for shape in [
            Shape { len: 0, packets: 0, kind: 0 },
            Shape { len: (1 << 48) - 1, packets: 252, kind: 255 },
            Shape { len: 77, packets: 1, kind: 2 },
        ] {
            assert_eq!(Shape::from_word(shape.word()), shape);
        }
    }
}
