//! Sleeping on a shared word, and waking who sleeps there.
//!
//! All of these are *shared* futexes: the kernel names the word by file and offset, so it does not
//! matter where a process has mapped it. Deadlines are absolute and monotonic; interruption by a
//! signal is handled here and seen by nobody.

#![allow(unsafe_code, reason = "one view of a 64-bit word's low half, for the kernel's eyes only")]

use core::num::NonZeroU32;
use core::sync::atomic::{AtomicU32, AtomicU64};
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, WaitFlags, WaitvFlags, WakeOp, WakeOpCmp};
use rustix::time::ClockId;

use crate::deadline::Deadline;

/// The most words that [`wait_any`] watches at once (the kernel's limit).
pub const MAX_WAIT: usize = 128;

/// The largest number that [`add_and_wake`] adds in one step: the kernel takes 12 signed bits.
pub const MAX_ADD: u16 = 2047;

/// As many as there can be.
pub const ALL: u32 = i32::MAX.unsigned_abs();

/// How long a wait takes that the kernel refuses.
const PAUSE: core::time::Duration = core::time::Duration::from_millis(1);

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// Somebody woke us, or the kernel did so without a reason; look at the word again.
    Woken,
    /// The word did not hold the expected value: nobody slept.
    Changed,
    /// The deadline passed, and no wake was meant for us.
    TimedOut,
}

/// Sleeps while `word` holds `expected`, until woken or until the deadline.
pub fn wait(word: &AtomicU32, expected: u32, deadline: Deadline) -> Wait {
    let until = deadline.timespec();
    loop {
        match futex::wait_bitset(word, Flags::empty(), expected, until.as_ref(), NonZeroU32::MAX) {
            Ok(()) => return Wait::Woken,
            Err(Errno::INTR) => {}
            Err(Errno::TIMEDOUT) => return Wait::TimedOut,
            Err(Errno::AGAIN) => return Wait::Changed,
            // Not on a mapped word, unless a filter forbids the call: then look again, at leisure.
            Err(_) => {
                std::thread::sleep(PAUSE);
                return Wait::Changed;
            }
        }
    }
}

/// Sleeps while every word holds its expected value, and returns the index of one that was woken.
///
/// Returns `None` when the deadline passed, and where a filter forbids the call, after a nap in which nothing
/// changed. A word that has changed already is reported at once. Of several words that were woken or changed
/// only one is named.
/// Only the first [`MAX_WAIT`] words are watched.
pub fn wait_any(words: &[(&AtomicU32, u32)], deadline: Deadline) -> Option<usize> {
    // On the stack: callers are in sections, where a user's allocator has no place.
    match words.len() {
        0..=4 => wait_any_of::<4>(words, deadline),
        _ => wait_any_of::<MAX_WAIT>(&words[..words.len().min(MAX_WAIT)], deadline),
    }
}

/// The same for at most `N` words: most sleepers have few, and no need to clear room for many.
fn wait_any_of<const N: usize>(words: &[(&AtomicU32, u32)], deadline: Deadline) -> Option<usize> {
    let mut waiters = [futex::Wait::new(); N];
    for (wait, (word, expected)) in waiters.iter_mut().zip(words) {
        wait.val = u64::from(*expected);
        wait.uaddr = futex::WaitPtr::new(word.as_ptr().cast());
        wait.flags = WaitFlags::SIZE_U32;
    }
    let waiters = &waiters[..words.len()];
    let until = deadline.timespec();
    loop {
        match futex::waitv(waiters, WaitvFlags::empty(), until.as_ref(), ClockId::Monotonic) {
            Ok(index) => return Some(index),
            Err(Errno::INTR) => {}
            Err(Errno::TIMEDOUT) => return None,
            Err(error) => {
                if error != Errno::AGAIN {
                    std::thread::sleep(PAUSE);
                }
                let changed = words.iter().position(|(word, expected)| {
                    // Relaxed: the caller looks again with the ordering that it needs.
                    word.load(core::sync::atomic::Ordering::Relaxed) != *expected
                });
                // One that has changed back meanwhile did change.
                return if error == Errno::AGAIN { changed.or(Some(0)) } else { changed };
            }
        }
    }
}

/// Wakes up to `count` sleepers and returns how many there were.
pub fn wake(word: &AtomicU32, count: u32) -> usize {
    futex::wake(word, Flags::empty(), count).unwrap_or(0)
}

