//! Several messages at a time: one way into the end, one publication.
//!
//! Of what a single message costs, most is the lock of the end and the way of its cache lines from core
//! to core. A batch pays them once.

use core::time::Duration;

use multiproc_core::deadline::Deadline;

use crate::error::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::memory::Memory;
use crate::ring::{Patience, Stop};
use crate::words::distance;
use crate::{Item, Receiver, Sender};

mod bytes;
#[cfg(feature = "serde")]
mod values;

/// Room that is made for a batch of which nothing has come yet.
const ROOM: usize = 32;

impl<T: Item> Sender<T> {
    /// Sends as many of `messages` as there is room for, from the first on, and returns how many;
    /// blocks while there is room for none.
    ///
    /// The messages lie next to each other in the queue. Should this process be killed meanwhile, some
    /// front part of them is there, or none. Zero is returned for an empty slice only.
    ///
    /// # Errors
    ///
    /// [`SendError`] as for [`Sender::send`]; nothing was sent then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded::<u64>(4)?;
    /// let all = [1, 2, 3, 4, 5, 6];
    /// let sent = tx.send_many(&all)?;
    /// assert_eq!(sent, 4);
    ///
    /// let mut received = Vec::new();
    /// assert_eq!(rx.recv_many(&mut received, 100)?, 4);
    /// tx.send_many(&all[sent..])?;
    /// assert_eq!(rx.recv_many(&mut received, 100)?, 2);
    /// assert_eq!(received, all);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_many(&self, messages: &[T]) -> Result<usize, SendError<()>> {
        self.put_many(messages, Patience::FOREVER).map_err(|_| SendError(()))
    }

    /// Sends as many of `messages` as there is room for now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] when there is room for none or no receiver is left.
    pub fn try_send_many(&self, messages: &[T]) -> Result<usize, TrySendError<()>> {
        self.put_many(messages, Patience::Try).map_err(|stop| match stop {
            Stop::Late => TrySendError::Full(()),
            Stop::Gone => TrySendError::Disconnected(()),
        })
    }

    /// Sends as many of `messages` as there is room for, blocking for at most `timeout` while there is
    /// room for none.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`] when the time is up or no receiver is left.
    pub fn send_many_timeout(
        &self,
        messages: &[T],
        timeout: Duration,
    ) -> Result<usize, SendTimeoutError<()>> {
        self.put_many(messages, Patience::Until(Deadline::after(timeout))).map_err(
            |stop| match stop {
                Stop::Late => SendTimeoutError::Timeout(()),
                Stop::Gone => SendTimeoutError::Disconnected(()),
            },
        )
    }

    fn put_many(&self, messages: &[T], patience: Patience) -> Result<usize, Stop> {
        if messages.is_empty() {
            return Ok(0);
        }
        let free = |memory: &Memory<_>, tail, head| {
            let free = memory.capacity().checked_sub(distance(tail, head))?;
            (free > 0).then_some(free)
        };
        let sent = self.end.put_some(patience, free, |memory, tail, free| {
            // At most `free`, a `u32`.
            let n = messages.len().min(free as usize);
            memory.write_all(tail, &messages[..n]);
            n as u32
        })?;
        Ok(sent as usize)
    }
}

impl<T: Item> Receiver<T> {
    /// Receives as many messages as there are, at most `most`, appends them to `buffer` and returns how
    /// many; blocks while there is none.
    ///
    /// *At most once*: should this process be killed just before `recv_many` returns, all that it has
    /// taken may be lost. Zero is returned when `most` is zero only.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the queue is empty and no sender is left.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded::<u64>(100)?;
    /// tx.send_many(&[1, 2, 3])?;
    /// drop(tx);
    ///
    /// let mut batch = Vec::new();
    /// while rx.recv_many(&mut batch, 2).is_ok() {
    ///     assert!(batch.len() <= 2);
    ///     batch.clear();
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_many(&self, buffer: &mut Vec<T>, most: usize) -> Result<usize, RecvError> {
        self.take_many(buffer, most, Patience::FOREVER).map_err(|_| RecvError)
    }

    /// Receives as many messages as there are now, at most `most`, appends them to `buffer` and returns
    /// how many.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] when the queue is empty.
    pub fn try_recv_many(&self, buffer: &mut Vec<T>, most: usize) -> Result<usize, TryRecvError> {
        self.take_many(buffer, most, Patience::Try).map_err(|stop| match stop {
            Stop::Late => TryRecvError::Empty,
            Stop::Gone => TryRecvError::Disconnected,
        })
    }

    /// Receives as [`Receiver::recv_many`], blocking for at most `timeout` while there is no message.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] when the time is up, or the queue is empty and no sender is left.
    pub fn recv_many_timeout(
        &self,
        buffer: &mut Vec<T>,
        most: usize,
        timeout: Duration,
    ) -> Result<usize, RecvTimeoutError> {
        let patience = Patience::Until(Deadline::after(timeout));
        self.take_many(buffer, most, patience).map_err(|stop| match stop {
            Stop::Late => RecvTimeoutError::Timeout,
            Stop::Gone => RecvTimeoutError::Disconnected,
        })
    }

    fn take_many(
        &self,
        buffer: &mut Vec<T>,
        most: usize,
        patience: Patience,
    ) -> Result<usize, Stop> {
        if most == 0 {
            return Ok(0);
        }
        // Outside the section, where a user's allocator has no place.
        buffer.reserve(most.min(self.len().max(ROOM)));
        let most = u32::try_from(most).unwrap_or(u32::MAX);
        let taken = self.end.take_some(patience, |memory, head, len| {
            let n = memory.read_all(head, len.min(most), buffer);
            Ok::<_, core::convert::Infallible>((n, n))
        })?;
        let Ok(n) = taken;
        Ok(n as usize)
    }
}
