//! The leases of a queue: who has which message, and what becomes of those of the dead.
//!
//! Everything that hands a message out happens in the receivers' section. Killed in there, a thread leaves
//! records that it was *taking*; whoever enters next is told so by the lock, and [`Ledger::repair`]s them
//! before it looks at anything else.

#![allow(unsafe_code, reason = "views records in memory that other processes map")]

use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::Arc;

use multiproc_core::place::{Name, NoPlace, Places};
use multiproc_core::segment::Segment;
use multiproc_core::{fence, futex};

#[cfg(test)]
use super::killed::{self, Fault};
use super::layout::Layout;
use super::words::{Control, Holder, Inside, Record, Waiting};
use crate::arena::Extent;
use crate::words::{self, RECEIVERS, distance};

/// The leases of a mapped queue.
pub(crate) struct Ledger {
    control: NonNull<Control>,
    records: NonNull<u8>,
    pub(super) arena: NonNull<u8>,
    pub(super) layout: Layout,
    places: Places,
    /// Keeps the three pointers above mapped.
    segment: Arc<Segment>,
}

// SAFETY: the pointers lead into a mapping that belongs to the process, not to a thread; what they
// lead to are atomics, and bytes under the rules in `slots`.
unsafe impl Send for Ledger {}
// SAFETY: as above.
unsafe impl Sync for Ledger {}

/// A record that may be used to hand a message out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// It is free: for the next message of the queue.
    Free(u32),
    /// It has a message that was given back, or whose holder is dead.
    Again(u32),
}

/// What one look at all records has shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    /// One can be handed out again.
    pub(super) again: bool,
    /// One is free.
    pub(super) free: bool,
    /// Living threads other than the one who asks have some.
    pub(super) others: bool,
}

impl Ledger {
    /// Views the leases of a segment whose body has at least `layout.body_bytes()`.
    pub(crate) fn new(segment: Arc<Segment>, layout: Layout) -> Self {
        let control = NonNull::from(segment.get::<Control>(layout.at));
        let records = layout.leases as usize * layout.stride;
        let records = segment.body(layout.at + size_of::<Control>(), records);
        // The type bounds it: it was made from a `usize` in `Layout::of`.
        let arena = segment.body(layout.arena_at, layout.arena_bytes as usize);
        Self { control, records, arena, layout, places: layout.places(), segment }
    }

    fn control(&self) -> &Control {
        // SAFETY: `new` got it from a reference into the segment, which lives as long as `self`.
        unsafe { self.control.as_ref() }
    }

    fn inside(&self) -> &Inside {
        &self.control().inside.0
    }

    pub(super) fn waiting(&self) -> &Waiting {
        &self.control().waiting.0
    }

    /// Returns the word that moves when somebody else's doing makes a lease possible.
    pub(super) fn news(&self) -> &AtomicU32 {
        &self.control().news.0
    }

    /// Returns how many messages may be in lease at a time.
    #[inline]
    pub(crate) fn leases(&self) -> u32 {
        self.layout.leases
    }

    /// Returns the address of a record.
    #[inline]
    pub(super) fn record_at(&self, at: u32) -> NonNull<u8> {
        // Never needed to be in range: a number of ours. But a mistake must not lead out of the records.
        let at = if at < self.leases() { at as usize } else { 0 };
        // SAFETY: there are as many records, as `new` checked.
        unsafe { self.records.add(at * self.layout.stride) }
    }

    #[inline]
    pub(super) fn record(&self, at: u32) -> &Record {
        // SAFETY: a record lies there, at a multiple of 64 bytes, mapped as long as `self`, and it is
        // `Plain`.
        unsafe { self.record_at(at).cast::<Record>().as_ref() }
    }

    /// Returns who has a record.
    #[inline]
    pub(super) fn holder(&self, at: u32) -> Holder {
        // Acquire: pairs with the Release in `set`, so that the record's other words are those of this
        // holder.
        Holder::from_word(self.record(at).holder.load(Acquire))
    }

    #[inline]
    fn set(&self, at: u32, holder: Holder) {
        // Release: pairs with the Acquire in `holder`.
        self.record(at).holder.store(holder.word(), Release);
    }

    /// Returns the calling thread's name here.
    #[inline]
    pub(super) fn me(&self) -> Result<Name, NoPlace> {
        self.places.mine(&self.segment).map(|mine| mine.name())
    }

    #[inline]
    pub(super) fn is_alive(&self, name: Name) -> bool {
        self.places.is_alive(&self.segment, name)
    }

    pub(super) fn life(&self, name: Name) -> Option<(&AtomicU32, u32)> {
        self.places.watch(&self.segment, name)
    }

    /// Wakes the others who sleep on a life that has ended.
    pub(super) fn pass_on(&self, name: Name) {
        self.places.tell(&self.segment, name);
    }

