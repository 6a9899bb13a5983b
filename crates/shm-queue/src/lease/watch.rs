//! What a receiver sleeps on that waits for a lease.

use core::cell::{Cell, RefCell};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed};
use core::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::place::Name;
use multiproc_core::{fence, futex};

#[cfg(test)]
use super::killed::{self, Fault};
use super::ledger::{Ledger, Outlook};
use super::slots::Lent;
use super::waiting::Part;
use crate::ends::End;
use crate::ring::Awaited;
use crate::words::RECEIVERS;

/// How long one sleeps for whom the kernel does not fence the others.
pub(super) const UNFENCED: Duration = Duration::from_millis(1);

/// The words that a sleeper watches beside its own: news, and lives.
pub(super) struct Words<'a> {
    words: [(&'a AtomicU32, u32); futex::MAX_WAIT],
    names: [Option<Name>; futex::MAX_WAIT],
    len: usize,
    /// Whose life is asked about next, when the kernel tells nothing.
    asked: usize,
}

impl<'a> Words<'a> {
    pub(super) fn new(ledger: &'a Ledger) -> Self {
        let (words, names) = ([(ledger.news(), 0); futex::MAX_WAIT], [None; futex::MAX_WAIT]);
        Self { words, names, len: 0, asked: 0 }
    }

    /// Looks at the news and then at all records, and notes what to sleep on: for one who waits in this part.
    pub(super) fn look(&mut self, ledger: &'a Ledger, part: Part, me: Option<Name>) -> Outlook {
        self.len = 0;
        // Acquire: a record that was given back before the addition is seen so below.
        self.push(ledger.news(), ledger.news().load(Acquire), None);
        let mut one_died = false;
        if let Some(name) = ledger.who_else_waits(part) {
            match ledger.life(name) {
                Some((life, seen)) => self.push(life, seen, Some(name)),
                // It may have been told of a death, and told nobody: look again.
                None => one_died = true,
            }
        }
        #[cfg(test)]
        if killed::has(Fault::WatchesNoLives) {
            return ledger.look(me, |_| ());
        }
        let outlook = ledger.look(me, |name| match ledger.life(name) {
            Some((life, seen)) => self.push(life, seen, Some(name)),
            None => one_died = true,
        });
        Outlook { again: outlook.again || one_died, ..outlook }
    }

    fn push(&mut self, word: &'a AtomicU32, seen: u32, name: Option<Name>) {
        if let Some(slot) = self.words.get_mut(self.len) {
            *slot = (word, seen);
            self.names[self.len] = name;
            self.len += 1;
        }
    }

    /// Sleeps until one of these words changes, or one of `own`; passes on that somebody has died.
    pub(super) fn sleep(&mut self, ledger: &Ledger, own: &[(&AtomicU32, u32)], until: Deadline) {
        // There are 124 places, one of them twice but not one's own, and 4 other words.
        let mut all: [(&AtomicU32, u32); futex::MAX_WAIT] = self.words;
        let len = (self.len + own.len()).min(all.len());
        for (slot, word) in all[self.len..].iter_mut().zip(own) {
            *slot = *word;
        }
        if futex::wait_any(&all[..len], until).is_none() {
            self.asked = (self.asked + 1) % self.len.max(1);
            if let Some(name) = self.names[self.asked] {
                ledger.bury(name);
            }
        }
        // Of several words that have changed only one was named.
        for name in self.names[..self.len].iter().flatten() {
            ledger.pass_on(*name);
        }
    }
}

/// The wait of a receiver for a lease: for the senders, and for the other receivers' news and deaths.
///
/// Why none is missed: it has loaded `news` before it looks at the records, and then sleeps on that word,
/// on the senders', and on the life of each who has a record. What makes a lease possible is a message sent
/// (the first word), one given back (`news`), a death (a life), or, when it lacks a record or the senders are
/// gone, one acknowledged: for this it has said that it wants to know, and `news` moves, or the one who
/// should have moved it is dead. Somebody who has a record now and had none when it looked has got it by one
/// of these events, too; or out of a queue that was not empty, and then it wants to know.
pub(super) struct Watch<'a, C> {
    end: &'a End<C, RECEIVERS>,
    ledger: &'a Ledger,
    me: Name,
    /// The leader has seen that the other end is over.
    over: Cell<bool>,
    /// The leader's last look has found an answer.
    found: Cell<bool>,
    /// Nobody fences the others for it.
    unfenced: Cell<bool>,
    /// What it sleeps on; made when it first does, for it is large.
    words: RefCell<Option<Words<'a>>>,
}

