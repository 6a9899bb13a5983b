//! The state machine: words in shared memory, and who may change them.
//!
//! ```text
//! calls     bits 31..1  how often somebody was called     bit 0  WAITED: somebody waits, or did
//! crowded   1 once a waiter found no place free
//! ```
//!
//! | `calls` | who may change it | to what |
//! |---|---|---|
//! | n | a waiter, under its mutex, before it sleeps | n, WAITED |
//! | n, WAITED | who notifies one | n + 1, WAITED, and one sleeper is woken: one system call |
//! | n, WAITED | who notifies all | n + 1, and all sleepers are woken: one system call |
//! | any | a thread that takes its place | n + 1, and all sleepers are woken: one system call |
//!
//! The step of "notify all" adds 1 blindly: of two at once the second sets WAITED for nobody, and wakes all
//! again. So while anybody sleeps, WAITED is set.
//!
//! # A notified waiter that dies
//!
//! A notification wakes one sleeper, and if that one is killed before it has looked, another must look
//! instead. Nothing in the words says that a notification is under way. Instead every waiter, and everyone
//! who notifies, has a *place* ([`multiproc_core::place`]), and a sleeper sleeps on the lives of all of
//! them besides the calls: wherever one of them dies, one sleeper is woken by the kernel, tells the others,
//! and all look. That covers more than the woken waiter: who is killed after it changed the data and
//! before it notified, or inside the mutex, is found out in the same way, if it has used the condvar before.
//!
//! What a sleeper watches is noted ([`Ticket`]) *before* it looks whether it need sleep, so that a death or
//! a call between the look and the sleep keeps it awake. A thread that takes a place later calls all,
//! who then note it, too.
//!
//! Who finds no place free is watched by nobody, so from then on each call wakes all (`crowded`).

#![allow(unsafe_code, reason = "declares which words a mapping may be viewed as")]

use std::iter;
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use multiproc_core::place::{Name, Places};
use multiproc_core::segment::{Plain, Segment};
use multiproc_core::spin::Spin;

/// How many threads may use a condvar before each notification wakes all of them.
const PLACES: u32 = 60;

/// How long a waiter sleeps before it looks all the same.
///
/// The kernel tells of every death of a thread that has a place. This is for the data that somebody changed
/// who never used the condvar before, and was killed on the way to it.
const BELT: Duration = Duration::from_secs(1);

const WAITED: u32 = 1;
const ONE: u16 = 2;

/// The shared words; the places lie behind them.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 4 | `calls` | waiters, and who calls them |
/// | 4 | 4 | `crowded` | waiters without a place, once |
#[repr(C)]
#[derive(Debug)]
struct Words {
    calls: AtomicU32,
    crowded: AtomicU32,
}

const _: () = assert!(size_of::<Words>() == 8);

// SAFETY: atomics only; any value is a state, zero is "nobody waits".
unsafe impl Plain for Words {}

/// Returns where the places lie, which says how large a segment is.
pub(super) fn places() -> Places {
    Places::after(size_of::<Words>(), PLACES)
}

/// One mapped condvar.
#[derive(Clone, Copy)]
pub(super) struct Calls<'a> {
    pub(super) segment: &'a Arc<Segment>,
    pub(super) places: Places,
}

/// What a waiter noted before it looked: whatever of it changes keeps it awake, or wakes it.
pub(super) struct Ticket<'a> {
    calls: u32,
    /// Who was there, and what their life words held.
    lives: Vec<(Name, (&'a AtomicU32, u32))>,
}

impl<'a> Calls<'a> {
    fn words(self) -> &'a Words {
        self.segment.get(0)
    }

    /// Takes a place, if the calling thread has none, and lets all sleepers note it; says whether it has one.
    fn come(self) -> bool {
        let Ok(mine) = self.places.mine(self.segment) else { return false };
        let known = self.places.data::<AtomicU64>(self.segment, mine.index(), 0);
        // Relaxed: only the thread that has the place writes here.
        if known.load(Relaxed) != mine.name().raw() {
            // First: killed in between it is dead, and its place's next thread has another name.
            futex::add_and_wake(&self.words().calls, ONE, futex::ALL);
            known.store(mine.name().raw(), Relaxed);
        }
        true
    }

    /// Notes what a waiter is to watch, before it looks at its data.
    pub(super) fn ticket(self) -> Ticket<'a> {
        if !self.come() {
            // Relaxed: set under the mutex under which the caller of a notification changed the data.
            self.words().crowded.store(1, Relaxed);
        }
        // Acquire: pairs with the system call in `come`. Who came before the calls that are noted is found
        // by the lines below; who comes later changes the calls.
        let calls = self.words().calls.load(Acquire);
        let lives = (0..self.places.used(self.segment))
            .filter_map(|index| self.places.at(self.segment, index))
            .filter_map(|name| Some((name, self.places.watch(self.segment, name)?)))
            .collect();
        Ticket { calls, lives }
    }

    /// Says that somebody waits; `false` when there was a call since the ticket. Under the mutex.
    pub(super) fn stay(self, ticket: &mut Ticket<'_>) -> bool {
        let waited = ticket.calls | WAITED;
        let calls = &self.words().calls;
        // Relaxed: the mutex orders it before the look of whoever changes the data under it.
        let stays = ticket.calls == waited
            || calls.compare_exchange(ticket.calls, waited, Relaxed, Relaxed).is_ok();
        ticket.calls = waited;
        stays
    }

    /// Sleeps until something of the ticket changes, at most until the deadline. Not under the mutex.
    pub(super) fn sleep(self, ticket: &Ticket<'_>, spin: &Spin, deadline: Deadline) {
        let calls = &self.words().calls;
        if !spin.until(|| calls.load(Relaxed) != ticket.calls) {
            let lives = ticket.lives.iter().map(|(_, life)| *life);
            let watched: Vec<_> = iter::once((calls, ticket.calls)).chain(lives).collect();
            futex::wait_any(&watched, deadline.slice(BELT));
        }
        self.tell(ticket);
    }

    /// Passes the news of deaths on: the kernel wakes one sleeper only, and that one may have been woken
    /// for something else at the same time.
    fn tell(self, ticket: &Ticket<'_>) {
        for (name, _) in &ticket.lives {
            self.places.tell(self.segment, *name);
        }
    }

    pub(super) fn notify_one(self) {
        self.come();
        let words = self.words();
        // Relaxed, both: a waiter set them under the mutex, before the caller had it.
        if words.calls.load(Relaxed) & WAITED != 0 {
            let all = words.crowded.load(Relaxed) != 0;
            futex::add_and_wake(&words.calls, ONE, if all { futex::ALL } else { 1 });
        }
    }

    pub(super) fn notify_all(self) {
        self.come();
        let words = self.words();
        // Relaxed: as in `notify_one`.
        if words.calls.load(Relaxed) & WAITED != 0 {
            // Adds one call and clears the bit.
            futex::add_and_wake(&words.calls, 1, futex::ALL);
        }
    }
}
