//! The places that the calling thread has: its mappings, its entries, and what it remembers of them.

#![allow(unsafe_code, reason = "maps, links and unmaps the page of a life cell")]

use core::cell::{Cell as LocalCell, RefCell};
use core::mem;
use core::ptr::NonNull;
use core::sync::atomic::Ordering::Release;
use std::sync::{Arc, Weak};

use rustix::io::Errno;
use rustix::mm::{MapFlags, MremapFlags, ProtFlags};

use super::{Cell, Name, NoPlace, Places};
use crate::futex;
use crate::lock::word::WAITERS;
use crate::robust::{ENTRY_AFTER_WORD, Entry, MOST_LINKED, Thread};
use crate::segment::{Segment, page};

/// How many segments a thread remembers its place in without searching.
const REMEMBERED: usize = 8;

thread_local! {
    static LAST: [LocalCell<(u64, Option<Name>)>; REMEMBERED] =
        const { [const { LocalCell::new((0, None)) }; REMEMBERED] };
    static SEATS: Seats = const { Seats(RefCell::new(Vec::new())) };
    /// How much this thread holds by its places. Without a destructor: guards may go after the seats.
    static HELD: LocalCell<u32> = const { LocalCell::new(0) };
}

/// What a thread can hold at most: a count that wrapped would say that it holds nothing.
const MOST_HELD: u32 = i32::MAX.cast_unsigned();

/// The places of a thread, given up when it ends.
struct Seats(RefCell<Vec<Seat>>);

impl Drop for Seats {
    fn drop(&mut self) {
        // A guard in another thread-local may outlive this one, and was leaked if not. The entries stay
        // linked and mapped, and the kernel ends the lives when nothing of the thread can run any more.
        if HELD.get() > 0 {
            mem::forget(mem::take(self.0.get_mut()));
        }
    }
}

impl Places {
    /// Counts something that the calling thread holds by the name of a place.
    ///
    /// While it holds anything its places stay, in the destructors of its thread-locals, too, and last
    /// until the kernel has ended the thread. [`release`](Self::release) must follow from the same thread.
    ///
    /// # Panics
    ///
    /// When the thread holds 2^31 - 1 things already.
    #[inline]
    pub fn hold() {
        let held = HELD.get();
        if held == MOST_HELD {
            holds_too_much();
        }
        HELD.set(held + 1);
    }

    /// Ends what [`hold`](Self::hold) began.
    #[inline]
    pub fn release() {
        HELD.set(HELD.get().saturating_sub(1));
    }
}

#[cold]
fn holds_too_much() -> ! {
    panic!("this thread has forgotten {MOST_HELD} guards")
}

/// Returns the calling thread's name in the mapping with this number, if it remembers one.
#[inline]
pub(super) fn known(id: u64) -> Option<Name> {
    let (known, name) = LAST.with(|last| last[id as usize % REMEMBERED].get());
    if known == id { name } else { None }
}

/// In the child of a fork: its places are its parent's.
pub(crate) fn forget() {
    LAST.with(|last| last.iter().for_each(|last| last.set((0, None))));
}

/// Returns the calling thread's name in the segment, taking a place if it has none.
pub(super) fn find_or_take(places: Places, segment: &Arc<Segment>) -> Result<Name, NoPlace> {
    let me = Thread::current();
    let taken = SEATS.try_with(|seats| {
        let mut seats = seats.0.borrow_mut();
        seats.retain(|seat| seat.is_wanted(me));
        if let Some(seat) = seats.iter().find(|seat| seat.id == segment.id()) {
            return Ok(seat.name);
        }
        // Room first: the allocator may be the user's, whose code has no place in a section.
        seats.reserve(1);
        let seat = places.take(segment, |at, name| Seat::take(segment, at, name, me))?;
        let name = seat.name;
        seats.push(seat);
        Ok(name)
    });
    let name = taken.unwrap_or_else(|_| Err(NoPlace::System(Errno::SRCH.into())))?;
    LAST.with(|last| last[segment.id() as usize % REMEMBERED].set((segment.id(), Some(name))));
    Ok(name)
}

/// Gives up the calling thread's place in a segment that is going.
pub(crate) fn leave(id: u64) {
    let _ = SEATS.try_with(|seats| {
        // Not when it comes from a seat's own end.
        if let Ok(mut seats) = seats.0.try_borrow_mut() {
            seats.retain(|seat| seat.id != id);
        }
    });
}

