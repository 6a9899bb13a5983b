//! Receiving: find a message, read it, publish that its place is free.

use core::sync::atomic::Ordering::{Acquire, Relaxed};

use super::{Patience, Stop, publish, start_over};
use crate::ends::End;
use crate::memory::Memory;
use crate::words::{RECEIVERS, distance};

impl<C> End<C, RECEIVERS> {
    /// Takes one message by having it read; when `read` refuses, the message stays in the queue.
    #[inline]
    pub(crate) fn take<R, E>(
        &self,
        patience: Patience,
        read: impl FnOnce(&Memory<C>, u32) -> Result<R, E>,
    ) -> Result<Result<R, E>, Stop> {
        self.take_some(patience, |memory, head, _| read(memory, head).map(|read| (read, 1)))
    }

    /// Takes messages: has some of those that are there read, one at least, and frees in one go the
    /// places of as many as `read` says; when it refuses, all stay in the queue.
    #[inline]
    pub(crate) fn take_some<R, E>(
        &self,
        patience: Patience,
        read: impl FnOnce(&Memory<C>, u32, u32) -> Result<(R, u32), E>,
    ) -> Result<Result<R, E>, Stop> {
        let (memory, own) = (self.memory(), self.own());
        // What was seen last is in a line of our own, and mostly enough.
        if matches!(patience, Patience::Try)
            && own.word.0.load(Relaxed) == own.inside.0.seen.load(Relaxed)
            && self.is_empty()
        {
            self.late()?;
        }
        let mut last = false;
        loop {
            let section = self.enter(patience)?;
            if let Some((head, len)) = self.next_filled(patience) {
                let messages = read(memory, head, len).map(|(messages, n)| {
                    publish(own, head.wrapping_add(n), n);
                    messages
                });
                drop(section);
                return Ok(messages);
            }
            drop(section);
            if last {
                return Err(Stop::Late);
            }
            if matches!(patience, Patience::Try) {
                // The index may have moved past what was seen, by `force_send`, whose author is gone.
                self.late()?;
                return Err(Stop::Late);
            }
            self.sleep(patience, &|| !self.is_empty())?;
            // As in `put_some`.
            last = patience.is_over();
        }
    }

    /// Returns the index of the next message, and how many there are at least. The caller is in the
    /// section.
    #[inline]
    pub(crate) fn next_filled(&self, patience: Patience) -> Option<(u32, u32)> {
        let (own, capacity) = (self.own(), self.memory().capacity());
        loop {
            // Relaxed: only the holder of the lock moves it, and the lock orders the holders.
            let head = own.word.0.load(Relaxed);
            let mut len = distance(own.inside.0.seen.load(Relaxed), head);
            if len == 0 || len > capacity {
                let filled = |tail| Some(distance(tail, head)).filter(|len| *len != 0);
                len = self.look(patience, filled)?;
            }
            if len <= capacity {
                return Some((head, len));
            }
            start_over(own, self.other());
        }
    }

    /// Says whether there is no message now, without the lock.
    pub(super) fn is_empty(&self) -> bool {
        self.next_index().is_none()
    }

    /// Returns the index of the next message if there is one, without the lock.
    pub(crate) fn next_index(&self) -> Option<u32> {
        // The senders' index is read second: if they are equal, they were so at that moment.
        let head = self.own().word.0.load(Acquire);
        (head != self.other_word().load(Acquire)).then_some(head)
    }

    /// Tells "empty" from "empty for ever"; `Ok` when it is not empty any more.
    #[cold]
    fn late(&self) -> Result<(), Stop> {
        let over = self.is_over();
        // Asked second: the last of them may have published just before it left.
        match (self.is_empty(), over) {
            (false, _) => Ok(()),
            (true, true) => Err(Stop::Gone),
            (true, false) => Err(Stop::Late),
        }
    }
}
