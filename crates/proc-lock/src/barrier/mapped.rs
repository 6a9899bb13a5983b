//! A mapped barrier: where its words lie in this process, and which of its threads are members.

#![allow(unsafe_code, reason = "keeps the addresses of words beside their mapping")]

use std::cell::RefCell;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::{Arc, Weak};

use multiproc_core::deadline::Deadline;
use multiproc_core::place::{MAX_PLACES, Mine, Name, Places};
use multiproc_core::segment::Segment;
use multiproc_core::spin::Spin;

use crate::handle::Handle;

use super::parties::Parties;
use super::round::BRIEFLY;
use super::words::{ARRIVED, Front, Member, Slot};

/// A mapped barrier: its words, and its members' places.
pub(super) struct Words {
    handle: Handle,
    places: Places,
    pub(super) parties: Parties,
    front: NonNull<Front>,
    slots: [NonNull<Slot>; MAX_PLACES as usize],
    /// The thread of this process that runs its action, by name.
    pub(super) leading: AtomicU64,
    pub(super) lock_spin: Spin,
    pub(super) round_spin: Spin,
    /// Behind the handle, as fields are dropped in this order.
    _last: Last,
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
        let last = Last(Some(Arc::clone(segment)));
        Self {
            parties: Parties::from_capacity(handle.capacity()),
            handle,
            places,
            front,
            slots,
            leading: AtomicU64::new(0),
            lock_spin: Spin::new(),
            round_spin: Spin::new(),
            _last: last,
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
    pub(super) fn leaves_at_its_end(&self, mine: Mine) {
        let (name, process) = (mine.name(), std::process::id());
        let segment = Arc::downgrade(self.segment());
        let _ = LEAVERS.try_with(|leavers| {
            let mut leavers = leavers.borrow_mut();
            leavers.retain(|leaver| leaver.segment.strong_count() > 0);
            // It may come to a broken barrier again and again.
            if !leavers.iter().any(|it| it.name == name && it.segment.ptr_eq(&segment)) {
                leavers.push(Leaver { segment, name, process });
            }
        });
    }
}

/// Ends a membership. Its thread must not be waiting.
fn leave(slot: &Slot, name: Name) {
    let mut seen = slot.member.load(Acquire);
    while Member::from_word(seen).is(name) {
        let without = Member::from_word(seen).without().word();
        // Relaxed: nothing goes with it.
        match slot.member.compare_exchange_weak(seen, without, Relaxed, Relaxed) {
            Ok(_) => return,
            Err(now) => seen = now,
        }
    }
}

thread_local! {
    // Made after the thread's first place, so that it goes before the places do.
    static LEAVERS: RefCell<Vec<Leaver>> = const { RefCell::new(Vec::new()) };
}

/// One barrier of which this thread is a member, until it ends, by whichever handle it came.
struct Leaver {
    segment: Weak<Segment>,
    name: Name,
    process: u32,
}

impl Drop for Leaver {
    fn drop(&mut self) {
        // In the child of a fork it is a copy, and its thread another.
        let ours = self.process == std::process::id();
        if let Some(segment) = self.segment.upgrade().filter(|_| ours) {
            leave(places().data(&segment, self.name.index(), 0), self.name);
            drop(Last(Some(segment)));
        }
    }
}

/// Keeps the mapping. With the last one all members of this process leave: nobody can come any more.
struct Last(Option<Arc<Segment>>);

impl Drop for Last {
    fn drop(&mut self) {
        let Some(segment) = self.0.take().and_then(Arc::into_inner) else { return };
        let (places, process) = (places(), std::process::id());
        // The living: a dead one's process may have had our number.
        let ours = |slot: &Slot| {
            Member::from_word(slot.member.load(Acquire)).name().filter(|name| {
                slot.process.load(Relaxed) == process && places.is_alive(&segment, *name)
            })
        };
        let slots = || (0..places.used(&segment)).map(|at| places.data::<Slot>(&segment, at, 0));
        if slots().all(|slot| ours(slot).is_none()) {
            return;
        }
        // Under the lock, as another thread may have mapped it anew and be waiting. If a peer is stopped
        // in the section they stay, until the kernel tells that they ended.
        let front = segment.get::<Front>(0);
        let section = front.lock.lock_until(segment.spin(), Deadline::after(BRIEFLY));
        for slot in slots().filter(|_| section.is_some()) {
            if let Some(name) = ours(slot).filter(|_| slot.state.load(Relaxed) & ARRIVED == 0) {
                leave(slot, name);
            }
        }
    }
}
