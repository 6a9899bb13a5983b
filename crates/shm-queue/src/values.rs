//! Queues of values of one type, encoded by serde.

use core::any::type_name;
use core::cell::Cell;
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use multiproc_core::carry;
use multiproc_core::deadline::Deadline;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ends::{End, Queue, Room};
use crate::error::{
    DecodeError, Error, RecvValueError, RecvValueTimeoutError, SendValueError,
    SendValueTimeoutError, TryRecvValueError, TrySendValueError,
};
use crate::handle::{handle, joining, receiving};
use crate::ring::{Patience, Refusal, Stop};
use crate::shape::Values;
use crate::words::{RECEIVERS, SENDERS};

/// Makes a queue for values of any type that serde can encode, and returns its two ends.
///
/// It holds at most `capacity` values, and at most `capacity_bytes` bytes of their encodings
/// ([postcard](https://docs.rs/postcard)), as [`bounded_bytes`](crate::bounded_bytes) counts them.
/// Values without a serde-aware shape of their own (numbers, arrays of numbers) are faster in a queue
/// made by [`bounded`](crate::bounded).
///
/// Handles (queue ends, locks, pipes) cannot lie in a queue, for a queue is memory, and only the
/// kernel can hand a descriptor over: they are refused with a sentence that says where they can
/// travel.
///
/// # Errors
///
/// As [`bounded_bytes`](crate::bounded_bytes).
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded_values::<Option<String>>(100, 64 << 10)?;
/// tx.send(Some("any value".to_owned()))?;
/// assert_eq!(rx.recv()?.as_deref(), Some("any value"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Queue")]
pub fn bounded_values<T: Serialize + DeserializeOwned + 'static>(
    capacity: usize,
    capacity_bytes: usize,
) -> Result<(ValueSender<T>, ValueReceiver<T>), Error> {
    let (sender, receiver) = Queue::pair(Room::of(capacity, capacity_bytes))?;
    Ok((ValueSender { end: Arc::new(sender) }, ValueReceiver { end: Arc::new(receiver) }))
}

/// The end that puts values in. Clones are further senders to the same queue.
///
/// When a process is killed while it sends, and what a hostile peer can do, is as for a
/// [`Sender`](crate::Sender).
pub struct ValueSender<T> {
    pub(crate) end: Arc<End<Values<T>, SENDERS>>,
}

/// Why a value was not put.
pub(crate) enum Unsent {
    Refusal(Refusal),
    Encode(String),
}

impl Unsent {
    /// Makes of it what a send reports that could have waited for ever.
    pub(crate) fn into_error<V>(self, value: V) -> SendValueError<V> {
        match self {
            Self::Refusal(Refusal::TooLarge { len, most }) => {
                SendValueError::TooLarge { value, len, most }
            }
            Self::Refusal(Refusal::Stop(_)) => SendValueError::Disconnected(value),
            Self::Encode(reason) => SendValueError::Encode { value, reason },
        }
    }

    /// Makes of it what a send reports that could not wait.
    pub(crate) fn into_error_now<V>(self, value: V) -> TrySendValueError<V> {
        match self {
            Self::Refusal(Refusal::TooLarge { len, most }) => {
                TrySendValueError::TooLarge { value, len, most }
            }
            Self::Refusal(Refusal::Stop(Stop::Late)) => TrySendValueError::Full(value),
            Self::Refusal(Refusal::Stop(Stop::Gone)) => TrySendValueError::Disconnected(value),
            Self::Encode(reason) => TrySendValueError::Encode { value, reason },
        }
    }

    /// Makes of it what a send reports that could wait until a deadline.
    pub(crate) fn into_error_in_time<V>(self, value: V) -> SendValueTimeoutError<V> {
        match self {
            Self::Refusal(Refusal::TooLarge { len, most }) => {
                SendValueTimeoutError::TooLarge { value, len, most }
            }
            Self::Refusal(Refusal::Stop(Stop::Late)) => SendValueTimeoutError::Timeout(value),
            Self::Refusal(Refusal::Stop(Stop::Gone)) => SendValueTimeoutError::Disconnected(value),
            Self::Encode(reason) => SendValueTimeoutError::Encode { value, reason },
        }
    }
}

