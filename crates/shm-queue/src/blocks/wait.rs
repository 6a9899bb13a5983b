//! Getting a block, and waiting for one.
//!
//! Those who wait for a block of one size stand at its turnstile; its holder, the *leader*, alone
//! sleeps. It writes its name where who frees a block finds it, looks at all blocks once more, and
//! sleeps on
//!
//! - `changes`, which moves when a block is freed and when one leaves the ring,
//! - the life of every thread that keeps one of the blocks, as it saw in that look,
//! - the lives of the other sizes' leaders: of those who watch one life the kernel wakes one,
//! - the departures of receivers, and the word that closes the queue.
//!
//! So every way in which a block becomes free moves a word that it sleeps on:
//!
//! | a block was seen | and then | the leader is woken by |
//! |---|---|---|
//! | held, or taken, by a living thread | freed | `changes`; if it is killed before that moves, its life |
//! | the same | its thread dies | its life |
//! | held by a living thread | sent | nobody: it is not free |
//! | in the ring | taken out by somebody | `changes`, before the ring's index moves |
//! | free | taken by a faster one | nobody: the leader does not sleep, but looks again |
//!
//! A leader that is killed, asleep or just woken, leaves the turnstile to the next, who looks anew.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::SeqCst;
use core::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex::{self, MAX_WAIT};
use multiproc_core::lock::section::Section;
use multiproc_core::place::{Mine, Name};

use super::ends::BlockEnd;
use super::owner::Tag;
use super::slab::{Slab, THREADS};
use crate::ends::Peers;
use crate::ring::{Patience, Stop};
use crate::words::SENDERS;

/// How long a leader sleeps before it asks whether the receivers were killed: twice as long after
/// each time, up to the second number. Very long in the unit tests, where a lost wake-up must show
/// as a hang.
const ASK: [Duration; 2] = match cfg!(test) {
    true => [Duration::from_secs(3_600); 2],
    false => [Duration::from_millis(100), Duration::from_millis(1_600)],
};

/// How long one who waits for the turnstile waits before it looks around itself.
const LOOK: Duration = match cfg!(test) {
    true => Duration::from_secs(3_600),
    false => Duration::from_millis(250),
};

impl BlockEnd<SENDERS> {
    /// Gets a block of this size for the calling thread.
    pub(super) fn block(&self, size: usize, mine: Mine, patience: Patience) -> Result<u32, Stop> {
        if self.is_closed() || (self.some_peer_left() && self.has_nobody_left()) {
            return Err(Stop::Gone);
        }
        let me = Tag::of(mine.name());
        match self.slab.take_free(size, me) {
            Some(block) => Ok(block),
            None => self.block_slowly(size, mine, patience),
        }
    }

    fn has_nobody_left(&self) -> bool {
        self.peers() == Peers::Gone
    }

    #[cold]
    fn block_slowly(&self, size: usize, mine: Mine, patience: Patience) -> Result<u32, Stop> {
        let slab = &self.slab;
        let me = Tag::of(mine.name());
        let look = || slab.take_any(size, me, &self.queued(), |_| ());
        if let Some(block) = look() {
            return Ok(block);
        }
        let Patience::Until(deadline) = patience else {
            return Err(if self.has_nobody_left() { Stop::Gone } else { Stop::Late });
        };
        let mut found = None;
        slab.block_spin.until(|| {
            found = slab.take_free(size, me);
            found.is_some()
        });
        if let Some(block) = found {
            return Ok(block);
        }
        let turnstile = &slab.size_words(size).turnstile.0;
        let turn = loop {
            if let Some(turn) = turnstile.lock_until(&slab.turn_spin, deadline.slice(LOOK)) {
                break turn;
            }
            // In case the leader was stopped in its sleep.
            if let Some(block) = look() {
                return Ok(block);
            }
            if self.is_closed() || self.has_nobody_left() {
                return Err(Stop::Gone);
            }
            if deadline.has_passed() {
                return Err(Stop::Late);
            }
        };
        let got = self.lead(size, mine, patience, &turn);
        // SeqCst, as all accesses; only who has the turn writes a living name.
        slab.waiting(size).leader.store(0, SeqCst);
        got
    }

    /// Waits for a block, having the turn.
    fn lead(
        &self,
        size: usize,
        mine: Mine,
        patience: Patience,
        _turn: &Section<'_>,
    ) -> Result<u32, Stop> {
        let Patience::Until(deadline) = patience else { return Err(Stop::Late) };
        let slab = &self.slab;
        let (waiting, me) = (slab.waiting(size), Tag::of(mine.name()));
        waiting.leader.store(mine.name().raw(), SeqCst);
        slab.introduce(size);
        let [mut ask, most] = ASK;
        loop {
            if self.is_closed() {
                return Err(Stop::Gone);
            }
            let mut watched = Watched::nobody();
            // SeqCst: after the store of the name; a change that this misses, the look below sees.
            let changes = waiting.changes.load(SeqCst);
            let found = slab.take_any(size, me, &self.queued(), |name| watched.add(name));
            if found.is_some() {
                return found.ok_or(Stop::Late);
            }
            slab.other_leaders(size).for_each(|name| watched.add(name));
            let departures = match self.peers() {
                Peers::There { departures } => departures,
                Peers::Gone => return Err(Stop::Gone),
            };
            if deadline.has_passed() {
                return Err(Stop::Late);
            }
            // The last is 0 until the queue is closed.
            let own = [
                (&waiting.changes, changes),
                (self.their_departures(), departures),
                (self.closed(), 0),
            ];
            watched.sleep(slab, own, deadline.slice(ask));
            ask = (ask * 2).min(most);
        }
    }
}

/// Whose lives a leader sleeps on: one thread for each place, the first that was named.
struct Watched {
    /// The places, a bit for each.
    places: u128,
    names: [Option<Name>; THREADS as usize],
    len: usize,
}

impl Watched {
    fn nobody() -> Self {
        Self { places: 0, names: [None; THREADS as usize], len: 0 }
    }

    fn add(&mut self, name: Name) {
        let place = 1u128.checked_shl(name.index()).unwrap_or(0);
        if self.places & place == 0 && self.len < self.names.len() {
            self.places |= place;
            self.names[self.len] = Some(name);
            self.len += 1;
        }
    }

    fn names(&self) -> impl Iterator<Item = Name> {
        self.names[..self.len].iter().copied().flatten()
    }

    /// Sleeps until one of `own` changes or one of the threads dies; tells others of deaths.
    fn sleep<const N: usize>(&self, slab: &Slab, own: [(&AtomicU32, u32); N], until: Deadline) {
        #[cfg(test)]
        if super::killed::is_broken(super::killed::Broken::WatchesNobody) {
            futex::wait_any(&own, until);
            return;
        }
        let (places, segment) = (slab.places, slab.segment());
        let mut words = [own[0]; MAX_WAIT];
        words[..N].copy_from_slice(&own);
        let mut len = N;
        for name in self.names() {
            let Some(word) = places.watch(segment, name) else {
                // It died since the look: look again.
                return;
            };
            words[len] = word;
            len += 1;
        }
        if futex::wait_any(&words[..len], until).is_none() {
            // Slept long: the kernel may have missed one.
            for name in self.names() {
                let _ = places.bury_the_lost(segment, name);
            }
        }
        #[cfg(test)]
        if super::killed::is_broken(super::killed::Broken::TellsNobody) {
            return;
        }
        // Whichever word it was: there may have been two wakes.
        self.names().for_each(|name| places.tell(segment, name));
    }
}
