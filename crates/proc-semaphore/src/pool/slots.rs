//! The state machine of a pool: one word for each permit, which names its owner.
//!
//! | owner | who | to what |
//! |---|---|---|
//! | 0 | any thread | its name |
//! | the name of a living thread | that thread | 0 |
//! | the name of a dead thread | any thread | its own name |
//!
//! A name is dead for ever once it is dead, so who finds one need not ask what else became of its thread.
//! Taking is one compare-and-swap, giving back one plain store. The rest is about who sleeps:
//!
//! | `sleepers` | who | to what |
//! |---|---|---|
//! | even: nobody sleeps | the first in line | odd; then a heavy fence, a look at all slots, and it sleeps |
//! | odd | who has given a permit back | + 1, and the sleeper is woken: one system call |
//! | odd | the first in line, having all it wants or giving up | even |
//!
//! Two who wake at once may leave it odd with nobody asleep: the next who gives back wakes nobody, and
//! that is all. Nobody sleeps while it is even.
//!
//! | `hurry` | who | to what |
//! |---|---|---|
//! | 0 | the first in line, who wants several, or has been first for a millisecond | 1: newcomers stand in line |
//! | 1 | the same, leaving; the next first, when it was killed | 0 |
//!
//! # No permit lies idle while one sleeps
//!
//! The line is the *turnstile*, a crash-proof lock. Its holder S looks at every slot, takes what is free or
//! a dead one's, and sleeps on `sleepers` and on the *lives* of all the others that it saw, at most 126
//! threads. Let H be whom it saw on some slot. The slot changes hands for the first time after that look
//! in one of two ways:
//!
//! | how | S hears of it |
//! |---|---|
//! | H stores 0 and goes on | H looks at `sleepers` after its store, S looked at the slot after making it odd, and between each pair is a fence: H sees that it is odd, and wakes S in one step |
//! | H stores 0, and dies before it wakes S | by H's life |
//! | H dies, and another thread finds out and takes it | by H's life |
//!
//! So S is up again, or about to be, once *any* slot has changed, and looks at all of them. Whoever takes
//! and loses that slot in between, and whoever of those is killed, does not matter: S need not have watched
//! them. If S itself is killed, the kernel hands the turnstile to the next, who looks afresh.
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | before its name is in the slot | a free permit | nobody |
//! | with its name in the slot, whatever it does | a dead name | the next to look; S, whom the death wakes |
//! | slot freed, `sleepers` not yet looked at, or seen odd and not called | a free permit, a sleeper | its death wakes S |
//! | the call made | a free permit, S awake | nobody |
//! | first in line, asleep, woken or gathering | what it had has a dead name; `sleepers` odd, `hurry` set | the next in line |
//!
//! One case is left to time: H is *stopped* between its store and its look. S hears when H goes on, or
//! when it looks around by itself.

#![allow(unsafe_code, reason = "views the slots of a mapping")]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU32, AtomicU64};

use multiproc_core::fence;
use multiproc_core::futex;
use multiproc_core::lock::section::SectionLock;
use multiproc_core::place::{MAX_PLACES, Name, Places};
use multiproc_core::segment::{Opened, Plain, Segment};

use crate::handle::Words;

/// The words before the slots.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 4 | `sleepers` | the first in line, who gives back |
/// | 4 | 4 | `hurry` | the first in line |
/// | 64 | 8 | `turnstile` | who stands in line |
#[repr(C, align(128))]
#[derive(Debug)]
pub(crate) struct Front {
    pub(super) sleepers: AtomicU32,
    pub(super) hurry: AtomicU32,
    line: [AtomicU64; 7],
    pub(super) turnstile: SectionLock,
}

const _: () = assert!(size_of::<Front>() == 128);
const _: () = assert!(std::mem::offset_of!(Front, turnstile) == 64);

// SAFETY: atomics only; every value is a state.
unsafe impl Plain for Front {}

/// One permit, in a line of its own: neighbours have other owners.
#[repr(C, align(64))]
#[derive(Debug)]
pub(crate) struct Slot {
    owner: AtomicU64,
}

const _: () = assert!(size_of::<Slot>() == 64);

// SAFETY: one atomic; any value is nobody, or a name that may be nobody's.
unsafe impl Plain for Slot {}

