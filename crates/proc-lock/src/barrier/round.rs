//! One round: arrive, lead or wait, break.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use multiproc_core::lock::section::Section;
use multiproc_core::place::{Mine, Name};

use super::mapped::Words;
use super::waiting::Stay;
use super::words::{ARRIVED, AWAY, BROKEN, Member, REFUSED, ROUND, SLEEPERS, Slot};

/// How long one whose time is up waits for a peer that is in the section.
pub(super) const BRIEFLY: Duration = Duration::from_millis(100);

/// Why a wait ended without a round's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Broken,
    Late,
}

/// What the lock's holder finds among the members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Census {
    /// So many have to arrive.
    Needs(u32),
    /// A death that breaks the barrier.
    Dead,
}

/// What an arrival came to.
enum Arrival {
    /// All are there, and have been let go.
    Done,
    /// All are there; this thread is to run its action.
    Leads,
    /// It has arrived, and others, or a leader, are awaited.
    Here,
    /// The round before its own is still being led.
    Early,
}

impl Words {
    /// Waits until all have arrived, runs `action` if this thread leads, and says whether it did.
    pub(super) fn wait<A: FnOnce()>(
        self: &Arc<Self>,
        deadline: Deadline,
        mut action: Option<A>,
    ) -> Result<bool, Stop> {
        let Some(mine) = self.mine() else {
            // It cannot take part, and the others would wait for it.
            self.abort();
            return Err(Stop::Broken);
        };
        let name = mine.name().raw();
        assert!(self.leading.load(Relaxed) != name, "a barrier's action waits at the barrier");
        let slot = self.slot(mine.index());
        if !Member::from_word(slot.member.load(Relaxed)).is(mine.name()) {
            self.leaves_at_its_end(mine);
        }
        // The round in which it has arrived.
        let mut arrived = None;
        loop {
            let Some(section) = self.enter(deadline) else { return self.give_up(slot, arrived) };
            let round = self.round().load(Acquire) & !SLEEPERS;
            if let Some(own) = arrived.filter(|own| *own != round) {
                return self.verdict(slot, own);
            }
            match self.arrive(mine, slot, round, arrived.is_some(), action.is_some())? {
                Arrival::Done => return Ok(true),
                Arrival::Leads => return self.lead(section, mine, slot, round, action.take()),
                Arrival::Here => arrived = Some(round),
                Arrival::Early => {}
            }
            drop(section);
            match (self.stay(mine, arrived.is_some(), round, deadline), arrived) {
                (Stay::Over, Some(own)) => return self.verdict(slot, own),
                (Stay::Late, _) => return self.give_up(slot, arrived),
                // A look finds something to do once, unless a peer writes over it without end.
                (Stay::Look, _) if deadline.has_passed() => return self.give_up(slot, arrived),
                // Somebody died, or the round that it was early for is over.
                (Stay::Over | Stay::Look, _) => {}
            }
        }
    }

    /// Arrives in the round, unless it `has_arrived`, and sees whether all have. In the section.
    fn arrive(
        &self,
        mine: Mine,
        slot: &Slot,
        round: u32,
        has_arrived: bool,
        has_action: bool,
    ) -> Result<Arrival, Stop> {
        if round & BROKEN != 0 {
            return Err(Stop::Broken);
        }
        let Census::Needs(needed) = self.census(round) else {
            self.move_round(BROKEN);
            slot.state.store(AWAY, Relaxed);
            return Err(Stop::Broken);
        };
        if !has_arrived {
            self.join(mine, slot);
            if self.is_led(round) {
                return Ok(Arrival::Early);
            }
            if self.front().leader.load(Relaxed) == mine.name().raw() {
                self.front().leader.store(0, Relaxed); // It led another round.
            }
            // First the number, which may be too high but not too low. Relaxed, as all under the lock.
            let arrivals = u64::from(round) << 32 | u64::from(self.arrivals(round) + 1);
            self.front().arrivals.store(arrivals, Relaxed);
            slot.state.store(round | ARRIVED, Relaxed);
        }
        if self.arrivals(round) < needed || self.is_led(round) || self.arrived(round) < needed {
            return Ok(Arrival::Here);
        }
        if has_action {
            self.front().leader.store(mine.name().raw(), Relaxed);
            return Ok(Arrival::Leads);
        }
        self.move_round(ROUND);
        slot.state.store(AWAY, Relaxed);
        Ok(Arrival::Done)
    }

