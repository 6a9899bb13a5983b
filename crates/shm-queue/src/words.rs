//! The words that the processes share, and what their values mean.
//!
//! A hostile peer can write anything anywhere at any time: a word that comes from here is reduced to
//! its range before it is used.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use core::sync::atomic::AtomicU32;

use multiproc_core::lock::section::SectionLock;
use multiproc_core::segment::Plain;

/// The bits of an index: messages are counted modulo 2^31.
pub(crate) const INDEX: u32 = u32::MAX >> 1;

/// The bit that says: the leader of the other end sleeps on this word.
pub(crate) const ASLEEP: u32 = 1;

/// The numbers of the ends, and of the sides to which they belong.
pub(crate) const SENDERS: usize = 0;
pub(crate) const RECEIVERS: usize = 1;

/// Returns the index in an end's word.
#[inline]
pub(crate) fn index(word: u32) -> u32 {
    word >> 1
}

/// Returns how far `ahead` is in front of `behind`, counting modulo 2^31.
#[inline]
pub(crate) fn distance(ahead: u32, behind: u32) -> u32 {
    ahead.wrapping_sub(behind) & INDEX
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
    /// Who sleeps for this end: one thread at a time, the *leader*. Not `lock`, so that a leader which
    /// is stopped in its sleep holds up nobody else.
    pub(crate) turnstile: SectionLock,
}

/// One end of the queue.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 4 | `word` | who holds `lock` (index); the other end's leader (W) |
/// | 128 | 8 | `lock` | threads at this end, and the kernel |
/// | 136 | 4 | `seen` | who holds `lock` |
/// | 144 | 8 | `turnstile` | threads at this end that wait, and the kernel |
///
/// The word is `index << 1 | W`. The senders' index counts messages put, the receivers' messages
/// taken.
///
/// | state | who may change it | to what |
/// |---|---|---|
/// | index, W clear | the holder of `lock` | index + n, W clear: n messages are committed |
/// | index, W clear | the holder of the *other* end's `turnstile` | W set; then it sleeps |
/// | index, W set | the holder of `lock`, by one system call | index + n, W clear, sleeper woken |
///
/// Nobody else clears W, so a publisher that has seen it set finds it set in the kernel, too. A
/// sleeper that dies or gives up leaves it set, which costs the next publisher a system call.
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

/// The words at the start of the body: ends and sides by number, senders first.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) ends: [EndWords; 2],
    pub(crate) sides: Apart<[Attendance; 2]>,
}

const _: () = assert!(size_of::<Inside>() == 24);
const _: () = assert!(size_of::<EndWords>() == 256);
const _: () = assert!(size_of::<Control>() == 640);

// SAFETY: atomics only; every value of each is a state of the protocol, or is reduced to one.
unsafe impl Plain for Control {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_count_on_across_their_end() {
        assert_eq!(distance(3, INDEX), 4);
        assert_eq!(distance(INDEX, INDEX), 0);
        let word = (INDEX << 1) | ASLEEP;
        assert_eq!(index(word), INDEX);
        // Publishing one message to a sleeper: plus 2n - 1.
        assert_eq!(word.wrapping_add(1), 0);
    }
}
