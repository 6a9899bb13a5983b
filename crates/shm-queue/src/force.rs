//! Sending at any price: the oldest messages make room.

use core::convert::Infallible;
use core::sync::atomic::Ordering::{Acquire, Relaxed};

#[cfg(feature = "serde")]
use serde::Serialize;
#[cfg(feature = "serde")]
use serde::de::DeserializeOwned;

use crate::arena::Variable;
use crate::bytes::refused;
use crate::ends::End;
#[cfg(feature = "serde")]
use crate::error::{DecodeError, SendValueError};
use crate::error::{SendBytesError, SendError};
use crate::fixed::place;
use crate::memory::Memory;
use crate::ring::{Patience, Refusal, Stop, publish, start_over};
#[cfg(feature = "serde")]
use crate::values::{ValueSender, decode};
use crate::words::{SENDERS, distance};
use crate::{ByteSender, Item, Sender};

#[cfg(test)]
mod killed;

impl<C> End<C, SENDERS> {
    /// Puts a message, making room as long as there is none.
    fn force<P>(
        &self,
        place: impl Fn(&Memory<C>, u32, u32) -> Option<P>,
        write: impl Fn(&Memory<C>, u32, P),
        mut make_room: impl FnMut(&Self),
    ) -> Result<(), Stop> {
        loop {
            match self.put(Patience::Try, &place, &write) {
                Err(Stop::Late) => make_room(self),
                other => return other,
            }
        }
    }

    /// Takes the oldest message out unless there is a `place` for another; `None` if there is.
    fn take_oldest<P, R, E>(
        &self,
        place: impl Fn(&Memory<C>, u32, u32) -> Option<P>,
        read: impl FnOnce(&Memory<C>, u32) -> Result<R, E>,
    ) -> Option<Result<R, E>> {
        let (memory, ours, theirs) = (self.memory(), self.own(), self.other());
        let section = theirs.inside.0.lock.lock(&self.lock_spin);
        if section.owner_died() {
            self.repair();
        }
        // Acquire: pairs with the Release in `publish`.
        let tail = ours.word.0.load(Acquire);
        // Relaxed: only the holder of the lock moves it, and the lock orders the holders.
        let head = theirs.word.0.load(Relaxed);
        let len = distance(tail, head);
        if len > memory.capacity() {
            start_over(theirs, ours);
            return None;
        }
        if len == 0 || place(memory, tail, head).is_some() {
            return None;
        }
        let oldest = read(memory, head);
        if oldest.is_ok() {
            publish(theirs, head.wrapping_add(1), 1);
            self.tell_joiner();
        }
        drop(section);
        if oldest.is_ok() {
            // An error says that somebody has counted more than there were.
            let _ = self.finish_one(false);
        }
        Some(oldest)
    }
}

impl<C: Variable> End<C, SENDERS> {
    fn force_bytes(&self, message: &[u8], mut dropped: impl FnMut(Vec<u8>)) -> Result<(), Refusal> {
        let len = self.fitting(message.len())?;
        let place = |memory: &Memory<_>, tail, head| memory.place(tail, head, len);
        let write = |memory: &Memory<_>, tail, extent| memory.copy_in(tail, extent, message);
        let make_room = |end: &Self| {
            let mut oldest = Vec::new();
            loop {
                let read =
                    |memory: &Memory<_>, index| memory.copy_out(memory.extent(index), &mut oldest);
                match end.take_oldest(place, read) {
                    Some(Err(needed)) => oldest.reserve(needed),
                    Some(Ok(())) => return dropped(oldest),
                    None => return,
                }
            }
        };
        self.force(place, write, make_room).map_err(Refusal::Stop)
    }
}

impl<T: Item> Sender<T> {
    /// Sends a message, taking the oldest one out of a full queue to make room.
    ///
    /// Each message that is taken out goes to `dropped` and counts as done. That is one if the queue was
    /// full, and more only if other senders fill the place that it leaves before this one does. Waits for
    /// nobody but peers that are inside an end of the queue.
    ///
    /// Should this process be killed meanwhile, the oldest message may be gone and the new one not sent.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message as for [`Sender::send`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded::<u64>(2)?;
    /// let mut missed = 0;
    /// for sample in 0..5 {
    ///     tx.force_send(sample, |_old| missed += 1)?;
    /// }
    /// assert_eq!(missed, 3);
    /// assert_eq!(rx.try_iter().collect::<Vec<_>>(), [3, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "force_push")]
    pub fn force_send(&self, message: T, mut dropped: impl FnMut(T)) -> Result<(), SendError<T>> {
        let write = |memory: &Memory<_>, index, ()| memory.write(index, &message);
        let make_room = |end: &End<_, SENDERS>| match end
            .take_oldest(place, |memory, index| Ok::<_, Infallible>(memory.read(index)))
        {
            Some(Ok(oldest)) => dropped(oldest),
            None => {}
        };
        self.end.force(place, write, make_room).map_err(|_| SendError(message))
    }
}

impl ByteSender {
    /// Sends a message, taking the oldest ones out of a queue that has no room for it.
    ///
    /// Each message that is taken out goes to `dropped` and counts as done: as many as it takes. Waits
    /// for nobody but peers that are inside an end of the queue.
    ///
    /// Should this process be killed meanwhile, the oldest messages may be gone and the new one not sent.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`] as for [`ByteSender::send`].
    #[doc(alias = "force_push")]
    pub fn force_send(
        &self,
        message: &[u8],
        dropped: impl FnMut(Vec<u8>),
    ) -> Result<(), SendBytesError> {
        self.end.force_bytes(message, dropped).map_err(refused)
    }
}

#[cfg(feature = "serde")]
impl<T: Serialize + DeserializeOwned + 'static> ValueSender<T> {
    /// Sends a value, taking the oldest ones out of a queue that has no room for it.
    ///
    /// Each that is taken out goes to `dropped` and counts as done: as many as it takes. Waits for nobody
    /// but peers that are inside an end of the queue.
    ///
    /// Should this process be killed meanwhile, the oldest values may be gone and the new one not sent.
    ///
    /// # Errors
    ///
    /// [`SendValueError`] with the value as for [`ValueSender::send`].
    #[doc(alias = "force_push")]
    pub fn force_send(
        &self,
        value: T,
        mut dropped: impl FnMut(Result<T, DecodeError>),
    ) -> Result<(), SendValueError<T>> {
        let sent = self.encoded(&value, |bytes| {
            self.end.force_bytes(bytes, |oldest| dropped(decode(&oldest)))
        });
        sent.map_err(|unsent| unsent.into_error(value))
    }
}