    /// Runs the action, and lets all go.
    fn lead<A: FnOnce()>(
        &self,
        section: Section<'_>,
        mine: Mine,
        slot: &Slot,
        round: u32,
        action: Option<A>,
    ) -> Result<bool, Stop> {
        drop(section);
        self.leading.store(mine.name().raw(), Relaxed);
        let unfinished = Unfinished(self, slot);
        if let Some(action) = action {
            action();
        }
        std::mem::forget(unfinished);
        self.leading.store(0, Relaxed);
        let _section = self.front().lock.lock(&self.lock_spin);
        let now = self.round().load(Relaxed) & !SLEEPERS;
        let stands = now == round && slot.state.load(Relaxed) == round | ARRIVED;
        if stands {
            self.move_round(ROUND);
        }
        slot.state.store(AWAY, Relaxed);
        if stands { Ok(true) } else { Err(Stop::Broken) }
    }

    /// Says how the round ended in which this thread had arrived; another one led it.
    fn verdict(&self, slot: &Slot, round: u32) -> Result<bool, Stop> {
        // Acquire: pairs with the Release in `move_round` and in `reset`.
        let broken = self.round().load(Acquire) == round | BROKEN;
        let stands = slot.state.load(Relaxed) == round | ARRIVED;
        slot.state.store(AWAY, Relaxed);
        if broken || !stands { Err(Stop::Broken) } else { Ok(false) }
    }

    /// Breaks the round for which there is no time left, unless it has just ended.
    fn give_up(&self, slot: &Slot, arrived: Option<u32>) -> Result<bool, Stop> {
        let briefly = Deadline::after(BRIEFLY);
        let section = self.front().lock.lock_until(&self.lock_spin, briefly);
        let now = self.round().load(Relaxed) & !SLEEPERS;
        if let Some(own) = arrived.filter(|own| *own != now) {
            return self.verdict(slot, own);
        }
        // A peer that is stopped in the section keeps us from breaking anything. So be it.
        if section.is_some() && now & BROKEN == 0 {
            self.move_round(BROKEN);
        }
        slot.state.store(AWAY, Relaxed);
        Err(if now & BROKEN == 0 { Stop::Late } else { Stop::Broken })
    }

    /// Breaks the barrier, unless it is broken.
    pub(super) fn abort(&self) {
        let _section = self.front().lock.lock(&self.lock_spin);
        if self.round().load(Relaxed) & BROKEN == 0 {
            self.move_round(BROKEN);
        }
    }

    /// Starts again, without those who wait and those who died.
    ///
    /// Killed in the middle, it leaves a broken barrier.
    pub(super) fn reset(&self) {
        let _section = self.front().lock.lock(&self.lock_spin);
        if self.round().load(Relaxed) & BROKEN == 0 {
            self.move_round(BROKEN);
        }
        let round = self.round().load(Relaxed) & !(SLEEPERS | BROKEN);
        for slot in self.slots() {
            let order = Relaxed;
            let _ = slot.state.compare_exchange(round | ARRIVED, REFUSED, order, order);
            let member = slot.member.load(Acquire);
            let alive = Member::from_word(member).name().is_some_and(|name| self.is_alive(name));
            let next = if alive { Member::from_word(member).forgiven().word() } else { 0 };
            // It fails when the member has just left.
            let _ = slot.member.compare_exchange(member, next, order, order);
        }
        // Release: pairs with the Acquire in `verdict`. Nobody sleeps on a broken round.
        self.round().store(round.wrapping_add(ROUND), Release);
    }

