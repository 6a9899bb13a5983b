//! The limits: words in shared memory and nothing around them. No sleep, no death, no borders.

use crate::ends::{Put, Take};
use crate::turns::{Signal, Turns};
use multiproc::lock::SharedAtomic;
use rustix::thread::futex;
use serde::{Deserialize, Serialize};
use std::hint::{black_box, spin_loop};
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Words to a cache line, and to the next one, which processors fetch along.
const LINE: usize = 16;

/// A ring from one to one; both sides remember where they last saw the other.
///
/// | word | written by | read by |
/// |---|---|---|
/// | 0: sent | the sender, after a message is written | the receiver |
/// | 16: received | the receiver, after a message is read | the sender |
/// | from 32 on: messages | the sender | the receiver |
#[derive(Serialize, Deserialize)]
pub(crate) struct Ring<const N: usize> {
    words: SharedAtomic<[AtomicU64]>,
    mask: u64,
    own: u64,
    seen: u64,
}

impl<const N: usize> Ring<N> {
    /// Returns both ends of a ring for so many messages, a power of two.
    pub(crate) fn pair(capacity: usize) -> Result<(Self, Self), String> {
        let words = SharedAtomic::<[AtomicU64]>::zeroed(2 * LINE + capacity * N)
            .map_err(|error| error.to_string())?;
        let end = |words| Self { words, mask: capacity as u64 - 1, own: 0, seen: 0 };
        Ok((end(words.clone()), end(words)))
    }

    fn slot(&self) -> &[AtomicU64] {
        let at = usize::try_from(self.own & self.mask).unwrap_or(0);
        &self.words[2 * LINE + at * N..][..N]
    }
}

impl<const N: usize> Put for Ring<N> {
    fn put(&mut self, value: u64) {
        while self.own - self.seen > self.mask {
            // Pairs with the receiver's store: the place has been read.
            self.seen = self.words[LINE].load(Acquire);
            spin_loop();
        }
        // Relaxed: the index below publishes them.
        let (first, rest) = self.slot().split_first().expect("messages have a word");
        first.store(value, Relaxed);
        rest.iter().for_each(|word| word.store(7, Relaxed));
        self.own += 1;
        self.words[0].store(self.own, Release);
    }
}

impl<const N: usize> Take for Ring<N> {
    fn take(&mut self) -> u64 {
        while self.seen == self.own {
            // Pairs with the sender's store: the message is written.
            self.seen = self.words[0].load(Acquire);
            spin_loop();
        }
        let mut message = [0; N];
        for (to, from) in message.iter_mut().zip(self.slot()) {
            *to = from.load(Relaxed);
        }
        self.own += 1;
        self.words[LINE].store(self.own, Release);
        black_box(&message)[0]
    }
}

/// One line that two write in turn: what the machine needs to reach another core and hear from it.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct CacheLine(SharedAtomic<AtomicU64>);

impl CacheLine {
    pub(crate) fn new() -> Result<Self, String> {
        SharedAtomic::new(AtomicU64::new(0)).map(Self).map_err(|error| error.to_string())
    }
}

impl Turns for CacheLine {
    fn turn(&self, seat: usize) {
        // Odd: to be answered. Even: answered.
        let wait = |parity| loop {
            // Pairs with the other's store.
            let number = self.0.load(Acquire);
            if number % 2 == parity {
                return number;
            }
            spin_loop();
        };
        let number = wait(seat as u64);
        self.0.store(number + 1, Release);
        if seat == 0 {
            wait(0);
        }
    }
}

/// A word to sleep at: what the kernel needs to wake another, who has gone to sleep at once.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Futex(SharedAtomic<AtomicU32>);

impl Futex {
    pub(crate) fn new() -> Result<Self, String> {
        SharedAtomic::new(AtomicU32::new(0)).map(Self).map_err(|error| error.to_string())
    }
}

impl Signal for Futex {
    fn raise(&self) {
        // Pairs with the load of the one who takes it.
        self.0.store(1, Release);
        let _ = futex::wake(&self.0, futex::Flags::empty(), 1);
    }

    fn take(&self) {
        while self.0.load(Acquire) == 0 {
            let _ = futex::wait(&self.0, futex::Flags::empty(), 0, None);
        }
        self.0.store(0, Relaxed);
    }
}
