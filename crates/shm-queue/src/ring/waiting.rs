//! Sleeping: one for all who wait at an end.

use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use core::sync::atomic::{AtomicU32, fence};
use core::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;

use super::{Patience, Stop};
use crate::ends::{End, Peers};
use crate::words::SENDERS;

/// How soon a leader asks whether the other side was killed; it asks again at doubling intervals up to
/// the second number. Very long in the unit tests, where a lost wake-up must show as a hang.
const ASK: [Duration; 2] = match cfg!(test) {
    true => [Duration::from_secs(3_600); 2],
    false => [Duration::from_millis(25), Duration::from_millis(1_600)],
};

/// The same for one who waits for the turnstile, and what became of its leader.
const LOOK: [Duration; 2] = match cfg!(test) {
    true => [Duration::from_secs(3_600); 2],
    false => [Duration::from_millis(200), Duration::from_millis(1_600)],
};

/// How long a leader sleeps while somebody is inside the other end who may not know of it: one that was
/// preempted there, or stopped.
const NAP: [Duration; 2] = [Duration::from_micros(50), Duration::from_millis(1)];

/// How often it looks before the first nap, which for most is enough: they are inside for nanoseconds.
const GLANCES: u32 = 200;

/// Durations that double from the first to the second.
pub(crate) struct Doubling {
    next: Duration,
    most: Duration,
}

impl Doubling {
    fn new([next, most]: [Duration; 2]) -> Self {
        Self { next, most }
    }

    /// After which one who sleeps asks whether the other side was killed.
    pub(crate) fn of_asking() -> Self {
        Self::new(ASK)
    }

    pub(crate) fn next(&mut self) -> Duration {
        let next = self.next;
        self.next = (next * 2).min(self.most);
        next
    }
}

/// What one who sleeps waits for: any function that says whether it is there, or more than that.
///
/// What `leads` has to do with it: the leader sleeps on what it has looked at last, the others do not.
pub(crate) trait Awaited {
    /// Says whether it has come.
    fn has_come(&self, leads: bool) -> bool;

    /// Says whether it may yet come, nobody being left at the other end.
    fn may_come(&self, _leads: bool) -> bool {
        false
    }

    /// Sleeps until one of the words changes, or something else that brings it.
    fn sleep(&self, words: &[(&AtomicU32, u32)], until: Deadline) {
        futex::wait_any(words, until);
    }

    /// The caller has become the leader.
    fn take_the_lead(&self, _from_a_dead_one: bool) {}

    /// The caller will not be the leader any more.
    fn give_up_the_lead(&self) {}
}

impl<F: Fn() -> bool> Awaited for F {
    fn has_come(&self, _leads: bool) -> bool {
        self()
    }
}

impl<C, const SIDE: usize> End<C, SIDE> {
    /// Sleeps until what is awaited may have come, in vain until now.
    ///
    /// The caller is in no section. What has not come does not come before the other end's word changes, or
    /// another one on which [`Awaited::sleep`] sleeps.
    #[cold]
    pub(crate) fn sleep(&self, patience: Patience, awaited: &impl Awaited) -> Result<(), Stop> {
        let Patience::Until(deadline) = patience else { return Err(Stop::Late) };
        let turnstile = &self.own_inside().turnstile;
        let mut look = Doubling::new(LOOK);
        let turn = loop {
            if let Some(turn) = turnstile.lock_until(&self.turn_spin, deadline.slice(look.next())) {
                break turn;
            }
            // Asked after that: the last of them may have sent something just before it left.
            let over = self.is_over();
            if awaited.has_come(false) {
                return Ok(());
            }
            if over && !awaited.may_come(false) {
                return Err(Stop::Gone);
            }
            if deadline.has_passed() {
                return Err(Stop::Late);
            }
        };
        awaited.take_the_lead(turn.owner_died());
        let result = self.lead(deadline, awaited);
        awaited.give_up_the_lead();
        // Relaxed: nobody but the next leader cares, who sets it under the turnstile.
        self.other().inside.0.asleep.store(0, Relaxed);
        result
    }

