//! Queues whose messages have one type and size.

use core::convert::Infallible;
use core::time::Duration;
use std::path::Path;
use std::sync::Arc;

use multiproc_core::deadline::Deadline;

use crate::Item;
use crate::ends::{End, Queue, Room};
use crate::error::{
    Error, RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use crate::handle::{handle, joining, receiving};
use crate::memory::Memory;
use crate::ring::{Patience, Stop};
use crate::shape::Fixed;
use crate::words::{RECEIVERS, SENDERS, distance};

/// Makes a queue for at most `capacity` messages of type `T`, and returns its two ends.
///
/// It lives in memory that has no name: other processes get an end as an argument, inside a pipe
/// message (both with feature `serde`) or by `fork`. When the last end is gone, so is the queue.
/// Unrelated programs meet at a path instead: [`Sender::create`], [`Receiver::open`].
///
/// The memory for all messages, rounded up to a power of two of them, is allocated here.
///
/// # Errors
///
/// When `capacity` is zero, larger than 2^30, or too large for memory; when the system has no memory
/// or no descriptor left. A queue takes two descriptors of a process that has both ends, and one of a
/// process that has one.
///
/// # Examples
///
/// ```
/// let (tx, rx) = shm_queue::bounded::<f64>(10)?;
/// tx.send(0.5)?;
/// assert_eq!(rx.recv(), Ok(0.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Queue")]
#[doc(alias = "SimpleQueue")]
#[doc(alias = "channel")]
pub fn bounded<T: Item>(capacity: usize) -> Result<(Sender<T>, Receiver<T>), Error> {
    let (sender, receiver) = Queue::pair(Room::of(capacity, 0))?;
    Ok((Sender { end: Arc::new(sender) }, Receiver { end: Arc::new(receiver) }))
}

/// The end that puts messages in. Clones are further senders to the same queue.
///
/// For plain items, `T:` [`Item`]. For whatever serde can encode there is
/// `ValueSender`, made by `bounded_values` (feature `serde`).
///
/// # When a process is killed
///
/// The message it was sending is in the queue, whole, or it is not, and nobody is held up; see the
/// [crate](crate#when-a-process-is-killed).
///
/// # What a hostile peer can do
///
/// A peer that may write the memory can have others wait for ever, close the queue, and overwrite, repeat or lose
/// messages. It cannot crash the others or have them read or write outside of the queue: an index is reduced to
/// the ring before it is used.
pub struct Sender<T> {
    pub(crate) end: Arc<End<Fixed<T>, SENDERS>>,
}

impl<T: Item> Sender<T> {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its sending end.
    ///
    /// The file appears whole or not at all. It stays, with what is in the queue, until somebody
    /// removes it ([`std::fs::remove_file`]); those who have it open go on undisturbed. Put it on a
    /// memory file system such as `/dev/shm` unless messages should cost disk writes.
    ///
    /// # Errors
    ///
    /// As [`bounded`]; and when something exists at `path` already, of two creators for one of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::{Receiver, Sender};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("jobs");
    /// let tx = Sender::<u64>::create(&path, 100)?;
    /// tx.send(7)?;
    ///
    /// // In another program, of the same user:
    /// let rx = Receiver::<u64>::open(&path)?;
    /// assert_eq!(rx.recv(), Ok(7));
    ///
    /// std::fs::remove_file(&path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "mq_open")]
    pub fn create(path: impl AsRef<Path>, capacity: usize) -> Result<Self, Error> {
        let end = Queue::create_at(path.as_ref(), Room::of(capacity, 0))?;
        Ok(Self { end: Arc::new(end) })
    }

    /// Opens the queue at `path` for sending.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it belongs to another user, is no queue of `T`s (name, size and
    /// alignment of the type count), was cut short, was made by an incompatible version or in another
    /// PID namespace. The source of the error says what differs.
    #[doc(alias = "mq_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(Queue::open_at(path.as_ref())?) })
    }

    /// Sends a message, blocking while the queue is full.
    ///
    /// When it returns, every receiver can see the message. Should this process be killed meanwhile,
    /// the message is in the queue or it is not; nobody else is held up.
    ///
    /// # Errors
    ///
    /// [`SendError`] with the message when no receiver is left, or the queue was closed. That every
    /// receiver was *killed* shows within two seconds once the queue is full; that they have left by
    /// themselves, at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded::<u8>(1)?;
    /// assert!(tx.send(1).is_ok());
    /// drop(rx);
    /// assert_eq!(tx.send(2).unwrap_err().into_inner(), 2);
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "put")]
    #[doc(alias = "mq_send")]
    #[inline]
    pub fn send(&self, message: T) -> Result<(), SendError<T>> {
        self.put(&message, Patience::FOREVER).map_err(|_| SendError(message))
    }

    /// Sends a message if there is room for it now.
    ///
    /// Never waits for a receiver. While a peer is inside this end of the queue it waits for that
    /// peer, about a millisecond at most, and then reports a full queue.
    ///
    /// # Errors
    ///
    /// [`TrySendError`] with the message when the queue is full or no receiver is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::TrySendError;
    ///
    /// let (tx, _rx) = shm_queue::bounded::<u8>(1)?;
    /// assert_eq!(tx.try_send(1), Ok(()));
    /// assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "put_nowait")]
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        self.put(&message, Patience::Try).map_err(|stop| match stop {
            Stop::Late => TrySendError::Full(message),
            Stop::Gone => TrySendError::Disconnected(message),
        })
    }

    /// Sends a message, blocking for at most `timeout` while the queue is full.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`] with the message when the time is up or no receiver is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let (tx, _rx) = shm_queue::bounded::<u8>(1)?;
    /// assert!(tx.send_timeout(1, Duration::from_millis(5)).is_ok());
    /// assert!(tx.send_timeout(2, Duration::from_millis(5)).unwrap_err().is_timeout());
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "mq_timedsend")]
    pub fn send_timeout(&self, message: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.put(&message, Patience::Until(Deadline::after(timeout))).map_err(|stop| match stop {
            Stop::Late => SendTimeoutError::Timeout(message),
            Stop::Gone => SendTimeoutError::Disconnected(message),
        })
    }

    #[inline]
    fn put(&self, message: &T, patience: Patience) -> Result<(), Stop> {
        self.end.put(patience, place, |memory, index, ()| memory.write(index, message))
    }
}

