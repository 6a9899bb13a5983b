//! A mapped barrier: where its words lie in this process, and which of its threads are members.

#![allow(unsafe_code, reason = "keeps the addresses of words beside their mapping")]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::sync::{Arc, Weak};

use multiproc_core::place::{MAX_PLACES, Mine, Name, Places};
use multiproc_core::segment::Segment;
use multiproc_core::spin::Spin;

use crate::handle::Handle;

use super::parties::Parties;
use super::words::{ARRIVED, Front, Member, Slot};

/// A mapped barrier: its words, and its members' places.
pub(super) struct Words {
    handle: Handle,
    places: Places,
    pub(super) parties: Parties,
    front: NonNull<Front>,
    slots: [NonNull<Slot>; MAX_PLACES as usize],
    /// The members among the threads of this process, by place, and the process that they are of: a
    /// copy in the child of a fork has the parent's.
    ours: [(AtomicU64, AtomicU32); MAX_PLACES as usize],
    /// The thread of this process that runs its action, by name.
    pub(super) leading: AtomicU64,
    pub(super) lock_spin: Spin,
    pub(super) round_spin: Spin,
}

// SAFETY: the pointers are to words that are atomics.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

/// Returns where the places of every barrier lie.
pub(super) fn places() -> Places {
    Places::after(size_of::<Front>(), MAX_PLACES)
}

impl Words {
    pub(super) fn new(handle: Handle) -> Self {
        let (segment, places) = (handle.segment(), places());
        let front = NonNull::from(segment.get(0));
        let slots = std::array::from_fn(|index| {
            NonNull::from(places.data(segment, u32::try_from(index).unwrap_or(0), 0))
        });
        Self {
            parties: Parties::from_capacity(handle.capacity()),
            handle,
            places,
            front,
            slots,
            ours: [const { (AtomicU64::new(0), AtomicU32::new(0)) }; MAX_PLACES as usize],
            leading: AtomicU64::new(0),
            lock_spin: Spin::new(),
            round_spin: Spin::new(),
        }
    }

    #[inline]
    pub(super) fn front(&self) -> &Front {
        // SAFETY: taken from a reference in `new`; the handle keeps the mapping.
        unsafe { self.front.as_ref() }
    }

    /// Returns the words of a place; of the first for one that does not exist.
    #[inline]
    pub(super) fn slot(&self, index: u32) -> &Slot {
        let slot = self.slots.get(index as usize).unwrap_or(&self.slots[0]);
        // SAFETY: as in `front`.
        unsafe { slot.as_ref() }
    }

    /// Returns the words of all places that were ever used.
    #[inline]
    pub(super) fn slots(&self) -> impl Iterator<Item = &Slot> {
        let used = self.places.used(self.segment()) as usize;
        // SAFETY: as in `front`.
        self.slots[..used.min(self.slots.len())].iter().map(|slot| unsafe { slot.as_ref() })
    }

    /// Returns the calling thread's place, unless there is none left.
    #[inline]
    pub(super) fn mine(&self) -> Option<Mine> {
        match Places::remembered(self.segment()) {
            Some(mine) => Some(mine),
            None => self.places.mine(self.segment()).ok(),
        }
    }

    #[inline]
    pub(super) fn is_alive(&self, name: Name) -> bool {
        self.places.is_alive(self.segment(), name)
    }

    pub(super) fn places(&self) -> Places {
        self.places
    }

    #[inline]
    pub(super) fn segment(&self) -> &Arc<Segment> {
        self.handle.segment()
    }

    #[cfg(feature = "serde")]
    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Sees to it that the calling thread is no member any more when it ends in an orderly way.
    ///
    /// Not in a section: it allocates.
    pub(super) fn leaves_at_its_end(self: &Arc<Self>, mine: Mine) {
        let (name, process) = (mine.name(), std::process::id());
        if let Some((ours, of)) = self.ours.get(mine.index() as usize) {
            // Relaxed: this thread's own, until the last handle goes.
            of.store(process, Relaxed);
            ours.store(name.raw(), Relaxed);
        }
        let _ = LEAVERS.try_with(|leavers| {
            let mut leavers = leavers.borrow_mut();
            leavers.retain(|leaver| leaver.words.strong_count() > 0);
            leavers.push(Leaver { words: Arc::downgrade(self), name, process });
        });
    }

    /// Ends a membership. Its thread must not be waiting.
    fn leave(&self, name: Name) {
        let member = &self.slot(name.index()).member;
        let mut seen = member.load(Acquire);
        while Member::from_word(seen).is(name) {
            let without = Member::from_word(seen).without().word();
            // Relaxed: nothing goes with it.
            match member.compare_exchange_weak(seen, without, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }
}

thread_local! {
    // Made after the thread's first place, so that it goes before the places do.
    static LEAVERS: RefCell<Vec<Leaver>> = const { RefCell::new(Vec::new()) };
}

/// One barrier of which this thread is a member, until it ends.
struct Leaver {
    words: Weak<Words>,
    name: Name,
    process: u32,
}

impl Drop for Leaver {
    fn drop(&mut self) {
        // In the child of a fork it is a copy, and its thread another.
        if let Some(words) = self.words.upgrade().filter(|_| self.process == std::process::id()) {
            words.leave(self.name);
        }
    }
}

impl Drop for Words {
    /// The last handle goes: nobody of this process can come any more.
    fn drop(&mut self) {
        let process = std::process::id();
        let names = self.ours.iter().filter_map(|(name, of)| {
            Name::from_raw(name.load(Relaxed)).filter(|_| of.load(Relaxed) == process)
        });
        for name in names {
            // Under the lock, as one may be waiting by way of another handle.
            let _section = self.front().lock.lock(&self.lock_spin);
            let state = self.slot(name.index()).state.load(Relaxed);
            if state & ARRIVED == 0 {
                self.leave(name);
            }
        }
    }
}
