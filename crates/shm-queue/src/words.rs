//! The words that the processes share, and what their values mean.
//!
//! A hostile peer can write anything anywhere at any time: a word that comes from here is reduced to
//! its range before it is used.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use core::sync::atomic::AtomicU32;

use multiproc_core::lock::section::SectionLock;
use multiproc_core::segment::Plain;

/// The numbers of the ends, and of the sides to which they belong.
pub(crate) const SENDERS: usize = 0;
pub(crate) const RECEIVERS: usize = 1;

/// Returns how far `ahead` is in front of `behind`: messages are counted modulo 2^32.
#[inline]
pub(crate) fn distance(ahead: u32, behind: u32) -> u32 {
    ahead.wrapping_sub(behind)
}

/// What a peer may be hammering has two cache lines of its own (the second is prefetched).
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Apart<T>(pub(crate) T);

/// What the threads at one end share among themselves.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Inside {
    /// Who puts, or who takes: one thread at a time.
    pub(crate) lock: SectionLock,
    /// The other end's index as it was seen last, under the lock. Always behind the truth, so the
    /// other end's line is read only when this says full or empty.
    pub(crate) seen: AtomicU32,
    /// Whether the leader of the *other* end sleeps on this end's `word`, or is about to.
    pub(crate) asleep: AtomicU32,
    /// Who sleeps for this end: one thread at a time, the *leader*. Not `lock`, so that a leader which
    /// is stopped in its sleep holds up nobody else.
    pub(crate) turnstile: SectionLock,
}

/// One end of the queue.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 4 | `word` | who holds `lock` |
/// | 128 | 8 | `lock` | threads at this end, and the kernel |
/// | 136 | 4 | `seen` | who holds `lock` |
/// | 140 | 4 | `asleep` | the other end's leader; who holds `lock` |
/// | 144 | 8 | `turnstile` | threads at this end that wait, and the kernel |
///
/// The word is an index: the senders' counts messages put, the receivers' messages taken, both modulo
/// 2^32.
///
/// | state | who may change it | to what |
/// |---|---|---|
/// | index, `asleep` 0 | the holder of `lock`, by one store | index + n: n messages are committed |
/// | index, `asleep` 0 | the holder of the *other* end's `turnstile` | `asleep` 1; it sleeps once it has outlasted whoever was inside, see `ring` |
/// | index, `asleep` 1 | the holder of `lock`, by one system call | index + n, sleeper woken |
/// | index, `asleep` 1 | the holder of `lock` after that call; the leader when it gives up its turn | `asleep` 0 |
///
/// A sleeper that dies leaves `asleep` set, which costs the next publisher a system call.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct EndWords {
    pub(crate) word: Apart<AtomicU32>,
    pub(crate) inside: Apart<Inside>,
}

/// Who has come to a side and gone from it. Who is *there* is the kernel's to say (an OFD lock).
///
/// | word | changes | means |
/// |---|---|---|
/// | `departures` | + 1 after each clean departure, in one step with a wake | ask the kernel again |
/// | `arrived` | 0 to 1, once | somebody was here, so nobody being here is an end |
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Attendance {
    pub(crate) departures: AtomicU32,
    pub(crate) arrived: AtomicU32,
}

/// What both sides ask about now and then, and hardly anybody writes.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Hall {
    pub(crate) sides: [Attendance; 2],
    /// 0 until the queue is closed, which is one step together with the wake of both leaders.
    pub(crate) closed: AtomicU32,
}

/// How many messages are done with.
///
/// `done` is `count << 1 | W`. As many messages are unfinished as the senders' index is ahead of the
/// count, modulo 2^31.
///
/// | state | who may change it | to what |
/// |---|---|---|
/// | count, W clear | who is done with a message | count + 1 |
/// | count, W clear | who waits for the last message to be done | W set; then it sleeps |
/// | count, W set | who is done with a message that is not the last | count + 1, W set |
/// | count, W set | who is done with the last, holding `lock`, by one system call | count + 1, W clear, all sleepers woken |
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Tasks {
    pub(crate) done: AtomicU32,
    /// Who clears W: one thread at a time.
    pub(crate) lock: SectionLock,
}

/// The words at the start of the body: ends and sides by number, senders first.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) ends: [EndWords; 2],
    pub(crate) hall: Apart<Hall>,
    pub(crate) tasks: Apart<Tasks>,
}

const _: () = assert!(size_of::<Inside>() == 24);
const _: () = assert!(size_of::<EndWords>() == 256);
const _: () = assert!(size_of::<Hall>() == 20);
const _: () = assert!(size_of::<Tasks>() == 16);
const _: () = assert!(size_of::<Control>() == 768);

// SAFETY: atomics only; every value of each is a state of the protocol, or is reduced to one.
unsafe impl Plain for Control {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_count_on_across_their_end() {
        assert_eq!(distance(3, u32::MAX), 4);
        assert_eq!(distance(u32::MAX, u32::MAX), 0);
    }
}