/// Says whether there is room for one more message of one size.
#[inline]
pub(crate) fn place<T: Item>(memory: &Memory<Fixed<T>>, tail: u32, head: u32) -> Option<()> {
    (distance(tail, head) < memory.capacity()).then_some(())
}

/// The end that takes messages out. Clones are further receivers; each message goes to one of them.
///
/// For plain items, `T:` [`Item`]. For whatever serde can encode there is
/// `ValueReceiver`, made by `bounded_values` (feature `serde`).
///
/// # When a process is killed
///
/// The message it was receiving is still in the queue, or taken and lost, and nobody is held up; see the
/// [crate](crate#when-a-process-is-killed). A [`LeaseReceiver`](crate::LeaseReceiver) loses none.
///
/// # What a hostile peer can do
///
/// The same as to a [`Sender`]; and what is received is whatever it wrote there, any bytes of which are a valid
/// `T`.
pub struct Receiver<T> {
    pub(crate) end: Arc<End<Fixed<T>, RECEIVERS>>,
}

impl<T: Item> Receiver<T> {
    /// Creates a queue at `path`, in a file of mode 0600, and returns its receiving end.
    ///
    /// The first sender may come later: until then an empty queue is not a disconnected one. About
    /// the file see [`Sender::create`].
    ///
    /// # Errors
    ///
    /// As [`Sender::create`].
    #[doc(alias = "mq_open")]
    pub fn create(path: impl AsRef<Path>, capacity: usize) -> Result<Self, Error> {
        let end = Queue::create_at(path.as_ref(), Room::of(capacity, 0))?;
        Ok(Self { end: Arc::new(end) })
    }

    /// Opens the queue at `path` for receiving.
    ///
    /// # Errors
    ///
    /// As [`Sender::open`].
    #[doc(alias = "mq_open")]
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        Ok(Self { end: Arc::new(Queue::open_at(path.as_ref())?) })
    }

    /// Receives a message, blocking while the queue is empty.
    ///
    /// *At most once*: should this process be killed just before `recv` returns, the message may be
    /// taken and lost with it. The others go on.
    ///
    /// # Errors
    ///
    /// [`RecvError`] when the queue is empty, and no sender is left or it was closed. That the last sender
    /// was *killed* shows within two seconds; that it has left by itself, at once.
    ///
    /// # Examples
    ///
    /// ```
    /// let (tx, rx) = shm_queue::bounded::<u8>(1)?;
    /// tx.send(1).unwrap();
    /// drop(tx);
    /// assert_eq!(rx.recv(), Ok(1));
    /// assert!(rx.recv().is_err());
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "get")]
    #[doc(alias = "mq_receive")]
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.take(Patience::FOREVER).map_err(|_| RecvError)
    }

    /// Receives a message if there is one now.
    ///
    /// Never waits for a sender. While a peer is inside this end of the queue it waits for that peer,
    /// about a millisecond at most, and then reports an empty queue.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`] when the queue is empty.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::TryRecvError;
    ///
    /// let (tx, rx) = shm_queue::bounded::<u8>(1)?;
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    /// drop(tx);
    /// assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "get_nowait")]
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.take(Patience::Try).map_err(|stop| match stop {
            Stop::Late => TryRecvError::Empty,
            Stop::Gone => TryRecvError::Disconnected,
        })
    }

    /// Receives a message, blocking for at most `timeout` while the queue is empty.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`] when the time is up, or the queue is empty and no sender is left.
    ///
    /// # Examples
    ///
    /// ```
    /// use shm_queue::RecvTimeoutError;
    /// use std::time::Duration;
    ///
    /// let (_tx, rx) = shm_queue::bounded::<u8>(1)?;
    /// assert_eq!(rx.recv_timeout(Duration::from_millis(5)), Err(RecvTimeoutError::Timeout));
    /// # Ok::<(), shm_queue::Error>(())
    /// ```
    #[doc(alias = "mq_timedreceive")]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.take(Patience::Until(Deadline::after(timeout))).map_err(|stop| match stop {
            Stop::Late => RecvTimeoutError::Timeout,
            Stop::Gone => RecvTimeoutError::Disconnected,
        })
    }

    #[inline]
    fn take(&self, patience: Patience) -> Result<T, Stop> {
        let read = |memory: &Memory<_>, index, len| {
            memory.prefetch(index, len);
            Ok((memory.read(index), 1))
        };
        self.end.take_some(patience, read).map(|Ok(message): Result<T, Infallible>| message)
    }
}

handle!(Sender<T>, Receiver<T>);
joining!([T: Item] Sender<T>);
receiving!([T: Item] Receiver<T>, T, Result::ok, Result::ok);
