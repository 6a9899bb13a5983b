//! Batches of byte messages.

use core::time::Duration;

use multiproc_core::deadline::Deadline;

use crate::bytes::{refused, refused_in_time, refused_now};
use crate::error::{
    RecvError, RecvTimeoutError, SendBytesError, SendBytesTimeoutError, TryRecvError,
    TrySendBytesError,
};
use crate::ring::{Flat, Patience, Stop};
use crate::{ByteReceiver, ByteSender};

impl ByteSender {
    /// Sends as many of `messages` as there is room for, from the first on, and returns how many;
    /// blocks while there is no room for the first.
    ///
    /// One that is longer than the queue's bytes ends the batch before it; the next call reports it.
    /// Otherwise as [`Sender::send_many`](crate::Sender::send_many).
    ///
    /// # Errors
    ///
    /// [`SendBytesError`] as for [`ByteSender::send`] of the first; nothing was sent then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded_bytes(100, 1 << 10)?;
    /// assert_eq!(tx.send_many(&[b"one", b"and", b"another"])?, 3);
    ///
    /// let mut received = Vec::new();
    /// assert_eq!(rx.recv_many(&mut received, 100)?, 3);
    /// assert_eq!(received.concat(), b"oneandanother");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_many(&self, messages: &[&[u8]]) -> Result<usize, SendBytesError> {
        self.put_many(messages, Patience::FOREVER).map_err(refused)
    }

    /// Sends as many of `messages` as there is room for now.
    ///
    /// # Errors
    ///
    /// [`TrySendBytesError`] as for [`ByteSender::try_send`] of the first.
    pub fn try_send_many(&self, messages: &[&[u8]]) -> Result<usize, TrySendBytesError> {
        self.put_many(messages, Patience::Try).map_err(refused_now)
    }

    /// Sends as many of `messages` as there is room for, blocking for at most `timeout` while there is no
    /// room for the first.
    ///
    /// # Errors
    ///
    /// [`SendBytesTimeoutError`] as for [`ByteSender::send_timeout`] of the first.
    pub fn send_many_timeout(
        &self,
        messages: &[&[u8]],
        timeout: Duration,
    ) -> Result<usize, SendBytesTimeoutError> {
        let patience = Patience::Until(Deadline::after(timeout));
        self.put_many(messages, patience).map_err(refused_in_time)
    }

    fn put_many(
        &self,
        messages: &[&[u8]],
        patience: Patience,
    ) -> Result<usize, crate::ring::Refusal> {
        self.end.put_many_bytes(patience, |at| messages.get(at).copied())
    }
}

impl ByteReceiver {
    /// Receives as many messages as there are, at most `most`, appends them to `buffer` and returns how
    /// many; blocks while there is none.
    ///
    /// As [`Receiver::recv_many`](crate::Receiver::recv_many).
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the queue is empty and no sender is left.
    pub fn recv_many(&self, buffer: &mut Vec<Vec<u8>>, most: usize) -> Result<usize, RecvError> {
        self.take_many(buffer, most, Patience::FOREVER).map_err(|_| RecvError)
    }

    /// Receives as many messages as there are now, at most `most`, appends them to `buffer` and returns
    /// how many.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] when the queue is empty.
    pub fn try_recv_many(
        &self,
        buffer: &mut Vec<Vec<u8>>,
        most: usize,
    ) -> Result<usize, TryRecvError> {
        self.take_many(buffer, most, Patience::Try).map_err(|stop| match stop {
            Stop::Late => TryRecvError::Empty,
            Stop::Gone => TryRecvError::Disconnected,
        })
    }

    /// Receives as [`ByteReceiver::recv_many`], blocking for at most `timeout` while there is no message.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] when the time is up, or the queue is empty and no sender is left.
    pub fn recv_many_timeout(
        &self,
        buffer: &mut Vec<Vec<u8>>,
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
        buffer: &mut Vec<Vec<u8>>,
        most: usize,
        patience: Patience,
    ) -> Result<usize, Stop> {
        if most == 0 {
            return Ok(0);
        }
        let mut flat = Flat::over(Vec::new());
        self.end.take_many_bytes(patience, most, &mut flat)?;
        buffer.extend(flat.iter().map(<[u8]>::to_vec));
        Ok(flat.len())
    }
}