    /// Sleeps on the other end's word. The caller has the turnstile. The steps are those of the
    /// module's argument.
    fn lead(&self, deadline: Deadline, awaited: &impl Awaited) -> Result<(), Stop> {
        let (word, inside) = (self.other_word(), &self.other().inside.0);
        let (mut ask, mut nap) = (Doubling::of_asking(), Doubling::new(NAP));
        loop {
            // SeqCst, and before the senders are outlasted: any who comes after sees it, too.
            let closed = self.closed().load(SeqCst);
            inside.asleep.store(1, Relaxed);
            // Pairs with the lock's own instruction in a publisher.
            fence(SeqCst);
            // Acquire: pairs with the Release in `publish`.
            let seen = word.load(Acquire);
            if awaited.has_come(true) {
                return Ok(());
            }
            let outlasted = self.outlast(seen);
            if word.load(Relaxed) != seen || inside.asleep.load(Relaxed) == 0 {
                // Others may take what comes, again and again.
                if !deadline.has_passed() {
                    continue;
                }
                return if awaited.has_come(true) { Ok(()) } else { Err(Stop::Late) };
            }
            let mut departures = self.their_departures().load(Acquire);
            let over = (closed != 0 && outlasted)
                || match self.peers() {
                    Peers::There { departures: known } => {
                        departures = known;
                        false
                    }
                    Peers::Gone => true,
                };
            if over {
                // The last of them may have published just before it left.
                if awaited.has_come(true) {
                    return Ok(());
                }
                if !awaited.may_come(true) {
                    return Err(Stop::Gone);
                }
            }
            if deadline.has_passed() {
                return Err(Stop::Late);
            }
            let slice = if outlasted { ask.next() } else { nap.next() };
            // A publisher changes the first word, one who departs the second, one who closes the third,
            // each in one step with its wake: none can be missed.
            let words =
                [(word, seen), (self.their_departures(), departures), (self.closed(), closed)];
            awaited.sleep(&words, deadline.slice(slice));
        }
    }

    /// Looks whether nobody is inside the other end any more who entered before this call. Whoever
    /// enters later has come after the mark, and sees it.
    fn outlast(&self, seen: u32) -> bool {
        #[cfg(test)]
        if super::killed::trusts_the_mark_alone() {
            return true;
        }
        let (word, lock) = (self.other_word(), &self.other().inside.0.lock);
        let first = lock.owner();
        let is_inside = || first != 0 && lock.owner() == first;
        let mut glances = 0;
        while is_inside() && word.load(Relaxed) == seen && glances < GLANCES {
            core::hint::spin_loop();
            glances += 1;
        }
        if glances == GLANCES {
            // Preempted, perhaps for us.
            std::thread::yield_now();
        }
        let outlasted = !is_inside();
        // Pairs with the release of the lock: what they did before is visible.
        fence(Acquire);
        outlasted
    }

    /// Says whether nobody will ever change anything at the other end.
    #[cold]
    pub(crate) fn is_over(&self) -> bool {
        if !self.is_closed() {
            return matches!(self.peers(), Peers::Gone);
        }
        // A sender that is inside may have entered before the queue was closed.
        // Pairs with the lock's own instruction, which it makes before it loads `closed`.
        fence(SeqCst);
        let over = SIDE == SENDERS || self.other().inside.0.lock.owner() == 0;
        // Pairs with the release of the lock: what the last of them published is visible.
        fence(Acquire);
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bounded;
    use testkit::watchdog;

    #[test]
    fn a_leader_whose_messages_others_take_looks_at_the_clock() {
        let _dog = watchdog(Duration::from_secs(60));
        let (_tx, rx) = bounded::<u64>(2).unwrap();
        let others_take_it = || {
            // Whatever comes has gone again when it is looked for.
            rx.end.other_word().fetch_add(1, SeqCst);
            false
        };
        let patience = Patience::Until(Deadline::after(Duration::from_millis(20)));
        assert!(matches!(rx.end.sleep(patience, &others_take_it), Err(Stop::Late)));
    }
}