/// A place that this thread has. Dropping it leaves.
struct Seat {
    id: u64,
    name: Name,
    tid: u32,
    /// The page with the cell, mapped once more, and the private one behind it.
    base: NonNull<u8>,
    /// Where in it the cell lies.
    at: usize,
    segment: Weak<Segment>,
}

impl Seat {
    /// Maps the cell at `at` of the body, and lives in it. The caller has made sure that it is free.
    fn take(segment: &Arc<Segment>, at: usize, name: Name, me: Thread) -> Result<Self, NoPlace> {
        if me.linked() >= MOST_LINKED {
            let text = "this thread holds as many locks as the kernel looks after";
            return Err(NoPlace::System(std::io::Error::other(text)));
        }
        let cell = segment.body(at, size_of::<Cell>());
        let (page_start, at) = (cell.addr().get() / page() * page(), cell.addr().get() % page());
        let base = map_again(cell.as_ptr().with_addr(page_start)).map_err(NoPlace::System)?;
        let (id, tid, segment) = (segment.id(), me.tid(), Arc::downgrade(segment));
        let seat = Self { id, name, tid, base, at, segment };
        // SAFETY: the entry lies behind its word, in a page of this process alone that stays mapped until
        // `drop` has unlinked it; the eight bytes before it are in that page, too.
        unsafe { me.link(seat.entry()) };
        // Linked first: an entry whose word names nobody is nothing to the kernel. Release: pairs with the
        // Acquire in `Places::life`, behind the generation.
        seat.cell().life.store(tid | WAITERS, Release);
        Ok(seat)
    }

    fn is_wanted(&self, me: Thread) -> bool {
        self.tid == me.tid() && self.segment.strong_count() > 0
    }

    fn cell(&self) -> &Cell {
        // SAFETY: inside the page mapped by `take`.
        let cell = unsafe { self.base.add(self.at) };
        // SAFETY: aligned there, mapped as long as `self`; `Plain`.
        unsafe { cell.cast::<Cell>().as_ref() }
    }

    fn entry(&self) -> &Entry {
        // SAFETY: the cells of a page are its last 24 bytes, so this lies 8 to 24 bytes into the private page.
        let entry = unsafe { self.base.add(self.at + ENTRY_AFTER_WORD) };
        // SAFETY: aligned, zeroed at first, only ever seen as an entry, mapped as long as `self`.
        unsafe { entry.cast::<Entry>().as_ref() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        LAST.with(|last| {
            let last = &last[self.id as usize % REMEMBERED];
            if last.get().0 == self.id {
                last.set((0, None));
            }
        });
        let me = Thread::current();
        // In the child of a fork it is a copy of the parent's, in no list of this thread.
        if self.tid == me.tid() {
            // One step: killed before it, the kernel tells; after it, all have been told.
            futex::clear_and_wake(&self.cell().life);
            // SAFETY: what this thread has linked is kept mapped until it is unlinked.
            unsafe { me.unlink(self.entry()) };
        }
        // SAFETY: our own mapping, in no list any more; the references above have ended.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), 2 * page()) };
    }
}

/// Maps a page of a segment at a second address, with a page of this process alone behind it.
fn map_again(shared: *mut u8) -> std::io::Result<NonNull<u8>> {
    let (protection, anywhere) = (ProtFlags::READ | ProtFlags::WRITE, core::ptr::null_mut());
    // SAFETY: a new mapping at an address of the kernel's choice.
    let base =
        unsafe { rustix::mm::mmap_anonymous(anywhere, 2 * page(), protection, MapFlags::PRIVATE) }?;
    // An old length of zero makes a second mapping of shared memory, and needs no descriptor.
    // SAFETY: replaces the front of the mapping just made, which nobody else knows of; `shared` stays.
    let moved =
        unsafe { rustix::mm::mremap_fixed(shared.cast(), 0, page(), MremapFlags::MAYMOVE, base) };
    if let Err(error) = moved {
        // SAFETY: as above; nothing has been returned that points into it.
        let _ = unsafe { rustix::mm::munmap(base, 2 * page()) };
        return Err(error.into());
    }
    NonNull::new(base.cast()).ok_or_else(|| Errno::NOMEM.into())
}
