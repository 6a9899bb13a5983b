//! Batches of values.

use core::time::Duration;

use multiproc_core::deadline::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{
    DecodeError, RecvError, RecvTimeoutError, SendValueError, SendValueTimeoutError, TryRecvError,
    TrySendValueError,
};
use crate::ring::{Flat, Patience, Stop};
use crate::values::{Scratch, Unsent, decode, encode};
use crate::{ValueReceiver, ValueSender};

impl<T: Serialize + 'static> ValueSender<T> {
    /// Sends as many of `values` as there is room for, from the first on, and returns how many; blocks
    /// while there is no room for the first.
    ///
    /// One that cannot be sent, because of its length or because it cannot be encoded, ends the batch
    /// before it; the next call reports it. Otherwise as
    /// [`Sender::send_many`](crate::Sender::send_many).
    ///
    /// # Errors
    ///
    /// [`SendValueError`] as for [`ValueSender::send`] of the first; nothing was sent then.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded_values::<String>(100, 1 << 10)?;
    /// let words = ["several", "at", "once"].map(str::to_owned);
    /// assert_eq!(tx.send_many(&words)?, 3);
    ///
    /// let mut received = Vec::new();
    /// assert_eq!(rx.recv_many(&mut received, 100)?, 3);
    /// let received: Result<Vec<_>, _> = received.into_iter().collect();
    /// assert_eq!(received?, words);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_many(&self, values: &[T]) -> Result<usize, SendValueError<()>> {
        self.put_many(values, Patience::FOREVER).map_err(|unsent| unsent.into_error(()))
    }

    /// Sends as many of `values` as there is room for now.
    ///
    /// # Errors
    ///
    /// [`TrySendValueError`] as for [`ValueSender::try_send`] of the first.
    pub fn try_send_many(&self, values: &[T]) -> Result<usize, TrySendValueError<()>> {
        self.put_many(values, Patience::Try).map_err(|unsent| unsent.into_error_now(()))
    }

    /// Sends as many of `values` as there is room for, blocking for at most `timeout` while there is no
    /// room for the first.
    ///
    /// # Errors
    ///
    /// [`SendValueTimeoutError`] as for [`ValueSender::send_timeout`] of the first.
    pub fn send_many_timeout(
        &self,
        values: &[T],
        timeout: Duration,
    ) -> Result<usize, SendValueTimeoutError<()>> {
        let patience = Patience::Until(Deadline::after(timeout));
        self.put_many(values, patience).map_err(|unsent| unsent.into_error_in_time(()))
    }

    fn put_many(&self, values: &[T], patience: Patience) -> Result<usize, Unsent> {
        let memory = self.end.memory();
        let mut flat = Flat::over(Scratch::take().bytes);
        for value in values.iter().take(memory.capacity() as usize) {
            let before = flat.bytes.len();
            match encode(value, core::mem::take(&mut flat.bytes)) {
                Ok(bytes) => flat.bytes = bytes,
                Err(reason) if flat.len() == 0 => return Err(Unsent::Encode(reason)),
                // What was encoded so far went with the error.
                Err(_) => return self.put_many(&values[..flat.len()], patience),
            }
            flat.end_message();
            // More cannot be in the queue at once.
            if before as u64 > memory.arena_bytes {
                break;
            }
        }
        let sent = self.end.put_many_bytes(patience, |at| flat.get(at)).map_err(Unsent::Refusal);
        Scratch { bytes: flat.bytes }.give_back();
        sent
    }
}

impl<T: DeserializeOwned + 'static> ValueReceiver<T> {
    /// Receives as many values as there are, at most `most`, appends them to `buffer` and returns how
    /// many; blocks while there is none.
    ///
    /// A message that is no `T` is among them as an error, and is gone from the queue. Otherwise as
    /// [`Receiver::recv_many`](crate::Receiver::recv_many).
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the queue is empty and no sender is left.
    pub fn recv_many(
        &self,
        buffer: &mut Vec<Result<T, DecodeError>>,
        most: usize,
    ) -> Result<usize, RecvError> {
        self.take_many(buffer, most, Patience::FOREVER).map_err(|_| RecvError)
    }

    /// Receives as many values as there are now, at most `most`, appends them to `buffer` and returns
    /// how many.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] when the queue is empty.
    pub fn try_recv_many(
        &self,
        buffer: &mut Vec<Result<T, DecodeError>>,
        most: usize,
    ) -> Result<usize, TryRecvError> {
        self.take_many(buffer, most, Patience::Try).map_err(|stop| match stop {
            Stop::Late => TryRecvError::Empty,
            Stop::Gone => TryRecvError::Disconnected,
        })
    }

    /// Receives as [`ValueReceiver::recv_many`], blocking for at most `timeout` while there is no value.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] when the time is up, or the queue is empty and no sender is left.
    pub fn recv_many_timeout(
        &self,
        buffer: &mut Vec<Result<T, DecodeError>>,
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
        buffer: &mut Vec<Result<T, DecodeError>>,
        most: usize,
        patience: Patience,
    ) -> Result<usize, Stop> {
        if most == 0 {
            return Ok(0);
        }
        let mut flat = Flat::over(Scratch::take().bytes);
        self.end.take_many_bytes(patience, most, &mut flat)?;
        buffer.extend(flat.iter().map(decode));
        let taken = flat.len();
        Scratch { bytes: flat.bytes }.give_back();
        Ok(taken)
    }
}
