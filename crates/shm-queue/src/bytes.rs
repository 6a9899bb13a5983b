//! Queues of byte messages of any length.

use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use multiproc_core::deadline::Deadline;

use crate::ends::{End, Queue, Room};
use crate::error::{
    Error, RecvError, RecvTimeoutError, SendBytesError, SendBytesTimeoutError, TryRecvError,
    TrySendBytesError,
};
use crate::handle::{handle, joining, receiving};
use crate::ring::{Patience, Refusal, Stop};
use crate::shape::Bytes;
use crate::words::{RECEIVERS, SENDERS};

/// Makes a queue for byte messages of any length, and returns its two ends.
///
/// It holds at most `capacity` messages, and at most `capacity_bytes` bytes of them, rounded up to a
/// multiple of 8. Each message lies in one piece and takes a multiple of 8 bytes, at least 8, so a
/// queue may be full a little earlier than the sum of the lengths says. A message of up to
/// `capacity_bytes` bytes always fits at some time. Messages stay in order: a small one does not
/// overtake a large one that waits for room.
///
/// About memory, handles and paths see [`bounded`](crate::bounded).
///
/// # Errors
///
/// As [`bounded`](crate::bounded); and when `capacity_bytes` is zero or larger than 2^35.
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded_bytes(100, 64 << 10)?;
/// tx.send(b"any")?;
/// tx.send(b"length")?;
/// assert_eq!(rx.recv()?, b"any");
/// assert_eq!(rx.recv()?, b"length");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn bounded_bytes(
    capacity: usize,
    capacity_bytes: usize,
) -> Result<(ByteSender, ByteReceiver), Error> {
    let (sender, receiver) = Queue::pair(Room::of(capacity, capacity_bytes))?;
    Ok((ByteSender { end: Arc::new(sender) }, ByteReceiver { end: Arc::new(receiver) }))
}

/// The end that puts byte messages in. Clones are further senders to the same queue.
///
/// When a process is killed while it sends, and what a hostile peer can do, is as for a
/// [`Sender`](crate::Sender). Where a message goes is checked against the queue's memory each time.
pub struct ByteSender {
    pub(crate) end: Arc<End<Bytes, SENDERS>>,
}

impl ByteSender {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its sending end.
    ///
    /// About the file see [`Sender::create`](crate::Sender::create).
    ///
    /// # Errors
    ///
    /// As [`bounded_bytes`]; and when something exists at `path` already.
    #[doc(alias = "mq_open")]
    pub fn create(
        path: impl AsRef<Path>,
        capacity: usize,
        capacity_bytes: usize,
    ) -> Result<Self, Error> {
        let end = Queue::create_at(path.as_ref(), Room::of(capacity, capacity_bytes))?;
        Ok(Self { end: Arc::new(end) })
    }

    /// Opens the queue at `path` for sending.
    ///
    /// # Errors
    ///
    /// As [`Sender::open`](crate::Sender::open).
    #[doc(alias = "mq_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(Queue::open_at(path.as_ref())?) })
    }

    /// Sends a message, blocking while there is no room for it.
    ///
    /// When it returns, every receiver can see the message. Should this process be killed meanwhile,
    /// the whole message is in the queue or nothing of it; nobody else is held up.
    ///
    /// # Errors
    ///
    /// [`SendBytesError`] when the message is longer than the queue's bytes, or no receiver is left,
    /// which shows as described at [`Sender::send`](crate::Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::SendBytesError;
    ///
    /// let (tx, _rx) = shm_queue::bounded_bytes(4, 16)?;
    /// assert_eq!(tx.send(&[0; 17]), Err(SendBytesError::TooLarge { len: 17, most: 16 }));
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "put")]
    #[doc(alias = "mq_send")]
    pub fn send(&self, message: &[u8]) -> Result<(), SendBytesError> {
        self.end.put_bytes(Patience::FOREVER, message).map_err(refused)
    }

    /// Sends a message if there is room for it now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`TrySendBytesError`] when there is no room now, as for [`ByteSender::send`] otherwise.
    #[doc(alias = "put_nowait")]
    pub fn try_send(&self, message: &[u8]) -> Result<(), TrySendBytesError> {
        self.end.put_bytes(Patience::Try, message).map_err(refused_now)
    }

    /// Sends a message, blocking for at most `timeout` while there is no room for it.
    ///
    /// # Errors
    ///
    /// [`SendBytesTimeoutError`] when the time is up, as for [`ByteSender::send`] otherwise.
    #[doc(alias = "mq_timedsend")]
    pub fn send_timeout(
        &self,
        message: &[u8],
        timeout: Duration,
    ) -> Result<(), SendBytesTimeoutError> {
        let patience = Patience::Until(Deadline::after(timeout));
        self.end.put_bytes(patience, message).map_err(refused_in_time)
    }
}

/// Returns why a message that could have waited for ever was not sent.
pub(crate) fn refused(refusal: Refusal) -> SendBytesError {
    match refusal {
        Refusal::TooLarge { len, most } => SendBytesError::TooLarge { len, most },
        Refusal::Stop(_) => SendBytesError::Disconnected,
    }
}