    /// Makes the thread a member, if it is none: from the moment that `joined` moves.
    fn join(&self, mine: Mine, slot: &Slot) {
        let member = Member::from_word(slot.member.load(Relaxed));
        if member.is(mine.name()) {
            return;
        }
        let joined = &self.front().joined;
        slot.state.store(AWAY, Relaxed);
        slot.process.store(std::process::id(), Relaxed);
        slot.tag.store(tag(joined.load(Relaxed)), Relaxed);
        // Release: pairs with the Acquire of who looks without the lock.
        slot.member.store(member.with(mine.name()).word(), Release);
        futex::add_and_wake(joined, 1, futex::ALL);
        slot.tag.store(0, Relaxed);
    }

    /// Looks after the members: finds the dead, and how many have to arrive. In the section.
    fn census(&self, round: u32) -> Census {
        let mut lost = 0u32;
        for slot in self.slots() {
            let member = Member::from_word(slot.member.load(Acquire));
            lost = lost.saturating_add(member.lost());
            let Some(name) = member.name().filter(|name| !self.is_alive(*name)) else { continue };
            if slot.tag.load(Relaxed) == tag(self.front().joined.load(Relaxed)) {
                slot.member.store(member.without().word(), Relaxed); // It never came.
            } else if self.parties.shrinks() && !self.leads(name, round) {
                slot.member.store(member.buried().word(), Relaxed);
                lost = lost.saturating_add(1);
            } else {
                return Census::Dead;
            }
        }
        Census::Needs(self.parties.count().saturating_sub(lost).max(1))
    }

    /// Returns how many came to this round, at most. In the section.
    fn arrivals(&self, round: u32) -> u32 {
        let arrivals = self.front().arrivals.load(Relaxed);
        // The halves of the word.
        if (arrivals >> 32) as u32 == round { arrivals as u32 } else { 0 }
    }

    /// Counts the living who have arrived.
    pub(super) fn arrived(&self, round: u32) -> u32 {
        let here = self.slots().filter(|slot| {
            let member = Member::from_word(slot.member.load(Acquire));
            slot.state.load(Relaxed) == round | ARRIVED
                && member.name().is_some_and(|name| self.is_alive(name))
        });
        u32::try_from(here.count()).unwrap_or(u32::MAX)
    }

    /// Says whether a member runs its action in this round.
    pub(super) fn is_led(&self, round: u32) -> bool {
        let leader = Name::from_raw(self.front().leader.load(Relaxed));
        leader.is_some_and(|name| self.leads(name, round))
    }

    fn leads(&self, name: Name, round: u32) -> bool {
        let slot = self.slot(name.index());
        self.front().leader.load(Relaxed) == name.raw()
            && Member::from_word(slot.member.load(Acquire)).is(name)
            && slot.state.load(Relaxed) == round | ARRIVED
    }

    /// Moves the round by ROUND or BROKEN, and wakes all who sleep: one step. In the section.
    fn move_round(&self, step: u32) {
        let round = self.round();
        let seen = round.load(Relaxed);
        // Release: pairs with the Acquire in `verdict`. Only SLEEPERS can come in between.
        if seen & SLEEPERS != 0
            || round.compare_exchange(seen, seen.wrapping_add(step), Release, Relaxed).is_err()
        {
            // SLEEPERS is set, and one less than the step takes it away: both are below 12 bits.
            futex::add_and_wake(round, (step - SLEEPERS) as u16, futex::ALL);
        }
    }

    #[inline]
    pub(super) fn round(&self) -> &AtomicU32 {
        &self.front().round
    }

    fn enter(&self, deadline: Deadline) -> Option<Section<'_>> {
        let lock = &self.front().lock;
        let briefly = || lock.lock_until(&self.lock_spin, Deadline::after(BRIEFLY));
        lock.lock_until(&self.lock_spin, deadline).or_else(briefly)
    }
}

/// What stands in a slot while its thread joins: what `joined` will be, and never 0.
fn tag(joined: u32) -> u32 {
    joined.wrapping_add(1) | 1 << 31
}

/// An action that panics breaks the barrier.
struct Unfinished<'a>(&'a Words, &'a Slot);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        self.0.leading.store(0, Relaxed);
        self.0.abort();
        self.1.state.store(AWAY, Relaxed);
    }
}