impl<T: Serialize + 'static> ValueSender<T> {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its sending end.
    ///
    /// About the file see [`Sender::create`](crate::Sender::create).
    ///
    /// # Errors
    ///
    /// As [`bounded_values`]; and when something exists at `path` already.
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
    /// As [`Sender::open`](crate::Sender::open); of the type `T` only the name is compared.
    #[doc(alias = "mq_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(Queue::open_at(path.as_ref())?) })
    }

    /// Sends a value, blocking while there is no room for it.
    ///
    /// When it returns, every receiver can see the value. Should this process be killed meanwhile, the
    /// whole value is in the queue or nothing of it; nobody else is held up.
    ///
    /// # Errors
    ///
    /// [`SendValueError`] with the value when its encoding is longer than the queue's bytes, when it
    /// cannot be encoded, or when no receiver is left, which shows as described at
    /// [`Sender::send`](crate::Sender::send).
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::SendValueError;
    ///
    /// let (tx, _rx) = shm_queue::bounded_values::<String>(4, 16)?;
    /// match tx.send("x".repeat(100)) {
    ///     Err(SendValueError::TooLarge { value, len, most }) => {
    ///         assert_eq!((value.len(), len, most), (100, 101, 16));
    ///     }
    ///     other => panic!("{other:?}"),
    /// }
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "put")]
    pub fn send(&self, value: T) -> Result<(), SendValueError<T>> {
        self.put(&value, Patience::FOREVER).map_err(|unsent| unsent.into_error(value))
    }

    /// Sends a value if there is room for it now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`TrySendValueError`] with the value when there is no room now, as for [`ValueSender::send`]
    /// otherwise.
    #[doc(alias = "put_nowait")]
    pub fn try_send(&self, value: T) -> Result<(), TrySendValueError<T>> {
        self.put(&value, Patience::Try).map_err(|unsent| unsent.into_error_now(value))
    }

    /// Sends a value, blocking for at most `timeout` while there is no room for it.
    ///
    /// # Errors
    ///
    /// [`SendValueTimeoutError`] with the value when the time is up, as for [`ValueSender::send`]
    /// otherwise.
    pub fn send_timeout(
        &self,
        value: T,
        timeout: Duration,
    ) -> Result<(), SendValueTimeoutError<T>> {
        let patience = Patience::Until(Deadline::after(timeout));
        self.put(&value, patience).map_err(|unsent| unsent.into_error_in_time(value))
    }

    fn put(&self, value: &T, patience: Patience) -> Result<(), Unsent> {
        self.encoded(value, |bytes| self.end.put_bytes(patience, bytes))
    }

    /// Encodes a value, and has the bytes sent.
    pub(crate) fn encoded(
        &self,
        value: &T,
        send: impl FnOnce(&[u8]) -> Result<(), Refusal>,
    ) -> Result<(), Unsent> {
        let scratch = Scratch::take();
        let bytes = encode(value, scratch.bytes).map_err(Unsent::Encode)?;
        let sent = send(&bytes).map_err(Unsent::Refusal);
        Scratch { bytes }.give_back();
        sent
    }
}

/// Appends the encoding of a value to `bytes`.
pub(crate) fn encode<T: Serialize>(value: &T, bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let (encoded, refusal) = carry::closed(|| postcard::to_extend(value, bytes));
    // The serialiser loses the sentence with which a handle was refused; the scope kept it.
    match (encoded, refusal) {
        (_, Some(refused)) => Err(refused.to_string()),
        (Err(error), None) => Err(error.to_string()),
        (Ok(bytes), None) => Ok(bytes),
    }
}

/// The end that takes values out. Clones are further receivers; each value goes to one of them.
///
/// When a process is killed while it receives, that is as for a [`Receiver`](crate::Receiver).
///
/// # What a hostile peer can do
///
/// The same as to a [`ByteReceiver`](crate::ByteReceiver): the bytes are copied out, and then decoded. What is no
/// value is an error, and the next one can be received. Two things are not checked: a type that nests without
/// bound takes a stack as deep as the sender likes, and one with items of no bytes (`Vec<()>`) as long as it
/// likes, so receive such only from peers that you trust.
pub struct ValueReceiver<T> {
    pub(crate) end: Arc<End<Values<T>, RECEIVERS>>,
}