/// Adds to `word` and wakes up to `count` sleepers, in one system call.
///
/// A process that is killed has done both or neither: this is what makes a published item and its
/// wake-up one step (`FUTEX_WAKE_OP`). The addition wraps and orders like a full barrier.
pub fn add_and_wake(word: &AtomicU32, add: u16, count: u32) {
    debug_assert!(add <= MAX_ADD);
    // The comparison only decides about a second round of wakes (val2 = 0): there is none.
    let (flags, cmp) = (Flags::empty(), WakeOpCmp::Eq);
    if futex::wake_op(word, flags, count, 0, word, WakeOp::Add, cmp, add, 0).is_err() {
        // A filter forbids this one call. In two steps, a kill between them costs the wake-up only.
        word.fetch_add(u32::from(add), core::sync::atomic::Ordering::SeqCst);
        wake(word, count);
    }
}

/// Sets `word` to zero and wakes all who sleep on it, in one system call.
///
/// Who compares the word with something else on its way to sleep does not sleep.
pub fn clear_and_wake(word: &AtomicU32) {
    let (flags, cmp) = (Flags::empty(), WakeOpCmp::Eq);
    if futex::wake_op(word, flags, ALL, 0, word, WakeOp::Set, cmp, 0, 0).is_err() {
        word.store(0, core::sync::atomic::Ordering::SeqCst);
        wake(word, ALL);
    }
}

/// Clears bit 31 of `word` and wakes up to `count` sleepers, in one system call.
///
/// For a word whose top bit says "somebody sleeps": who finds it clear need not wake anybody.
pub fn clear_top_and_wake(word: &AtomicU32, count: u32) {
    let (flags, cmp) = (Flags::empty(), WakeOpCmp::Eq);
    if futex::wake_op(word, flags, count, 0, word, WakeOp::AndNShift, cmp, 31, 0).is_err() {
        // As above; who looks afresh after a wake-up for nothing loses nothing by it.
        word.fetch_and(!(1 << 31), core::sync::atomic::Ordering::SeqCst);
        wake(word, count);
    }
}

/// Returns the low half of a 64-bit word, to sleep on.
///
/// Only the kernel looks through it; every access from Rust is 64 bits wide.
pub fn low_half(word: &AtomicU64) -> &AtomicU32 {
    const { assert!(cfg!(target_endian = "little")) };
    // SAFETY: little-endian puts the low half first; it is in bounds, aligned, and lives as long as
    // `word`. Both are atomics, so shared references to them may overlap.
    unsafe { &*core::ptr::from_ref(word).cast::<AtomicU32>() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::Ordering::SeqCst;
    use core::time::Duration;

    #[test]
    fn a_changed_word_is_not_slept_on() {
        assert_eq!(wait(&AtomicU32::new(1), 0, Deadline::NEVER), Wait::Changed);
    }

    #[test]
    fn a_wait_lasts_until_its_deadline() {
        let start = std::time::Instant::now();
        let deadline = Deadline::after(Duration::from_millis(30));
        assert_eq!(wait(&AtomicU32::new(0), 0, deadline), Wait::TimedOut);
        assert!(start.elapsed() >= Duration::from_millis(30));
    }

    #[test]
    fn adding_and_waking_are_one_step() {
        let word = AtomicU32::new(1);
        std::thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                while word.load(SeqCst) == 1 {
                    wait(&word, 1, Deadline::NEVER);
                }
                word.load(SeqCst)
            });
            std::thread::sleep(Duration::from_millis(20));
            add_and_wake(&word, 2 * 5 - 1, 1);
            assert_eq!(sleeper.join().unwrap(), 10);
        });
    }

    #[test]
    fn one_of_many_words_wakes_the_waiter_and_is_named() {
        let words: [AtomicU32; 3] = Default::default();
        let watched: Vec<_> = words.iter().map(|word| (word, 0)).collect();
        assert_eq!(wait_any(&watched, Deadline::after(Duration::from_millis(5))), None);
        words[1].store(7, SeqCst);
        assert_eq!(wait_any(&watched, Deadline::NEVER), Some(1));
        words[1].store(0, SeqCst);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| wait_any(&watched, Deadline::NEVER));
            while wake(&words[2], 1) == 0 {
                std::thread::yield_now();
            }
            assert_eq!(waiter.join().unwrap(), Some(2));
        });
    }
}
