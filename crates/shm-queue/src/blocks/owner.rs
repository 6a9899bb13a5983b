//! The word of a block: who answers for it.
//!
//! ```text
//! bits 63..32  index       of the message in the ring, for QUEUED and TAKEN
//! bits 31..9   generation  of the thread's name, its low 23 bits
//! bits 8..2    place       of the thread
//! bits 1..0    state       0 FREE, 1 HELD, 2 QUEUED, 3 TAKEN
//! ```
//!
//! A name is cut short here. A dead thread whose place another one has, 2^23 threads later, is then
//! taken for alive until that one ends: a block comes back late, and never too early.

use multiproc_core::place::Name;

/// A block nobody answers for.
pub(super) const FREE: u64 = 0;

/// What somebody does with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Free,
    /// Somebody writes into it.
    Held,
    /// It was given to the ring, by the thread that it names.
    Queued,
    /// It was taken out of the ring, by the thread that it names.
    Taken,
}

/// A thread, as far as a word can name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u32);

impl Tag {
    const GENERATIONS: u64 = (1 << 23) - 1;

    pub(super) fn of(name: Name) -> Self {
        let generation = (name.raw() >> 8) & Self::GENERATIONS;
        // 23 bits and 7.
        Self((generation << 7) as u32 | (name.index() & 127))
    }

    /// Returns the number of the place, perhaps of none.
    pub(super) fn place(self) -> u32 {
        self.0 & 127
    }
}

/// A block's word, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) state: State,
    pub(super) thread: Tag,
    pub(super) index: u32,
}

impl Owner {
    pub(super) fn held(thread: Tag) -> Self {
        Self { state: State::Held, thread, index: 0 }
    }

    pub(super) fn queued(thread: Tag, index: u32) -> Self {
        Self { state: State::Queued, thread, index }
    }

    pub(super) fn taken(thread: Tag, index: u32) -> Self {
        Self { state: State::Taken, thread, index }
    }

    /// Reads any word.
    pub(super) fn of(word: u64) -> Self {
        let state = match word & 3 {
            0 => State::Free,
            1 => State::Held,
            2 => State::Queued,
            _ => State::Taken,
        };
        // The halves.
        Self { state, thread: Tag(word as u32 >> 2), index: (word >> 32) as u32 }
    }

    pub(super) fn word(self) -> u64 {
        let state = match self.state {
            State::Free => return FREE,
            State::Held => 1,
            State::Queued => 2,
            State::Taken => 3,
        };
        u64::from(self.index) << 32 | u64::from(self.thread.0) << 2 | state
    }

    /// Says whether the word belongs to the message with this index in the ring.
    pub(super) fn is_message(self, index: u32) -> bool {
        matches!(self.state, State::Queued | State::Taken) && self.index == index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_says_what_was_put_in() {
        let name = Name::from_raw(0x00ff_ffff_0000_0000 | 0xabcd_ef00 | 126).unwrap();
        let tag = Tag::of(name);
        assert_eq!(tag.place(), 125);
        for owner in [Owner::held(tag), Owner::queued(tag, u32::MAX), Owner::taken(tag, 7)] {
            assert_eq!(Owner::of(owner.word()), owner);
            assert_ne!(owner.word(), FREE);
        }
        assert_eq!(Owner::of(FREE).state, State::Free);
        assert!(Owner::queued(tag, 5).is_message(5) && !Owner::taken(tag, 5).is_message(6));
        assert!(!Owner::held(tag).is_message(0));
    }

    #[test]
    fn names_differ_by_place_and_generation() {
        let tag = |raw| Tag::of(Name::from_raw(raw).unwrap());
        assert_ne!(tag(1 << 8 | 1), tag(1 << 8 | 2));
        assert_ne!(tag(1 << 8 | 1), tag(2 << 8 | 1));
        assert_eq!(tag(1 << 8 | 1), tag((1 << 23 | 1) << 8 | 1), "2^23 threads later");
    }
}