impl<T: DeserializeOwned + 'static> ValueReceiver<T> {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its receiving end.
    ///
    /// About the file see [`Sender::create`](crate::Sender::create), about the first sender
    /// [`Receiver::create`](crate::Receiver::create).
    ///
    /// # Errors
    ///
    /// As [`ValueSender::create`].
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
    /// As [`ValueSender::open`].
    #[doc(alias = "mq_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(Queue::open_at(path.as_ref())?) })
    }

    /// Receives a value, blocking while the queue is empty.
    ///
    /// *At most once*, as [`Receiver::recv`](crate::Receiver::recv).
    ///
    /// # Errors
    ///
    /// [`RecvValueError`] when the queue is empty and no sender is left; or when a message was taken
    /// that is no `T`: it is gone then, and the queue goes on.
    #[doc(alias = "get")]
    pub fn recv(&self) -> Result<T, RecvValueError> {
        match self.take(Patience::FOREVER) {
            Ok(decoded) => decoded.map_err(RecvValueError::Decode),
            Err(_) => Err(RecvValueError::Disconnected),
        }
    }

    /// Receives a value if there is one now.
    ///
    /// Waits for nobody but a peer that is inside this end of the queue, about a millisecond at most.
    ///
    /// # Errors
    ///
    /// [`TryRecvValueError`] when the queue is empty, as for [`ValueReceiver::recv`] otherwise.
    #[doc(alias = "get_nowait")]
    pub fn try_recv(&self) -> Result<T, TryRecvValueError> {
        match self.take(Patience::Try) {
            Ok(decoded) => decoded.map_err(TryRecvValueError::Decode),
            Err(Stop::Late) => Err(TryRecvValueError::Empty),
            Err(Stop::Gone) => Err(TryRecvValueError::Disconnected),
        }
    }

    /// Receives a value, blocking for at most `timeout` while the queue is empty.
    ///
    /// # Errors
    ///
    /// [`RecvValueTimeoutError`] when the time is up, as for [`ValueReceiver::recv`] otherwise.
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvValueTimeoutError> {
        match self.take(Patience::Until(Deadline::after(timeout))) {
            Ok(decoded) => decoded.map_err(RecvValueTimeoutError::Decode),
            Err(Stop::Late) => Err(RecvValueTimeoutError::Timeout),
            Err(Stop::Gone) => Err(RecvValueTimeoutError::Disconnected),
        }
    }

    fn take(&self, patience: Patience) -> Result<Result<T, DecodeError>, Stop> {
        let mut scratch = Scratch::take();
        let taken = self.end.take_bytes(patience, &mut scratch.bytes);
        let decoded = taken.map(|()| decode(&scratch.bytes));
        scratch.give_back();
        decoded
    }
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    // A handle that somebody has written there all the same finds no descriptor.
    let (decoded, refusal) = carry::closed(|| postcard::take_from_bytes::<T>(bytes));
    let why = match (decoded, refusal) {
        (_, Some(refused)) => refused.to_string(),
        (Ok((value, [])), None) => return Ok(value),
        (Ok((_, rest)), None) => {
            format!("{} of its {} bytes were left over", rest.len(), bytes.len())
        }
        (Err(error), None) => error.to_string(),
    };
    Err(DecodeError(format!("{} bytes as `{}`: {why}", bytes.len(), type_name::<T>())))
}

/// A buffer that the thread keeps from one message to the next.
pub(crate) struct Scratch {
    pub(crate) bytes: Vec<u8>,
}

thread_local! {
    // Taken out while in use, because a `Serialize` may itself send.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Scratch {
    /// The largest buffer that is kept.
    const MOST_KEPT: usize = 1 << 20;

    pub(crate) fn take() -> Self {
        // The thread may be ending; then there is none.
        let mut bytes = SCRATCH.try_with(Cell::take).unwrap_or_default();
        bytes.clear();
        Self { bytes }
    }

    pub(crate) fn give_back(self) {
        if self.bytes.capacity() <= Self::MOST_KEPT {
            let _ = SCRATCH.try_with(|cell| cell.set(self.bytes));
        }
    }
}

handle!(ValueSender<T>, ValueReceiver<T>);
joining!([T: Serialize + 'static] ValueSender<T>);
receiving!(
    [T: DeserializeOwned + 'static] ValueReceiver<T>,
    Result<T, DecodeError>,
    until_disconnected,
    while_there_are
);

fn until_disconnected<T>(received: Result<T, RecvValueError>) -> Option<Result<T, DecodeError>> {
    match received {
        Ok(value) => Some(Ok(value)),
        Err(RecvValueError::Decode(error)) => Some(Err(error)),
        Err(RecvValueError::Disconnected) => None,
    }
}

fn while_there_are<T>(received: Result<T, TryRecvValueError>) -> Option<Result<T, DecodeError>> {
    match received {
        Ok(value) => Some(Ok(value)),
        Err(TryRecvValueError::Decode(error)) => Some(Err(error)),
        Err(TryRecvValueError::Empty | TryRecvValueError::Disconnected) => None,
    }
}
