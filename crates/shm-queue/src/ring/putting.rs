//! Sending: find a place, write there, publish.

use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};

use super::{Patience, Stop, publish};
use crate::ends::{End, Peers};
use crate::memory::Memory;
use crate::words::{SENDERS, distance};

impl<C> End<C, SENDERS> {
    /// Puts one message: finds a `place` for it given both indices, and has it written there.
    #[inline]
    pub(crate) fn put<P>(
        &self,
        patience: Patience,
        place: impl Fn(&Memory<C>, u32, u32) -> Option<P>,
        write: impl FnOnce(&Memory<C>, u32, P),
    ) -> Result<(), Stop> {
        let write = |memory: &Memory<C>, tail, place| {
            write(memory, tail, place);
            1
        };
        self.put_some(patience, place, write).map(drop)
    }

    /// Puts messages: finds a `place` for one at least, given both indices, and has as many written
    /// there as fit; publishes the number that `write` returns in one go, and returns it.
    #[inline]
    pub(crate) fn put_some<P>(
        &self,
        patience: Patience,
        place: impl Fn(&Memory<C>, u32, u32) -> Option<P>,
        write: impl FnOnce(&Memory<C>, u32, P) -> u32,
    ) -> Result<u32, Stop> {
        if self.some_peer_left() && matches!(self.peers(), Peers::Gone) {
            return Err(Stop::Gone);
        }
        let memory = self.memory();
        let own = self.own();
        if matches!(patience, Patience::Try) {
            // What was seen last is in a line of our own, and mostly enough.
            let (tail, head) = (own.word.0.load(Relaxed), own.inside.0.seen.load(Relaxed));
            if place(memory, tail, head).is_none() && self.is_full(&place) {
                return Err(self.late());
            }
        }
        let mut last = false;
        loop {
            let section = self.enter(patience)?;
            // SeqCst: as the load of `asleep` in `publish`; receivers that have seen the queue closed and
            // empty outlast us before they believe it.
            if self.closed().load(SeqCst) != 0 {
                return Err(Stop::Gone);
            }
            // Relaxed: only the holder of the lock moves it, and the lock orders the holders.
            let tail = own.word.0.load(Relaxed);
            let free = place(memory, tail, own.inside.0.seen.load(Relaxed))
                .or_else(|| self.look(patience, |head| place(memory, tail, head)));
            if let Some(free) = free {
                let n = write(memory, tail, free);
                publish(own, tail.wrapping_add(n), n);
                drop(section);
                return Ok(n);
            }
            drop(section);
            if last {
                return Err(Stop::Late);
            }
            self.sleep(patience, &|| self.has_place(&place))?;
            // What was seen from outside may not be so inside: once more, but not beyond the deadline.
            last = patience.is_over();
        }
    }

    /// Says whether there is a place now, without the lock.
    fn has_place<P>(&self, place: impl Fn(&Memory<C>, u32, u32) -> Option<P>) -> bool {
        let tail = self.own().word.0.load(Acquire);
        let head = self.other_word().load(Acquire);
        place(self.memory(), tail, head).is_some()
    }

    /// Says whether there is no place now, without the lock.
    fn is_full<P>(&self, place: impl Fn(&Memory<C>, u32, u32) -> Option<P>) -> bool {
        // The receivers' index is read second, so the queue is not emptier than it looks.
        let tail = self.own().word.0.load(Acquire);
        let head = self.other_word().load(Acquire);
        distance(tail, head) <= self.memory().capacity()
            && place(self.memory(), tail, head).is_none()
    }

    /// Tells "full" from "full for ever".
    #[cold]
    fn late(&self) -> Stop {
        if self.is_over() { Stop::Gone } else { Stop::Late }
    }
}