    /// Finds out about a thread of which the kernel could not tell that it died.
    pub(super) fn bury(&self, name: Name) {
        self.places.bury_the_lost(&self.segment, name);
    }
}

/// In the receivers' section.
impl Ledger {
    /// Ends what a thread has begun that died in the section; `head` is the queue's index.
    ///
    /// Done twice it is as good as done once, so whoever is killed in here leaves no more to do.
    #[cold]
    pub(crate) fn repair(&self, head: u32) {
        for at in 0..self.leases() {
            if let Holder::Taking(name) = self.holder(at) {
                // Only the last section can have left this, and it took no more messages than there are
                // records: the index cannot have gone round since.
                let index = self.record(at).index.load(Relaxed);
                let is_queued = distance(index, head) < self.leases();
                #[cfg(test)]
                let is_queued = is_queued && !killed::has(Fault::ForgetsTheIndex);
                self.set(at, if is_queued { Holder::Nobody } else { Holder::Has(name) });
            }
        }
        // It may also have died when it was about to tell.
        self.tell();
    }

    /// Finds a record to hand a message out with; `fresh` says that the queue has one.
    ///
    /// A message that is to be handed out again is preferred where a look at a few records finds it, and
    /// where somebody gave news of it. Each call looks at one record at least, in turn, so one that a
    /// dead thread had is found after as many calls as there are records, also when nobody ever sleeps.
    pub(super) fn find(&self, fresh: bool) -> Option<Found> {
        let (inside, leases) = (self.inside(), self.leases());
        // Acquire: pairs with the addition in `tell`, before which a record was given back.
        let news = self.news().load(Acquire);
        let all = !fresh || news != inside.looked.load(Relaxed);
        let start = inside.cursor.load(Relaxed) % leases;
        let mut free = None;
        for at in (start..leases).chain(0..start) {
            if self.is_to_go_again(at) {
                inside.cursor.store(at + 1, Relaxed);
                return Some(Found::Again(at));
            }
            if free.is_none() && self.holder(at) == Holder::Nobody {
                free = Some(at);
                if !all {
                    break;
                }
            }
        }
        if all {
            inside.looked.store(news, Relaxed);
        }
        let free = free.filter(|_| fresh)?;
        inside.cursor.store(free + 1, Relaxed);
        Some(Found::Free(free))
    }

    /// Says whether a record has a message that is to be handed out again, unless it is to be poisoned.
    ///
    /// The caller is in the section, so only the record's holder can change it meanwhile.
    fn is_to_go_again(&self, at: u32) -> bool {
        match self.holder(at) {
            Holder::Nobody | Holder::Poisoned => return false,
            Holder::Back => {}
            seen @ (Holder::Taking(name) | Holder::Has(name)) => {
                #[cfg(test)]
                killed::between_two_looks();
                if self.is_alive(name) {
                    return false;
                }
                // It may have acknowledged and died since the first look. What the dead have left stands
                // still: a second look that shows the same is the truth.
                let now = self.holder(at);
                #[cfg(test)]
                let now = if killed::has(Fault::TrustsTheFirstLook) { seen } else { now };
                if now != seen {
                    return self.is_to_go_again(at);
                }
            }
        }
        if !self.is_worn_out(at) {
            return true;
        }
        self.set(at, Holder::Poisoned);
        self.tell_who_wants_to_know();
        false
    }

    /// Finds a message that was handed out too often.
    pub(super) fn find_poisoned(&self) -> Option<u32> {
        (0..self.leases()).find(|at| {
            // Some are so and not yet marked.
            let _ = self.is_to_go_again(*at);
            self.holder(*at) == Holder::Poisoned
        })
    }

    /// Hands the message of a record out once more.
    pub(super) fn take_again(&self, at: u32, me: Name) {
        let attempts = &self.record(at).attempts;
        // First: an attempt of which the taker dies has been one. Relaxed: `holder` orders it.
        attempts.store(attempts.load(Relaxed).saturating_add(1), Relaxed);
        self.set(at, Holder::Has(me));
    }

    /// Returns the unit of the arena at which the search for room begins.
    pub(super) fn go_on_at(&self) -> u32 {
        self.inside().unit.load(Relaxed)
    }

    /// Has the search for room begin behind a message.
    pub(super) fn go_on_behind(&self, message: Extent) {
        let end = u32::try_from(message.end()).unwrap_or(0);
        self.inside().unit.store(end, Relaxed);
    }

    /// Prepares a free record for the message with this index, which lies in the record already.
    #[inline]
    pub(super) fn begin(&self, at: u32, index: u32, me: Name) {
        let record = self.record(at);
        // Relaxed: `holder` orders them.
        record.index.store(index, Relaxed);
        record.attempts.store(1, Relaxed);
        self.set(at, Holder::Taking(me));
    }

