//! Waiting for the others: look a little, then sleep on the round and on their lives.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use multiproc_core::place::{MAX_PLACES, Mine, Name};

use super::mapped::Words;
use super::words::{ARRIVED, Member, SLEEPERS};

/// How long a waiter sleeps before it asks whether the members still exist: as for locks, in case the
/// kernel could not tell.
const BELT: Duration = Duration::from_secs(1);

/// The round, `joined`, and the lives of all others.
const WATCHED: usize = 2 + MAX_PLACES as usize;

const _: () = assert!(WATCHED <= futex::MAX_WAIT);

/// Why a waiter looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// The round is over, or broken.
    Over,
    /// Somebody died: the census is to be taken.
    Look,
    /// The time is up.
    Late,
}

impl Words {
    /// Waits until the round is over, somebody dies, or the time is up. The caller is a member, in no
    /// section.
    pub(super) fn stay(&self, mine: Mine, arrived: bool, round: u32, deadline: Deadline) -> Stay {
        let is_over = |seen: u32| seen & !SLEEPERS != round;
        // Relaxed: `verdict` looks again.
        if self.round_spin.until(|| is_over(self.round().load(Relaxed))) {
            return Stay::Over;
        }
        loop {
            // `joined` before the members: who joins later wakes us by it.
            let joined = self.front().joined.load(Acquire);
            let seen = self.round().load(Acquire);
            if is_over(seen) {
                return Stay::Over;
            }
            let mut words = [(self.round(), seen | SLEEPERS); WATCHED];
            words[1] = (&self.front().joined, joined);
            let Some(watched) = self.watch(mine.name(), arrived, round, &mut words[2..]) else {
                return Stay::Look;
            };
            if deadline.has_passed() {
                return Stay::Late;
            }
            // Relaxed: the bit carries no data; its meaning is in the word's own order of changes.
            let said = seen & SLEEPERS != 0
                || self.round().compare_exchange(seen, seen | SLEEPERS, Relaxed, Relaxed).is_ok();
            if !said {
                continue;
            }
            if futex::wait_any(&words[..2 + watched], deadline.slice(BELT)).is_none() {
                self.bury_the_lost();
            }
        }
    }

    /// Puts the lives of the other members into `words`, and returns how many; `None` when one is dead,
    /// or when nobody else is awaited.
    fn watch<'a>(
        &'a self,
        me: Name,
        has_arrived: bool,
        round: u32,
        words: &mut [(&'a AtomicU32, u32)],
    ) -> Option<usize> {
        let (mut watched, mut lost, mut arrived) = (0, 0u32, u32::from(has_arrived));
        for slot in self.slots() {
            let member = Member::from_word(slot.member.load(Acquire));
            lost = lost.saturating_add(member.lost());
            let Some(name) = member.name().filter(|name| *name != me) else { continue };
            let life = self.places().watch(self.segment(), name)?;
            if let Some(word) = words.get_mut(watched) {
                *word = life;
                watched += 1;
            }
            arrived += u32::from(slot.state.load(Relaxed) == round | ARRIVED);
        }
        // Who buried the last one that was awaited may have died before it could lead.
        let needed = self.parties.count().saturating_sub(lost).max(1);
        let all_here = has_arrived && arrived >= needed && !self.is_led(round);
        (!all_here).then_some(watched)
    }

    #[cold]
    fn bury_the_lost(&self) {
        for slot in self.slots() {
            if let Some(name) = Member::from_word(slot.member.load(Acquire)).name() {
                self.places().bury_the_lost(self.segment(), name);
            }
        }
    }
}