/// Returns why a message that could not wait was not sent.
pub(crate) fn refused_now(refusal: Refusal) -> TrySendBytesError {
    match refusal {
        Refusal::TooLarge { len, most } => TrySendBytesError::TooLarge { len, most },
        Refusal::Stop(Stop::Late) => TrySendBytesError::Full,
        Refusal::Stop(Stop::Gone) => TrySendBytesError::Disconnected,
    }
}

/// Returns why a message that could wait until a deadline was not sent.
pub(crate) fn refused_in_time(refusal: Refusal) -> SendBytesTimeoutError {
    match refusal {
        Refusal::TooLarge { len, most } => SendBytesTimeoutError::TooLarge { len, most },
        Refusal::Stop(Stop::Late) => SendBytesTimeoutError::Timeout,
        Refusal::Stop(Stop::Gone) => SendBytesTimeoutError::Disconnected,
    }
}

/// The end that takes byte messages out. Clones are further receivers; each message goes to one.
///
/// When a process is killed while it receives, that is as for a [`Receiver`](crate::Receiver).
///
/// # What a hostile peer can do
///
/// The same as there: messages may hold any bytes, of any length up to that of the queue's memory. Where a message
/// lies and how long it is, a peer may lie about; what lies outside is cut off, and a message is copied out before
/// anybody looks at it.
pub struct ByteReceiver {
    pub(crate) end: Arc<End<Bytes, RECEIVERS>>,
}

impl ByteReceiver {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its receiving end.
    ///
    /// About the file see [`Sender::create`](crate::Sender::create), about the first sender
    /// [`Receiver::create`](crate::Receiver::create).
    ///
    /// # Errors
    ///
    /// As [`ByteSender::create`].
    #[doc(alias = "mq_open")]
    pub fn create(
        path: impl AsRef<Path>,
        capacity: usize,
        capacity_bytes: usize,
    ) -> Result<Self, Error> {
        let end = Queue::create_at(path.as_ref(), Room::of(capacity, capacity_bytes))?;
        Ok(Self { end: Arc::new(end) })
    }

    /// Opens the queue at `path` for receiving.
    ///
    /// # Errors
    ///
    /// As [`Sender::open`](crate::Sender::open).
    #[doc(alias = "mq_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(Queue::open_at(path.as_ref())?) })
    }

    /// Receives a message, blocking while the queue is empty.
    ///
    /// *At most once*, as [`Receiver::recv`](crate::Receiver::recv).
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the queue is empty and no sender is left.
    #[doc(alias = "get")]
    #[doc(alias = "mq_receive")]
    pub fn recv(&self) -> Result<Vec<u8>, RecvError> {
        let mut buffer = Vec::new();
        self.recv_into(&mut buffer).map(|()| buffer)
    }

    /// Receives a message into `buffer`, blocking while the queue is empty.
    ///
    /// Replaces what was in the buffer and keeps its allocation, which grows when it must: a loop over
    /// one buffer allocates now and then only. After an error the buffer is empty.
    ///
    /// # Errors
    ///
    /// As [`ByteReceiver::recv`].
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded_bytes(4, 1 << 10)?;
    /// tx.send(b"one")?;
    /// tx.send(b"two")?;
    /// drop(tx);
    ///
    /// let (mut line, mut all) = (Vec::new(), Vec::new());
    /// while rx.recv_into(&mut line).is_ok() {
    ///     all.extend_from_slice(&line);
    /// }
    /// assert_eq!(all, b"onetwo");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recv_into(&self, buffer: &mut Vec<u8>) -> Result<(), RecvError> {
        self.end.take_bytes(Patience::FOREVER, buffer).map_err(|_| RecvError)
    }

    /// Receives a message if there is one now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] when the queue is empty.
    #[doc(alias = "get_nowait")]
    pub fn try_recv(&self) -> Result<Vec<u8>, TryRecvError> {
        let mut buffer = Vec::new();
        match self.end.take_bytes(Patience::Try, &mut buffer) {
            Ok(()) => Ok(buffer),
            Err(Stop::Late) => Err(TryRecvError::Empty),
            Err(Stop::Gone) => Err(TryRecvError::Disconnected),
        }
    }

    /// Receives a message, blocking for at most `timeout` while the queue is empty.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] when the time is up, or the queue is empty and no sender is left.
    #[doc(alias = "mq_timedreceive")]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        let mut buffer = Vec::new();
        match self.end.take_bytes(Patience::Until(Deadline::after(timeout)), &mut buffer) {
            Ok(()) => Ok(buffer),
            Err(Stop::Late) => Err(RecvTimeoutError::Timeout),
            Err(Stop::Gone) => Err(RecvTimeoutError::Disconnected),
        }
    }
}

handle!(ByteSender, ByteReceiver);
joining!([] ByteSender);
receiving!([] ByteReceiver, Vec<u8>, Result::ok, Result::ok);
