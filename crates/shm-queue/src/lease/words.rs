//! The words of leases, and what their values mean.

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use core::sync::atomic::{AtomicU32, AtomicU64};

use multiproc_core::place::Name;
use multiproc_core::segment::Plain;

use crate::words::Apart;

/// Who has a record, and what for: its one word that counts.
///
/// ```text
/// name of a thread           generation << 8 | index of the place + 1: 1 to 126
/// the same, being taken      ... | 0x80
/// nobody                     0
/// given back, poisoned       0x7f, 0x17f: no place has these numbers
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The record is free.
    Nobody,
    /// The thread is inside the receivers' end, and takes a message out of the queue into this record.
    Taking(Name),
    /// The thread has the message in lease, until it dies.
    Has(Name),
    /// Its holder gave the message back.
    Back,
    /// It was handed out too often, and waits for somebody who asks for such messages.
    Poisoned,
}

const TAKING: u64 = 0x80;
const BACK: u64 = 0x7f;
const POISONED: u64 = 0x17f;

impl Holder {
    #[inline]
    pub(crate) fn from_word(word: u64) -> Self {
        match word {
            BACK => Self::Back,
            POISONED => Self::Poisoned,
            _ => match Name::from_raw(word & !TAKING) {
                None => Self::Nobody,
                Some(name) if word & TAKING != 0 => Self::Taking(name),
                Some(name) => Self::Has(name),
            },
        }
    }

    #[inline]
    pub(crate) fn word(self) -> u64 {
        match self {
            Self::Nobody => 0,
            Self::Taking(name) => name.raw() | TAKING,
            Self::Has(name) => name.raw(),
            Self::Back => BACK,
            Self::Poisoned => POISONED,
        }
    }
}

/// One message that is out of the queue and not acknowledged. Its bytes lie behind this, or in the
/// leases' arena.
///
/// | `holder` | who may change it | to what |
/// |---|---|---|
/// | nobody | a thread N in the receivers' section | N, taking |
/// | N, taking | N in the same section, once the queue's index has moved past `index` | N |
/// | N, taking; N is dead | who enters the section next | N if the index has moved past `index`, else nobody |
/// | N | N: an acknowledgement, one store | nobody |
/// | N | N gives up | given back |
/// | N, who is dead; given back | a thread M in the receivers' section | M, or poisoned |
/// | poisoned | a thread M in the receivers' section | M |
///
/// The other words are written in the section, before `holder` is, and stand still while somebody has the
/// record.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) holder: AtomicU64,
    /// Where in the leases' arena a message of any length lies.
    pub(crate) extent: AtomicU64,
    /// The message's number in the queue.
    pub(crate) index: AtomicU32,
    /// How often the message was handed out, this time included.
    pub(crate) attempts: AtomicU32,
}

/// What is read and written in the receivers' section alone, but for `limit`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Inside {
    /// Where the search for a record goes on. A hint.
    pub(crate) cursor: AtomicU32,
    /// The `news` after which a search found nothing to hand out again.
    pub(crate) looked: AtomicU32,
    /// Where in the arena the search for room goes on. A hint, in units.
    pub(crate) unit: AtomicU32,
    /// How often a message is handed out before it is poisoned; 0 for ever. Anybody may set it.
    pub(crate) limit: AtomicU32,
}

/// The words at the start of the leases.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 4 | `news` | + 1, together with a wake: who gives back; who changes a holder while `wanted` |
/// | 128 | 4 | `wanted[0]` | the leader of the receivers, for itself |
/// | 132 | 4 | `wanted[1]` | the one who joins, for itself |
/// | 136 | 8 | `joining` | threads that join, and the kernel |
/// | 144 | 8 | `names[0]` | the leader of the receivers, for itself |
/// | 152 | 8 | `names[1]` | the one who joins, for itself |
/// | 256 | 16 | see [`Inside`] | who is in the receivers' section |
///
/// | `wanted` | means |
/// |---|---|
/// | 0 | nobody waits for a record to become free |
/// | 1 | whoever changes a holder tells so by `news`; left behind by one who was killed it costs system calls until the next one waits |
///
/// | `names` | means |
/// |---|---|
/// | 0 | nobody, or a thread that has no place |
/// | a name | it sleeps on the lives of others, and the other of the two is to watch its life: the kernel may have told it alone of a death |
/// | the name of one who is dead | as 0 |
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Control {
    pub(crate) news: Apart<AtomicU32>,
    pub(crate) waiting: Apart<Waiting>,
    pub(crate) inside: Apart<Inside>,
}

/// Who waits for more than the other end of the queue: its leader, and the one who joins.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) wanted: [AtomicU32; 2],
    pub(crate) joining: multiproc_core::lock::section::SectionLock,
    pub(crate) names: [AtomicU64; 2],
}

const _: () = assert!(size_of::<Record>() == 24);
const _: () = assert!(size_of::<Inside>() == 16);
const _: () = assert!(size_of::<Waiting>() == 32);
const _: () = assert!(size_of::<Control>() == 384);

// SAFETY: atomics only; every value of each is a state of the protocol, or is reduced to one.
unsafe impl Plain for Record {}
// SAFETY: as above.
unsafe impl Plain for Control {}

#[cfg(test)]
mod tests {
    use super::*;
    use multiproc_core::place::MAX_PLACES;

    #[test]
    fn every_state_has_a_word_of_its_own() {
        let name = |raw| Name::from_raw(raw).unwrap();
        let names =
            (1..=u64::from(MAX_PLACES)).flat_map(|at| [at, 1 << 8 | at, 0xffff_ffff << 8 | at]);
        let mut words = std::collections::BTreeSet::new();
        let states = [Holder::Nobody, Holder::Back, Holder::Poisoned].into_iter();
        let named = names.flat_map(|raw| [Holder::Taking(name(raw)), Holder::Has(name(raw))]);
        for holder in states.chain(named) {
            assert_eq!(Holder::from_word(holder.word()), holder);
            assert!(words.insert(holder.word()), "{holder:?}");
        }
    }
}
