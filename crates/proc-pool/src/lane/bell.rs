//! The bell: one word on which one thread of the pool sleeps, and which all workers ring.
//!
//! A worker commits its answer and then looks whether somebody sleeps; the sleeper says that it sleeps and
//! then looks at the answers. All four are sequentially consistent, so one of them sees the other:
//!
//! ```text
//! worker:   store(answered);       load(asleep)      -> rings if it is not 0
//! sleeper:  load(rings), store(asleep); load(answered) -> sleeps on `rings` if nothing is new
//! ```
//!
//! A ring and its wake are one system call. A worker that is killed between its commit and its ring has
//! left an answer that nobody was told of; the thread that sees its death rings in its place.
//!
//! Who may write to the bell can keep the sleeper awake or quiet, and nothing else: nothing is read from
//! here but whether to look. So the sleeper looks up now and then, whatever it waits for.

#[cfg(test)]
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use core::sync::atomic::fence;
use std::io;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use serde::{Deserialize, Serialize};

use super::mapped::Mapped;
use super::words::BellWords;

/// A handle of the bell, in the pool or in a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Bell(Mapped<BellWords>);

impl Bell {
    pub(crate) fn new() -> io::Result<Self> {
        Mapped::new().map(Self)
    }

    fn words(&self) -> &BellWords {
        self.0.words()
    }

    /// Wakes the sleeper, if there is one. What it is to see was stored before, sequentially consistent.
    #[inline]
    pub(crate) fn ring(&self) {
        // SeqCst: see above; pairs with the store in `sleep`.
        let sleep = self.words().asleep.load(SeqCst);
        if sleep != 0 {
            self.ring_for(sleep);
        }
    }

    /// As [`ring`](Self::ring), after a change of whatever kind that the sleeper's `ready` looks at.
    pub(crate) fn nudge(&self) {
        // Between that change and the load in `ring`; pairs with the fence in `sleep`.
        fence(SeqCst);
        self.ring();
    }

    #[cold]
    fn ring_for(&self, sleep: u32) {
        let BellWords { rings, asleep } = self.words();
        futex::add_and_wake(rings, 1, 1);
        // It wakes: the next who has something to tell need not ring. Not if it sleeps anew already.
        let _ = asleep.compare_exchange(sleep, 0, SeqCst, SeqCst);
    }

    /// Sleeps until somebody rings or until the deadline, unless `ready` says that there is something.
    ///
    /// One thread at a time, with a number of its own for each sleep.
    pub(crate) fn sleep(&self, number: &mut u32, deadline: Deadline, ready: impl FnOnce() -> bool) {
        *number = number.wrapping_add(1).max(1);
        let BellWords { rings, asleep } = self.words();
        // SeqCst, all three: see above; pair with `ring` and what was stored before it.
        let before = rings.load(SeqCst);
        asleep.store(*number, SeqCst);
        fence(SeqCst);
        if !ready() {
            futex::wait(rings, before, deadline);
        }
        asleep.store(0, SeqCst);
    }

    /// Returns the words, to be garbled.
    #[cfg(test)]
    pub(super) fn raw(&self) -> [&AtomicU32; 2] {
        let BellWords { rings, asleep } = self.words();
        [rings, asleep]
    }
}
