//! The words of a barrier: where they lie, and who may change them.
//!
//! ```text
//! round    bits 31..2  the number of the round
//!          bit  1      BROKEN     all who wait, and all who come, are told
//!          bit  0      SLEEPERS   somebody sleeps on this word, or may
//! ```
//!
//! | `round` | who may change it | to what |
//! |---|---|---|
//! | r | who would sleep | r, SLEEPERS |
//! | r (SLEEPERS) | who has the lock, all having arrived | r + 1, and all wake: one step |
//! | r (SLEEPERS) | who has the lock, and finds a member dead, gives up, or is told to | r, BROKEN, and all wake: one step |
//! | r, BROKEN | who has the lock, to start again | r + 1 |
//!
//! and in each place, for the thread that has it:
//!
//! | `member` | who may change it | to what |
//! |---|---|---|
//! | nobody, lost | the thread that has the place, under the lock, at its first wait | its name, lost |
//! | a name, lost | that thread, when it ends in an orderly way | nobody, lost |
//! | a dead name, lost | who has the lock, if the barrier shrinks | nobody, lost + 1: one store |
//! | any | who starts again, under the lock | lost = 0, the dead are nobody |
//!
//! | `state` | who may change it | to what |
//! |---|---|---|
//! | [`AWAY`] | its thread, under the lock | arrived in round r |
//! | arrived | its thread, when the round is over | `AWAY` |
//! | arrived in a broken round | who starts again, under the lock | [`REFUSED`] |
//!
//! Nothing is counted that a death could make wrong: who has arrived is what the living members'
//! `state`s say. A thread *becomes a member* in one step, too: it writes its name and the number that
//! `joined` will have, and then moves `joined` and wakes all sleepers in one system call. Killed before
//! that it never came; after that, all who sleep watch its life.
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | under the lock, before `joined` has moved | a name that is dead and never came | who has the lock next: nobody |
//! | anywhere from there to the next `round` | a dead member | whom its death wakes: broken, or one less |
//! | leading, in its action | a dead leader | whom its death wakes: broken |
//! | after `round` was moved | the next round | nobody; who comes next finds a dead member |
//! | breaking, under the lock | all or nothing | a dead member, as above |
//! | starting again | BROKEN | who starts again next |
//! | asleep, or woken | a dead member | as above |
//!
//! The kernel wakes one of those who sleep on a life. Every sleeper is a member and all others watch it,
//! so if that one is killed, too, it wakes the next.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use std::sync::atomic::{AtomicU32, AtomicU64};

use multiproc_core::lock::section::SectionLock;
use multiproc_core::place::Name;
use multiproc_core::segment::Plain;

/// Somebody sleeps on `round`, or may.
pub(super) const SLEEPERS: u32 = 1;
/// The round ended badly.
pub(super) const BROKEN: u32 = 2;
/// From one round to the next.
pub(super) const ROUND: u32 = 4;

/// The state of a member that does not wait. As all-zero memory is.
pub(super) const AWAY: u32 = 0;
/// Beside the number of a round: the member has arrived in it.
pub(super) const ARRIVED: u32 = 1;
/// The state of a member whose round was broken and is forgotten.
pub(super) const REFUSED: u32 = 2;

/// The words in front.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `lock` | who arrives, leads, breaks |
/// | 8 | 8 | `leader` | who has the lock: the name of who runs its action |
/// | 16 | 8 | `arrivals` | who has the lock: round and how many came at most |
/// | 128 | 4 | `round` | see above; slept on |
/// | 132 | 4 | `joined` | who has the lock; slept on |
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Front {
    pub(super) lock: SectionLock,
    pub(super) leader: AtomicU64,
    pub(super) arrivals: AtomicU64,
    /// Those who spin on the next two have them in a line of their own.
    line: [AtomicU64; 13],
    pub(super) round: AtomicU32,
    pub(super) joined: AtomicU32,
}

const _: () = assert!(size_of::<Front>() == 256);
const _: () = assert!(std::mem::offset_of!(Front, round) == 128);

// SAFETY: atomics only; any value is a state or a number that is compared, and a name may be anybody's.
unsafe impl Plain for Front {}

/// The words of one place.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `member` | see above; a [`Member`] |
/// | 8 | 4 | `tag` | its thread, under the lock: what `joined` will be, then 0 |
/// | 12 | 4 | `process` | its thread, under the lock: the process that it is of |
/// | 128 | 4 | `state` | see above |
#[repr(C, align(128))]
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) member: AtomicU64,
    pub(super) tag: AtomicU32,
    pub(super) process: AtomicU32,
    line: [AtomicU64; 14],
    pub(super) state: AtomicU32,
}

const _: () = assert!(size_of::<Slot>() == 256);
const _: () = assert!(std::mem::offset_of!(Slot, state) == 128);

// SAFETY: as above.
unsafe impl Plain for Slot {}

/// Who the member at a place is, and how many died there before: one word, so that one store changes
/// both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member(u64);

const LOST_BITS: u32 = 16;
const LOST: u64 = (1 << LOST_BITS) - 1;

impl Member {
    #[inline]
    pub(super) fn from_word(word: u64) -> Self {
        Self(word)
    }

    #[inline]
    pub(super) fn word(self) -> u64 {
        self.0
    }

    #[inline]
    pub(super) fn name(self) -> Option<Name> {
        Name::from_raw(self.0 >> LOST_BITS)
    }

    #[inline]
    pub(super) fn is(self, name: Name) -> bool {
        self.0 >> LOST_BITS == name.raw()
    }

    /// Returns how many members died at this place since the barrier was started.
    #[inline]
    pub(super) fn lost(self) -> u32 {
        (self.0 & LOST) as u32
    }

    /// The same deaths, and another member.
    pub(super) fn with(self, name: Name) -> Self {
        Self(name.raw() << LOST_BITS | self.0 & LOST)
    }

    /// The same deaths, and no member.
    pub(super) fn without(self) -> Self {
        Self(self.0 & LOST)
    }

    /// One death more, and no member.
    pub(super) fn buried(self) -> Self {
        Self((self.0 & LOST).saturating_add(1).min(LOST))
    }

    /// The same member, and no deaths.
    pub(super) fn forgiven(self) -> Self {
        Self(self.0 & !LOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_and_its_member_go_in_one_word() {
        let name = Name::from_raw(0x12_3456_7803).unwrap();
        let member = Member::from_word(0).buried().with(name);
        assert!(member.is(name));
        assert_eq!((member.name(), member.lost()), (Some(name), 1));
        assert_eq!((member.buried().name(), member.buried().lost()), (None, 2));
        assert_eq!(member.without().lost(), 1);
        assert_eq!(member.forgiven().lost(), 0);
        assert_eq!(Member::from_word(u64::MAX).buried().lost(), 0xffff);
    }
}
