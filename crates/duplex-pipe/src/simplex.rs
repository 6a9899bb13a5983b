//! Pipes that carry messages one way.

use crate::end::{End, now};
use crate::error::{
    Error, RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
use crate::iter::{IntoIter, Iter};
use crate::message::Message;
use multiproc_core::deadline::Deadline;
use rustix::net::{Shutdown, shutdown};
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Makes a pipe that carries messages of type `T` from the first end to the second.
///
/// `T` is a serde value (feature `serde`) or `[u8]` for raw bytes.
///
/// # Errors
///
/// The operating system's: mostly that the process has no descriptor left.
///
/// # Examples
///
/// ```
/// let (tx, rx) = duplex_pipe::simplex::<[u8]>()?;
/// tx.send(b"one")?;
/// tx.send(b"two")?;
/// drop(tx);
/// let received: Result<Vec<_>, _> = rx.iter().collect();
/// assert_eq!(received?, [b"one", b"two"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Pipe")]
#[doc(alias = "pipe")]
pub fn simplex<T: ?Sized>() -> Result<(PipeSender<T>, PipeReceiver<T>), Error> {
    let (tx, rx) = End::pair()?;
    // The way back is closed for good, whoever gets hold of the descriptors.
    let closed = shutdown(&tx.fd, Shutdown::Read).and_then(|()| shutdown(&rx.fd, Shutdown::Write));
    closed.map_err(|error| Error::new("make", "a one-way pipe", error))?;
    Ok((PipeSender::wrap(tx), PipeReceiver::wrap(rx)))
}

/// The end of a one-way pipe into which messages of type `T` are sent.
///
/// Clones are the same end. Threads and processes may use it at the same time: each message stays
/// whole, and the messages of one sender keep their order. The receiver sees the end of the stream
/// when the last clone in the last process is gone, killed processes included, so **drop your own
/// copy of a sender that you have given away**; see the [crate](crate#end-of-stream).
///
/// A process that is killed while it sends has sent the whole message or nothing.
///
/// A hostile receiver can leave the messages where they are, so that the pipe is full: [`send`](Self::send) waits
/// then, and [`send_timeout`](Self::send_timeout) for as long as it is told. It can do nothing else.
#[doc(alias = "Connection")]
pub struct PipeSender<T: ?Sized> {
    pub(crate) end: End,
    message: PhantomData<fn(&T)>,
}

/// The end of a one-way pipe from which messages of type `T` are received.
///
/// Clones are the same end. Threads and processes may use it at the same time: each message is
/// received once, by whichever of them comes first. A process that is killed while receiving has
/// taken a whole message with it or none.
///
/// # What a hostile peer can do
///
/// It can send nothing, or any bytes and descriptors: what is no message of type `T`, or is longer than the
/// [limit](Self::with_max_message_bytes), is [`RecvError::Decode`], and the next one can be received. It cannot
/// crash this process, but for the types of which the [crate](crate#trust) tells.
#[doc(alias = "Connection")]
pub struct PipeReceiver<T: ?Sized> {
    pub(crate) end: End,
    message: PhantomData<fn(&T)>,
}

impl<T: ?Sized> PipeSender<T> {
    pub(crate) fn wrap(end: End) -> Self {
        Self { end, message: PhantomData }
    }
}

impl<T: Message + ?Sized> PipeSender<T> {
    /// Sends a message, waiting while the pipe is full.
    ///
    /// A receiver sees the whole message or nothing of it, also when this process is killed
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    #[doc(alias = "send_bytes")]
    pub fn send(&self, message: &T) -> Result<(), SendError> {
        Ok(self.end.send(message, Deadline::NEVER)?)
    }

    /// Sends a message if the pipe has room for it now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; nothing was sent.
    pub fn try_send(&self, message: &T) -> Result<(), TrySendError> {
        Ok(self.end.send(message, now())?)
    }

    /// Sends a message, waiting at most `timeout` while the pipe is full.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`]; nothing was sent.
    pub fn send_timeout(&self, message: &T, timeout: Duration) -> Result<(), SendTimeoutError> {
        Ok(self.end.send(message, Deadline::after(timeout))?)
    }
}

impl<T: ?Sized> PipeReceiver<T> {
    pub(crate) fn wrap(end: End) -> Self {
        Self { end, message: PhantomData }
    }

    /// Waits until [`recv`](Self::recv) would not wait: a message is there, or the stream has ended.
    ///
    /// Returns `false` when nothing came within the timeout; `None` waits for ever,
    /// `Duration::ZERO` only looks. Somebody else who shares this end may take the message first.
    ///
    /// # Errors
    ///
    /// The operating system's.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// let (tx, rx) = duplex_pipe::simplex::<[u8]>()?;
    /// assert!(!rx.poll(Duration::ZERO)?);
    /// tx.send(b"now")?;
    /// assert!(rx.poll(None)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn poll(&self, timeout: impl Into<Option<Duration>>) -> Result<bool, Error> {
        self.end.poll(timeout.into())
    }

    /// Sets how many bytes a received message may have, 1 GiB otherwise.
    ///
    /// A longer one is refused before memory for it is asked for. The limit belongs to this end
    /// and the clones made from it later. A lower one travels with it; one above 1 GiB has to be set
    /// again where the end arrives.
    #[must_use]
    #[doc(alias = "maxlength")]
    pub fn with_max_message_bytes(mut self, limit: usize) -> Self {
        self.end.max_bytes = limit;
        self
    }

    /// Returns how many bytes a received message may have.
    #[must_use]
    pub fn max_message_bytes(&self) -> usize {
        self.end.max_bytes
    }
}