impl<'a, C: Lent> Watch<'a, C> {
    pub(super) fn new(end: &'a End<C, RECEIVERS>, ledger: &'a Ledger, me: Name) -> Self {
        let words = RefCell::new(None);
        let no = || Cell::new(false);
        Self { end, ledger, me, over: no(), found: no(), unfenced: no(), words }
    }

    /// Says whether the calling thread can lease something now: `Err` if it is stuck, with messages
    /// there and no record to spare.
    fn judge(&self, outlook: Outlook, next: Option<u32>) -> Result<bool, ()> {
        match next {
            _ if outlook.again => Ok(true),
            None => Ok(false),
            Some(index) if outlook.free && C::has_room(self.end.memory(), self.ledger, index) => {
                Ok(true)
            }
            Some(_) => Err(()),
        }
    }

    /// The queue first, then the records: what leaves the one shows in the others.
    fn look(&self) -> (Result<bool, ()>, Outlook) {
        let next = self.end.next_index();
        let outlook = self.ledger.look(Some(self.me), |_| ());
        (self.judge(outlook, next), outlook)
    }

    /// Says whether something can be leased now.
    pub(super) fn is_anything_there(&self) -> bool {
        self.look().0 == Ok(true)
    }

    /// Says whether something is there or, with no sender left, may come.
    pub(super) fn may_anything_come(&self) -> bool {
        let (there, outlook) = self.look();
        there != Ok(false) || outlook.others
    }

    /// Says whether there is something, and only the caller itself could make room for it.
    pub(super) fn is_dead_end(&self) -> bool {
        let (there, outlook) = self.look();
        there.is_err() && !outlook.others
    }

    fn wanted(&self) -> &AtomicU32 {
        &self.ledger.waiting().wanted[0]
    }

    /// Looks as one who is about to sleep.
    fn look_closely(&self) -> Outlook {
        // With a message there it lacks a record; with no sender left it waits for the last of the others.
        let wants = u32::from(self.end.next_index().is_some() || self.over.get());
        // Relaxed: the fence orders it; it pairs with the one in `tell_who_wants_to_know`.
        if self.wanted().load(Relaxed) != wants {
            self.wanted().store(wants, Relaxed);
        }
        self.unfenced.set(wants != 0 && !fence::heavy());
        // Again, for what has left the queue since shows in the records.
        let next = self.end.next_index();
        let mut words = self.words.borrow_mut();
        let words = words.get_or_insert_with(|| Words::new(self.ledger));
        let outlook = words.look(self.ledger, Part::Leader, Some(self.me));
        let there = match self.judge(outlook, next) {
            // A message has come meanwhile, and it has not said yet that it wants to know.
            Err(()) if wants == 0 => Ok(true),
            there => there,
        };
        self.found.set(is_answered(there, outlook));
        outlook
    }
}

/// Says whether there is something to lease, or nothing to wait for.
fn is_answered(there: Result<bool, ()>, outlook: Outlook) -> bool {
    there == Ok(true) || (there.is_err() && !outlook.others)
}

impl<C: Lent> Awaited for Watch<'_, C> {
    fn has_come(&self, leads: bool) -> bool {
        if leads {
            self.look_closely();
            return self.found.get();
        }
        let (there, outlook) = self.look();
        is_answered(there, outlook)
    }

    fn may_come(&self, leads: bool) -> bool {
        if !leads {
            return self.may_anything_come();
        }
        self.over.set(true);
        let outlook = self.look_closely();
        self.found.get() || outlook.others
    }

    fn sleep(&self, own: &[(&AtomicU32, u32)], until: Deadline) {
        if self.found.get() {
            return;
        }
        let until = if self.unfenced.get() { until.slice(UNFENCED) } else { until };
        if let Some(words) = &mut *self.words.borrow_mut() {
            words.sleep(self.ledger, own, until);
        }
    }

    fn take_the_lead(&self, from_a_dead_one: bool) {
        if from_a_dead_one {
            // It may have had news to pass on.
            self.ledger.tell();
        }
        self.ledger.comes(Part::Leader, Some(self.me));
    }

    fn give_up_the_lead(&self) {
        // Relaxed: nobody but the next leader cares, who sets it under the turnstile.
        self.wanted().store(0, Relaxed);
        self.ledger.goes(Part::Leader);
    }
}
