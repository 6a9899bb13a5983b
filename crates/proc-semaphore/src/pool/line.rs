//! Standing in line for permits of a pool: who is first sleeps, and what it sleeps on.

use std::cell::Cell;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::fence;
use multiproc_core::futex;
use multiproc_core::place::{MAX_PLACES, Name};
use multiproc_core::spin::Spin;

use super::slots::Slots;
use crate::counting::{LENIENT, LOOK};
#[cfg(test)]
use crate::killed;

/// How long the first sleeps before it looks around, in case one was stopped between freeing and waking, or
/// died where the kernel could not see it.
const BELT: Duration = Duration::from_secs(1);

/// How long the first sleeps where the kernel refuses the fence on which its being woken rests.
const UNFENCED: Duration = Duration::from_millis(1);

thread_local! {
    /// The slot that this thread had last, most likely free still. Of whatever pool: it is only a hint.
    static LAST: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// How one process waits: it learns.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    permit: Spin,
    turnstile: Spin,
}

/// Slots that a thread takes: it wants so many, and has some of them.
pub(super) trait Bag {
    fn missing(&self) -> u32;
    fn put(&mut self, slot: u32);
    /// Frees what there is, without waking; says whether there was something.
    fn empty(&mut self, slots: &Slots) -> bool;
}

/// One slot.
impl Bag for Option<u32> {
    fn missing(&self) -> u32 {
        u32::from(self.is_none())
    }

    fn put(&mut self, slot: u32) {
        *self = Some(slot);
    }

    fn empty(&mut self, slots: &Slots) -> bool {
        self.take().map(|slot| slots.free(slot)).is_some()
    }
}

/// Several, with room for all of them: nothing is allocated in a section.
#[derive(Debug)]
pub(super) struct Several {
    pub(super) wanted: u32,
    pub(super) slots: Vec<u32>,
}

impl Several {
    pub(super) fn of(wanted: u32) -> Self {
        Self { wanted, slots: Vec::with_capacity(wanted as usize) }
    }
}

impl Bag for Several {
    fn missing(&self) -> u32 {
        self.wanted - self.slots.len() as u32
    }

    fn put(&mut self, slot: u32) {
        self.slots.push(slot);
    }

    fn empty(&mut self, slots: &Slots) -> bool {
        let any = !self.slots.is_empty();
        self.slots.drain(..).for_each(|slot| slots.free(slot));
        any
    }
}

const _: () = assert!((MAX_PLACES as usize) < futex::MAX_WAIT && MAX_PLACES <= u128::BITS);