impl<T: Message + ?Sized> PipeReceiver<T> {
    /// Receives a message, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; `Disconnected` is the end of the stream.
    #[doc(alias = "recv_bytes")]
    pub fn recv(&self) -> Result<T::Owned, RecvError> {
        Ok(self.end.recv::<T>(Deadline::NEVER)?)
    }

    /// Receives a message if there is one now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<T::Owned, TryRecvError> {
        Ok(self.end.recv::<T>(now())?)
    }

    /// Receives a message, waiting at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T::Owned, RecvTimeoutError> {
        Ok(self.end.recv::<T>(Deadline::after(timeout))?)
    }

    /// Iterates over the messages, waiting for each, until the end of the stream.
    ///
    /// What cannot be decoded is an item too, and the next message follows it. A failure of the
    /// operating system is the last item.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter::new(&self.end)
    }
}

impl PipeReceiver<[u8]> {
    /// Receives a message into `buf`, waiting until there is one, and returns its length.
    ///
    /// # Errors
    ///
    /// [`RecvIntoError`]; a message that is longer than `buf` comes back whole in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use duplex_pipe::RecvIntoError;
    ///
    /// let (tx, rx) = duplex_pipe::simplex::<[u8]>()?;
    /// let mut buf = [0; 4];
    /// tx.send(b"abc")?;
    /// assert_eq!(rx.recv_into(&mut buf)?, 3);
    /// assert_eq!(&buf[..3], b"abc");
    /// tx.send(b"abcdef")?;
    /// assert!(matches!(rx.recv_into(&mut buf), Err(RecvIntoError::TooShort(m)) if m == b"abcdef"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "recv_bytes_into")]
    pub fn recv_into(&self, buf: &mut [u8]) -> Result<usize, RecvIntoError> {
        Ok(self.end.recv_into(buf, Deadline::NEVER)?)
    }

    /// Receives a message into `buf` if there is one now.
    ///
    /// # Errors
    ///
    /// As [`recv_into`](Self::recv_into).
    pub fn try_recv_into(&self, buf: &mut [u8]) -> Result<usize, RecvIntoError<TryRecvError>> {
        Ok(self.end.recv_into(buf, now())?)
    }

    /// Receives a message into `buf`, waiting at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// As [`recv_into`](Self::recv_into).
    pub fn recv_into_timeout(
        &self,
        buf: &mut [u8],
        timeout: Duration,
    ) -> Result<usize, RecvIntoError<RecvTimeoutError>> {
        Ok(self.end.recv_into(buf, Deadline::after(timeout))?)
    }
}

impl<T: ?Sized> Clone for PipeSender<T> {
    fn clone(&self) -> Self {
        Self::wrap(self.end.clone())
    }
}

impl<T: ?Sized> fmt::Debug for PipeSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeSender").field("fd", &self.end.fd.as_raw_fd()).finish_non_exhaustive()
    }
}

/// The descriptor, for `poll`, `select` and `epoll`: writable when the pipe has room.
impl<T: ?Sized> AsFd for PipeSender<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.fd.as_fd()
    }
}

/// Uses an inherited descriptor, which must be a Unix socket of type `SOCK_SEQPACKET`.
impl<T: ?Sized> TryFrom<OwnedFd> for PipeSender<T> {
    type Error = Error;

    fn try_from(fd: OwnedFd) -> Result<Self, Error> {
        End::adopt(fd).map(Self::wrap)
    }
}

impl<T: ?Sized> Clone for PipeReceiver<T> {
    fn clone(&self) -> Self {
        Self::wrap(self.end.clone())
    }
}

impl<T: ?Sized> fmt::Debug for PipeReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipeReceiver").field("fd", &self.end.fd.as_raw_fd()).finish_non_exhaustive()
    }
}

/// The descriptor, for `poll`, `select` and `epoll`: readable as [`poll`](PipeReceiver::poll) says.
impl<T: ?Sized> AsFd for PipeReceiver<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.fd.as_fd()
    }
}

/// Uses an inherited descriptor, which must be a Unix socket of type `SOCK_SEQPACKET`.
impl<T: ?Sized> TryFrom<OwnedFd> for PipeReceiver<T> {
    type Error = Error;

    fn try_from(fd: OwnedFd) -> Result<Self, Error> {
        End::adopt(fd).map(Self::wrap)
    }
}

impl<T: Message + ?Sized> IntoIterator for PipeReceiver<T> {
    type Item = Result<T::Owned, RecvError>;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter::new(self.end)
    }
}

impl<'a, T: Message + ?Sized> IntoIterator for &'a PipeReceiver<T> {
    type Item = Result<T::Owned, RecvError>;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}
