//! Pipes that carry messages both ways.

use crate::end::{End, now};
use crate::error::{
    Error, RecvError, RecvIntoError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError,
    TrySendError,
};
use crate::iter::{IntoIter, Iter};
use crate::message::Message;
use multiproc_core::deadline::Deadline;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Makes a pipe that carries messages of type `T` both ways.
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
/// let (a, b) = duplex_pipe::duplex::<[u8]>()?;
/// a.send(b"ping")?;
/// assert_eq!(b.recv()?, b"ping");
/// b.send(b"pong")?;
/// assert_eq!(a.recv()?, b"pong");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Pipe")]
#[doc(alias = "socketpair")]
pub fn duplex<T: ?Sized>() -> Result<(Duplex<T>, Duplex<T>), Error> {
    duplex_of()
}

/// Makes a pipe whose first end sends `A` and receives `B`, and whose second end does the reverse.
///
/// # Errors
///
/// As [`duplex`].
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "serde")] {
/// let (client, server) = duplex_pipe::duplex_of::<String, usize>()?;
/// client.send(&"how long is this?".to_string())?;
/// server.send(&server.recv()?.len())?;
/// assert_eq!(client.recv()?, 17);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[expect(clippy::type_complexity, reason = "the two ends with their types swapped are the point")]
pub fn duplex_of<A: ?Sized, B: ?Sized>() -> Result<(Duplex<A, B>, Duplex<B, A>), Error> {
    let (a, b) = End::pair()?;
    Ok((Duplex::wrap(a), Duplex::wrap(b)))
}

/// One end of a pipe that sends messages of type `S` and receives messages of type `R`.
///
/// Clones are the same end. Threads and processes may use it at the same time: each message stays
/// whole, and each is received once, by whichever of them comes first.
///
/// When the process at the other end is killed, whatever it had sent is still received, then comes
/// the end of the stream. For that every copy of its end must be gone, so **drop your own copy of an
/// end that you have given away**; see the [crate](crate#end-of-stream).
///
/// # What a hostile peer can do
///
/// It can send nothing, receive nothing, and send any bytes and descriptors: what is no message of type `R`, or is
/// longer than the [limit](Self::with_max_message_bytes), is [`RecvError::Decode`], and the next one can be
/// received. It shares no memory with this process, and cannot crash it or hold it up beyond a timeout, but for
/// the types of which the [crate](crate#trust) tells.
#[doc(alias = "Connection")]
pub struct Duplex<S: ?Sized, R: ?Sized = S> {
    pub(crate) end: End,
    types: PhantomData<fn(&S, &R)>,
}

impl<S: ?Sized, R: ?Sized> Duplex<S, R> {
    pub(crate) fn wrap(end: End) -> Self {
        Self { end, types: PhantomData }
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
    /// let (a, b) = duplex_pipe::duplex::<[u8]>()?;
    /// assert!(!b.poll(Duration::ZERO)?);
    /// a.send(b"now")?;
    /// assert!(b.poll(None)?);
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

impl<S: Message + ?Sized, R: ?Sized> Duplex<S, R> {
    /// Sends a message, waiting while the pipe is full.
    ///
    /// A receiver sees the whole message or nothing of it, also when this process is killed
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`SendError`]; nothing was sent.
    #[doc(alias = "send_bytes")]
    pub fn send(&self, message: &S) -> Result<(), SendError> {
        Ok(self.end.send(message, Deadline::NEVER)?)
    }

    /// Sends a message if the pipe has room for it now.
    ///
    /// # Errors
    ///
    /// [`TrySendError`]; nothing was sent.
    pub fn try_send(&self, message: &S) -> Result<(), TrySendError> {
        Ok(self.end.send(message, now())?)
    }

    /// Sends a message, waiting at most `timeout` while the pipe is full.
    ///
    /// # Errors
    ///
    /// [`SendTimeoutError`]; nothing was sent.
    pub fn send_timeout(&self, message: &S, timeout: Duration) -> Result<(), SendTimeoutError> {
        Ok(self.end.send(message, Deadline::after(timeout))?)
    }
}

impl<S: ?Sized, R: Message + ?Sized> Duplex<S, R> {
    /// Receives a message, waiting until there is one.
    ///
    /// # Errors
    ///
    /// [`RecvError`]; `Disconnected` is the end of the stream.
    #[doc(alias = "recv_bytes")]
    pub fn recv(&self) -> Result<R::Owned, RecvError> {
        Ok(self.end.recv::<R>(Deadline::NEVER)?)
    }

    /// Receives a message if there is one now.
    ///
    /// # Errors
    ///
    /// [`TryRecvError`].
    pub fn try_recv(&self) -> Result<R::Owned, TryRecvError> {
        Ok(self.end.recv::<R>(now())?)
    }

    /// Receives a message, waiting at most `timeout` for it.
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError`].
    pub fn recv_timeout(&self, timeout: Duration) -> Result<R::Owned, RecvTimeoutError> {
        Ok(self.end.recv::<R>(Deadline::after(timeout))?)
    }

    /// Iterates over the messages, waiting for each, until the end of the stream.
    ///
    /// What cannot be decoded is an item too, and the next message follows it. A failure of the
    /// operating system is the last item.
    pub fn iter(&self) -> Iter<'_, R> {
        Iter::new(&self.end)
    }
}

impl<S: ?Sized> Duplex<S, [u8]> {
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
    /// let (a, b) = duplex_pipe::duplex::<[u8]>()?;
    /// let mut buf = [0; 4];
    /// a.send(b"abc")?;
    /// assert_eq!(b.recv_into(&mut buf)?, 3);
    /// assert_eq!(&buf[..3], b"abc");
    /// a.send(b"abcdef")?;
    /// assert!(matches!(b.recv_into(&mut buf), Err(RecvIntoError::TooShort(m)) if m == b"abcdef"));
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

impl<S: ?Sized, R: ?Sized> Clone for Duplex<S, R> {
    fn clone(&self) -> Self {
        Self::wrap(self.end.clone())
    }
}

impl<S: ?Sized, R: ?Sized> fmt::Debug for Duplex<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Duplex").field("fd", &self.end.fd.as_raw_fd()).finish_non_exhaustive()
    }
}

/// The descriptor, for `poll`, `select` and `epoll`: readable as [`poll`](Duplex::poll) says.
impl<S: ?Sized, R: ?Sized> AsFd for Duplex<S, R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.end.fd.as_fd()
    }
}

/// Uses an inherited descriptor, which must be a Unix socket of type `SOCK_SEQPACKET`.
impl<S: ?Sized, R: ?Sized> TryFrom<OwnedFd> for Duplex<S, R> {
    type Error = Error;

    fn try_from(fd: OwnedFd) -> Result<Self, Error> {
        End::adopt(fd).map(Self::wrap)
    }
}

impl<S: ?Sized, R: Message + ?Sized> IntoIterator for Duplex<S, R> {
    type Item = Result<R::Owned, RecvError>;
    type IntoIter = IntoIter<R>;

    fn into_iter(self) -> IntoIter<R> {
        IntoIter::new(self.end)
    }
}

impl<'a, S: ?Sized, R: Message + ?Sized> IntoIterator for &'a Duplex<S, R> {
    type Item = Result<R::Owned, RecvError>;
    type IntoIter = Iter<'a, R>;

    fn into_iter(self) -> Iter<'a, R> {
        self.iter()
    }
}
