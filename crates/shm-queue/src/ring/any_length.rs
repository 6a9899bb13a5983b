//! Sending and receiving messages that lie in the arena.

use core::sync::atomic::Ordering::Relaxed;

use super::{Patience, Stop};
use crate::arena::Variable;
use crate::ends::End;
use crate::words::{RECEIVERS, SENDERS, distance};

/// Room that is made for messages of which none has come yet.
const FEW: usize = 32;

/// Why a message was not put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has `len` bytes and can never fit.
    TooLarge { len: usize, most: usize },
    /// It could not be put now.
    Stop(Stop),
}

impl<C: Variable> End<C, SENDERS> {
    /// Refuses a length that can never fit.
    pub(crate) fn fitting(&self, len: usize) -> Result<u32, Refusal> {
        let most = self.memory().most();
        let fits = u32::try_from(len).ok().filter(|len| *len <= most);
        // A `u32`.
        fits.ok_or(Refusal::TooLarge { len, most: most as usize })
    }

    /// Puts a message of any length.
    pub(crate) fn put_bytes(&self, patience: Patience, message: &[u8]) -> Result<(), Refusal> {
        let len = self.fitting(message.len())?;
        self.put(
            patience,
            |memory, tail, head| memory.place(tail, head, len),
            |memory, tail, extent| memory.copy_in(tail, extent, message),
        )
        .map_err(Refusal::Stop)
    }

    /// Puts the messages that `message` gives by number, from the first on as many as there is room for,
    /// and returns how many. One that can never fit ends them, and is refused when it is the first.
    ///
    /// `message` is called in the section, where a user's code has no place.
    pub(crate) fn put_many_bytes<'a>(
        &self,
        patience: Patience,
        message: impl Fn(usize) -> Option<&'a [u8]>,
    ) -> Result<usize, Refusal> {
        let Some(first) = message(0) else { return Ok(0) };
        let len = self.fitting(first.len())?;
        let sent = self.put_some(
            patience,
            |memory, tail, head| memory.place(tail, head, len).map(|extent| (extent, head)),
            |memory, tail, (extent, head)| {
                memory.copy_in(tail, extent, first);
                let mut n = 1;
                while let Some(next) = message(n as usize) {
                    let tail = tail.wrapping_add(n);
                    let len = u32::try_from(next.len()).ok();
                    let Some(extent) = len.and_then(|len| memory.place(tail, head, len)) else {
                        break;
                    };
                    memory.copy_in(tail, extent, next);
                    n += 1;
                }
                n
            },
        );
        sent.map(|sent| sent as usize).map_err(Refusal::Stop)
    }
}

/// Messages of any length, one behind the other.
#[derive(Debug)]
pub(crate) struct Flat {
    pub(crate) bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Flat {
    /// Empties it, keeping `bytes` for their allocation.
    pub(crate) fn over(mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        Self { bytes, ends: Vec::new() }
    }

    /// Says that a message ends here.
    pub(crate) fn end_message(&mut self) {
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns the message with this number.
    pub(crate) fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.bytes.get(start..end)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map_while(|at| self.get(at))
    }
}

impl<C: Variable> End<C, RECEIVERS> {
    /// Takes a message of any length into `buffer`, which is empty when there is none.
    pub(crate) fn take_bytes(&self, patience: Patience, buffer: &mut Vec<u8>) -> Result<(), Stop> {
        buffer.clear();
        // In most cases it is still the next message once we are inside.
        let mut room = self.next_len();
        loop {
            buffer.reserve(room);
            let taken = self.take_some(patience, |memory, head, len| {
                let extent = memory.extent(head);
                memory.prefetch_both(head, len, extent);
                memory.copy_out(extent, buffer).map(|()| ((), 1))
            })?;
            match taken {
                Ok(()) => return Ok(()),
                Err(needed) => room = needed,
            }
        }
    }

    /// Returns how long the next message is, as far as can be told from outside; 0 if there is none.
    fn next_len(&self) -> usize {
        let own = self.own();
        // Relaxed: a hint. The other end's line is left alone as long as messages are known of.
        let head = own.word.0.load(Relaxed);
        let seen = distance(own.inside.0.seen.load(Relaxed), head);
        // What was seen may lie behind the index, which others may have moved.
        let known = (1..=self.memory().capacity()).contains(&seen).then_some(head);
        known.or_else(|| self.next_index()).map_or(0, |head| self.memory().len_hint(head))
    }

    /// Takes as many messages as there are, at most `most`, one at least, behind each other into `flat`,
    /// which is empty.
    pub(crate) fn take_many_bytes(
        &self,
        patience: Patience,
        most: usize,
        flat: &mut Flat,
    ) -> Result<(), Stop> {
        let (count, bytes) = self.hint(most);
        flat.ends.reserve(count);
        flat.bytes.reserve(bytes);
        loop {
            let taken = self.take_some(patience, |memory, head, len| {
                let mut n = 0;
                while n < len && flat.ends.len() < flat.ends.capacity().min(most) {
                    let extent = memory.extent(head.wrapping_add(n));
                    match memory.copy_out(extent, &mut flat.bytes) {
                        Ok(()) => flat.end_message(),
                        Err(needed) if n == 0 => return Err(needed),
                        Err(_) => break,
                    }
                    n += 1;
                }
                Ok(((), n))
            })?;
            match taken {
                Ok(()) => return Ok(()),
                Err(needed) => flat.bytes.reserve(needed),
            }
        }
    }

    /// Returns how many messages there may be to take, and how many bytes.
    fn hint(&self, most: usize) -> (usize, usize) {
        let head = self.next_index().unwrap_or(0);
        // At most the capacity, a `u32`.
        let there = self.len().min(most) as u32;
        let memory = self.memory();
        let lens = (0..there).map(|at| memory.len_hint(head.wrapping_add(at)) as u64);
        // At most what the arena holds, if the lengths are true.
        let bytes = lens.sum::<u64>().min(memory.arena_bytes) as usize;
        (most.min((there as usize).max(FEW)), bytes)
    }
}