/// The slots of a pool, with what else is needed to take them.
#[derive(Debug)]
pub(crate) struct Slots {
    front: Words<Front>,
    first: NonNull<Slot>,
    capacity: u32,
    places: Places,
}

// SAFETY: `first` is a shared reference into the segment that `front` keeps; both may go to another thread.
unsafe impl Send for Slots {}
// SAFETY: as above.
unsafe impl Sync for Slots {}

/// Lays out the places of a pool with so many permits: they are its last part.
pub(crate) fn places(capacity: u32) -> Places {
    Places::after(size_of::<Front>() + capacity as usize * size_of::<Slot>(), MAX_PLACES)
}

impl Slots {
    /// Views the slots of a segment, at least one, which must have the bytes that `places` lays out.
    pub(crate) fn of(opened: Opened, capacity: u32) -> Self {
        // The first one may be looked at, and the last: both lie in the body, or this panics.
        let first = NonNull::from(opened.segment.get::<Slot>(size_of::<Front>()));
        let last = capacity as usize - 1;
        let _: &Slot = opened.segment.get(size_of::<Front>() + last * size_of::<Slot>());
        Self { front: Words::of(opened), first, capacity, places: places(capacity) }
    }

    pub(crate) fn front(&self) -> &Words<Front> {
        &self.front
    }

    pub(crate) fn segment(&self) -> &Arc<Segment> {
        self.front.segment()
    }

    pub(crate) fn places(&self) -> Places {
        self.places
    }

    pub(crate) fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Returns the slot with this number, which is reduced to the numbers that there are.
    #[inline]
    pub(crate) fn slot(&self, index: u32) -> &Slot {
        let index = if index < self.capacity { index } else { 0 };
        // SAFETY: `of` has seen that the slots from 0 to `capacity` - 1 lie in the body.
        let slot = unsafe { self.first.add(index as usize) };
        // SAFETY: mapped as long as `self.front`, aligned by its size; `Plain`.
        unsafe { slot.as_ref() }
    }

    /// Takes the slot if it is free.
    #[inline]
    pub(crate) fn take(&self, index: u32, me: Name) -> bool {
        // Acquire: pairs with the Release in `free`.
        self.slot(index).owner.compare_exchange(0, me.raw(), Acquire, Relaxed).is_ok()
    }

    /// Takes the slot if it is free or its owner is dead; else says who has it.
    pub(super) fn take_or_see(&self, index: u32, me: Name) -> Result<(), Name> {
        let owner = &self.slot(index).owner;
        // Relaxed: one word; who is behind the name is another look.
        let mut seen = owner.load(Relaxed);
        loop {
            match Name::from_raw(seen) {
                Some(name) if name == me || self.places.is_alive(self.segment(), name) => {
                    return Err(name);
                }
                _ => match owner.compare_exchange(seen, me.raw(), Acquire, Relaxed) {
                    Ok(_) => return Ok(()),
                    Err(now) => seen = now,
                },
            }
        }
    }

    /// Frees a slot of this thread's. `wake_if_asleep` must follow, unless nobody else can be first in line.
    #[inline]
    pub(crate) fn free(&self, index: u32) {
        // Release: pairs with the Acquire in `take`.
        self.slot(index).owner.store(0, Release);
    }

    /// Wakes who sleeps for what was freed.
    #[inline]
    pub(crate) fn wake_if_asleep(&self) {
        #[cfg(test)]
        crate::killed::between_free_and_wake();
        // Between the store in `free` and this load: see above.
        fence::light();
        if self.front.sleepers.load(Relaxed) & 1 != 0 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        #[cfg(test)]
        if crate::killed::wakes_in_two_steps() {
            self.front.sleepers.fetch_add(1, Relaxed);
            futex::wake(&self.front.sleepers, 1);
            return;
        }
        futex::add_and_wake(&self.front.sleepers, 1, 1);
    }

    /// Returns who has the slot, alive or not.
    pub(super) fn owner(&self, index: u32) -> Option<Name> {
        Name::from_raw(self.slot(index).owner.load(Relaxed))
    }

    /// Says whether a slot is free or a dead one's.
    pub(crate) fn is_available(&self, index: u32) -> bool {
        self.owner(index).is_none_or(|name| !self.places.is_alive(self.segment(), name))
    }
}