    /// Ends what `begin` began, the queue's index having moved on.
    #[inline]
    pub(super) fn finish(&self, at: u32, me: Name) {
        self.set(at, Holder::Has(me));
    }
}

/// By the one who has the lease.
impl Ledger {
    #[inline]
    pub(super) fn attempts(&self, at: u32) -> u32 {
        // Relaxed: whoever asks has the record, or is in the section.
        self.record(at).attempts.load(Relaxed)
    }

    /// Says whether a message was handed out as often as may be.
    fn is_worn_out(&self, at: u32) -> bool {
        // Relaxed: anybody may set it at any time.
        let limit = self.inside().limit.load(Relaxed);
        limit != 0 && self.attempts(at) >= limit
    }

    /// Says whether the calling thread is still the one that got the lease.
    ///
    /// In the child of a fork it is not: what it has is a copy of its parent's.
    #[inline]
    pub(super) fn is_mine(&self, name: Name) -> bool {
        self.me().is_ok_and(|me| me == name)
    }

    /// Frees a record: its message is done with. One store.
    #[inline]
    pub(super) fn free(&self, at: u32) {
        self.set(at, Holder::Nobody);
        if self.does_anybody_want_to_know() {
            self.tell();
            self.forget_the_dead();
        }
    }

    /// Gives a message back, to be handed out again.
    ///
    /// Killed before the wake, this thread wakes who sleeps by its death.
    pub(super) fn give_back(&self, at: u32) {
        self.set(at, if self.is_worn_out(at) { Holder::Poisoned } else { Holder::Back });
        self.tell();
    }

    /// Puts a message aside that nobody can make anything of.
    #[cold]
    pub(super) fn poison(&self, at: u32) {
        self.set(at, Holder::Poisoned);
        self.tell();
    }

    /// Tells those who wait for a record, if there may be any.
    ///
    /// Killed before it has told them, a thread tells them by its death, on which they sleep, too, or has
    /// it told by whoever enters the section next.
    #[inline]
    pub(super) fn tell_who_wants_to_know(&self) {
        if self.does_anybody_want_to_know() {
            self.tell();
        }
    }

    #[inline]
    fn does_anybody_want_to_know(&self) -> bool {
        fence::light();
        // Relaxed: the fence orders them; it pairs with the heavy one of those who say that they want to.
        let [leader, joiner] = &self.waiting().wanted;
        leader.load(Relaxed) | joiner.load(Relaxed) != 0
    }

    /// Takes back what one has said who was killed asleep: it would cost everybody a system call.
    ///
    /// The caller is in no section.
    #[cold]
    fn forget_the_dead(&self) {
        let turnstile = &self.segment.get::<words::Control>(0).ends[RECEIVERS].inside.0.turnstile;
        let waiting = self.waiting();
        for (wanted, lock) in waiting.wanted.iter().zip([turnstile, &waiting.joining]) {
            // Whoever means it holds the lock.
            if wanted.load(Relaxed) == 0 || lock.owner() != 0 {
                continue;
            }
            if let Some(_turn) = lock.try_lock() {
                wanted.store(0, Relaxed);
            }
        }
    }

    #[cold]
    pub(super) fn tell(&self) {
        futex::add_and_wake(self.news(), 1, futex::ALL);
    }
}

/// By anybody.
impl Ledger {
    /// Sets how often messages are handed out before they are put aside.
    pub(crate) fn limit(&self, attempts: u32) {
        self.inside().limit.store(attempts, Relaxed);
        self.tell();
    }

    /// Looks at all records; shows `seen` each living thread, other than `me`, that has one.
    pub(super) fn look(&self, me: Option<Name>, mut seen: impl FnMut(Name)) -> Outlook {
        let mut outlook = Outlook::default();
        let mut known = 0u128;
        for at in 0..self.leases() {
            match self.holder(at) {
                Holder::Nobody => outlook.free = true,
                Holder::Back => outlook.again = true,
                Holder::Poisoned => {}
                Holder::Taking(name) | Holder::Has(name) => {
                    if Some(name) == me {
                        continue;
                    }
                    if !self.is_alive(name) {
                        outlook.again = true;
                        continue;
                    }
                    outlook.others = true;
                    // The number of a living thread's place is below that of the places, 124.
                    let bit = 1 << name.index();
                    if known & bit == 0 {
                        known |= bit;
                        seen(name);
                    }
                }
            }
        }
        outlook
    }

    /// Counts the messages that are out of the queue, and neither done with nor poisoned.
    pub(super) fn count_out(&self) -> u32 {
        let is_out = |at: &u32| !matches!(self.holder(*at), Holder::Nobody | Holder::Poisoned);
        // At most 2^16.
        (0..self.leases()).filter(is_out).count() as u32
    }
}