/// What the first in line sleeps on: `sleepers`, and the lives of those whom it saw on slots, each once.
///
/// On the stack: it is filled in a section, where a user's allocator has no place.
struct Watched<'a> {
    words: [(&'a AtomicU32, u32); futex::MAX_WAIT],
    used: usize,
    /// The places whose lives are among the words.
    places: u128,
    /// One whom it saw has died since.
    news: bool,
}

impl<'a> Watched<'a> {
    fn new(sleepers: &'a AtomicU32) -> Self {
        Self { words: [(sleepers, 0); futex::MAX_WAIT], used: 1, places: 0, news: false }
    }

    /// Begins anew, with `sleepers` alone.
    fn reset(&mut self, seen: u32) {
        self.words[0].1 = seen;
        (self.used, self.places, self.news) = (1, 0, false);
    }

    fn add(&mut self, slots: &'a Slots, name: Name) {
        // Whose place lies beyond is not alive.
        let place = 1 << (name.index() % MAX_PLACES);
        if self.places & place != 0 {
            return;
        }
        self.places |= place;
        #[cfg(test)]
        if killed::is_blind() {
            return;
        }
        match (slots.places().watch(slots.segment(), name), self.words.get_mut(self.used)) {
            (Some(life), Some(word)) => {
                *word = life;
                self.used += 1;
            }
            _ => self.news = true,
        }
    }
}

impl Slots {
    /// Remembers where this thread will find a free slot.
    #[inline]
    pub(super) fn remember(index: u32) {
        LAST.set(index);
    }

    /// Takes the slot that this thread had last, if it is free and nobody is in a hurry: most often that is all.
    #[inline]
    pub(super) fn take_at_once(&self, me: Name) -> Option<u32> {
        let last = LAST.get();
        let index = if last < self.capacity() { last } else { return None };
        // Relaxed: being polite is not a matter of order.
        (self.front().hurry.load(Relaxed) == 0 && self.take(index, me)).then_some(index)
    }

    /// Takes what the bag misses as far as it is there; `other` hears who has the slots that it saw.
    fn take_into(&self, bag: &mut impl Bag, me: Name, mut other: impl FnMut(Name)) -> bool {
        let capacity = self.capacity();
        let first = Some(LAST.get()).filter(|last| *last < capacity);
        let first = first.unwrap_or(me.index() % capacity);
        for index in (first..capacity).chain(0..first) {
            if bag.missing() == 0 {
                break;
            }
            match self.take_or_see(index, me) {
                Ok(()) => {
                    Self::remember(index);
                    bag.put(index);
                }
                Err(name) => other(name),
            }
        }
        bag.missing() == 0
    }

    /// Takes all that the bag wants, or nothing; past anybody in line.
    pub(super) fn try_fill(&self, bag: &mut impl Bag, me: Name) -> bool {
        if self.take_into(bag, me, |_| ()) {
            return true;
        }
        self.give_back(bag);
        false
    }

    /// Frees what is in the bag, and wakes who waits for it.
    pub(super) fn give_back(&self, bag: &mut impl Bag) {
        if bag.empty(self) {
            self.wake_if_asleep();
        }
    }

    /// Fills the bag, in turn, until the deadline; when that has passed, it is empty.
    #[cold]
    pub(super) fn fill(
        &self,
        bag: &mut impl Bag,
        me: Name,
        waiting: &Waiting,
        deadline: Deadline,
    ) -> bool {
        let hurry = &self.front().hurry;
        let look = || (0..self.capacity()).any(|index| self.is_available(index));
        let mut polite = || hurry.load(Relaxed) == 0 && self.try_fill(bag, me);
        if polite() || (waiting.permit.until(look) && polite()) {
            return true;
        }
        let _turn = loop {
            let slice = deadline.slice(LOOK);
            if let Some(turn) = self.front().turnstile.lock_until(&waiting.turnstile, slice) {
                break turn;
            }
            // Permits that the first in line was woken for and, being stopped, does not take.
            if self.try_fill(bag, me) {
                return true;
            }
            if deadline.has_passed() {
                return false;
            }
        };
        hurry.store(u32::from(bag.missing() > 1), Relaxed);
        let full = self.fill_first_in_line(bag, me, deadline);
        // In this order, killed or not: nobody else sleeps on `sleepers`, and the next in line looks at the
        // slots when it has the turnstile.
        if !full {
            bag.empty(self);
        }
        let sleepers = &self.front().sleepers;
        let seen = sleepers.load(Relaxed);
        if seen & 1 != 0 {
            // Relaxed: the turnstile orders it for the next. If it fails, somebody made it even.
            let _ = sleepers.compare_exchange(seen, seen.wrapping_add(1), Relaxed, Relaxed);
        }
        hurry.store(0, Relaxed);
        full
    }

    fn fill_first_in_line(&self, bag: &mut impl Bag, me: Name, deadline: Deadline) -> bool {
        let mut watched = Watched::new(&self.front().sleepers);
        let lenient = Deadline::after(LENIENT);
        loop {
            let (seen, fenced) = self.announce_sleep();
            watched.reset(seen);
            let others = |name| {
                if name != me {
                    watched.add(self, name);
                }
            };
            if self.take_into(bag, me, others) {
                return true;
            }
            if deadline.has_passed() {
                return false;
            }
            // The kernel wakes one of those who sleep on a life. Here nobody else does.
            let slice = deadline.slice(if fenced { BELT } else { UNFENCED });
            if !watched.news && futex::wait_any(&watched.words[..watched.used], slice).is_none() {
                self.bury_the_lost(me);
            }
            if lenient.has_passed() {
                self.front().hurry.store(1, Relaxed);
            }
        }
    }

    /// Looks for owners that died where the kernel could not see it.
    #[cold]
    fn bury_the_lost(&self, me: Name) {
        for index in 0..self.capacity() {
            if let Some(name) = self.owner(index).filter(|name| *name != me) {
                self.places().bury_the_lost(self.segment(), name);
            }
        }
    }

    /// Makes `sleepers` odd, and has everybody see it who frees a slot that is looked at after this.
    fn announce_sleep(&self) -> (u32, bool) {
        let sleepers = &self.front().sleepers;
        let mut seen = sleepers.load(Relaxed);
        while seen & 1 == 0 {
            // Relaxed: the fence below orders it.
            match sleepers.compare_exchange(seen, seen.wrapping_add(1), Relaxed, Relaxed) {
                Ok(_) => seen = seen.wrapping_add(1),
                Err(now) => seen = now,
            }
        }
        (seen, fence::heavy())
    }
}
