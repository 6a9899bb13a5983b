//! What the operations of a pipe can answer instead of success.

mod text;

use std::io::{self, ErrorKind};

multiproc_core::opaque_error! {
    /// The operating system, or a serialiser, refused something.
    ///
    /// `source()` says what; [`kind`](Error::kind) can be matched on.
    pub struct Error;
}

/// Why a message was not sent. Nothing of it was, and the caller still has it.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendError {
    /// No copy of the other end is left.
    #[doc(alias = "BrokenPipeError")]
    #[doc(alias = "EPIPE")]
    BrokenPipe,
    /// The message could not be turned into bytes and descriptors.
    Encode(Error),
    /// The operating system refused.
    Failed(Error),
}

/// Why a message was not sent at once. Nothing of it was, and the caller still has it.
#[derive(Debug)]
#[non_exhaustive]
pub enum TrySendError {
    /// The pipe holds as much as it can; sending would have to wait.
    Full,
    /// No copy of the other end is left.
    BrokenPipe,
    /// The message could not be turned into bytes and descriptors.
    Encode(Error),
    /// The operating system refused.
    Failed(Error),
}

/// Why a message was not sent in time. Nothing of it was, and the caller still has it.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendTimeoutError {
    /// The pipe was full all the time.
    TimedOut,
    /// No copy of the other end is left.
    BrokenPipe,
    /// The message could not be turned into bytes and descriptors.
    Encode(Error),
    /// The operating system refused.
    Failed(Error),
}

/// Why no message was received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvError {
    /// End of stream: every copy of the other end is closed and all that it sent is received.
    #[doc(alias = "EOFError")]
    Disconnected,
    /// A message came that is none: not what this end expects, longer than its limit, or not
    /// framed as this crate does. It is gone; the next one can be received.
    Decode(Error),
    /// The operating system refused. A message whose handles found no descriptor free is gone, and the
    /// next one can be received.
    Failed(Error),
}

/// Why no message was received at once.
#[derive(Debug)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is none now.
    Empty,
    /// End of stream: every copy of the other end is closed and all that it sent is received.
    Disconnected,
    /// A message came that is none, as [`RecvError::Decode`].
    Decode(Error),
    /// The operating system refused.
    Failed(Error),
}

/// Why no message was received in time.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvTimeoutError {
    /// None came.
    TimedOut,
    /// End of stream: every copy of the other end is closed and all that it sent is received.
    Disconnected,
    /// A message came that is none, as [`RecvError::Decode`].
    Decode(Error),
    /// The operating system refused.
    Failed(Error),
}

/// Why no message was received into a buffer; `E` is the error of the operation without a buffer.
#[derive(Debug)]
#[non_exhaustive]
pub enum RecvIntoError<E = RecvError> {
    /// The message is longer than the buffer. Here it is, whole; the buffer's contents are
    /// unspecified.
    #[doc(alias = "BufferTooShort")]
    TooShort(Vec<u8>),
    /// There was no message to receive.
    Recv(E),
}

/// All that can go wrong while sending, before it is known which operation asked.
pub(crate) enum SendFault {
    Late,
    BrokenPipe,
    Encode(Error),
    Failed(Error),
}

/// All that can go wrong while receiving, before it is known which operation asked.
pub(crate) enum RecvFault {
    Late,
    Disconnected,
    Decode(Error),
    Failed(Error),
}

impl SendFault {
    /// Sorts what the socket said about a message of `len` bytes.
    pub(crate) fn new(error: io::Error, len: usize) -> Self {
        let failed = |error| Error::new("send", format!("a pipe message of {len} bytes"), error);
        match error.kind() {
            ErrorKind::TimedOut => Self::Late,
            ErrorKind::BrokenPipe => Self::BrokenPipe,
            ErrorKind::InvalidInput => Self::Encode(failed(error)),
            _ => Self::Failed(failed(error)),
        }
    }
}

impl RecvFault {
    /// Sorts what the socket said.
    pub(crate) fn new(error: io::Error) -> Self {
        let failed = |error| Error::new("receive", "a pipe message", error);
        match error.kind() {
            ErrorKind::TimedOut => Self::Late,
            ErrorKind::InvalidData | ErrorKind::FileTooLarge => Self::Decode(failed(error)),
            _ => Self::Failed(failed(error)),
        }
    }
}

/// An operation without a deadline is never late; if it were, that would be the system's failure.
fn late(operation: &'static str) -> Error {
    Error::new(operation, "a pipe message", ErrorKind::TimedOut)
}

impl From<SendFault> for SendError {
    fn from(fault: SendFault) -> Self {
        match fault {
            SendFault::Late => Self::Failed(late("send")),
            SendFault::BrokenPipe => Self::BrokenPipe,
            SendFault::Encode(error) => Self::Encode(error),
            SendFault::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<SendFault> for TrySendError {
    fn from(fault: SendFault) -> Self {
        match fault {
            SendFault::Late => Self::Full,
            SendFault::BrokenPipe => Self::BrokenPipe,
            SendFault::Encode(error) => Self::Encode(error),
            SendFault::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<SendFault> for SendTimeoutError {
    fn from(fault: SendFault) -> Self {
        match fault {
            SendFault::Late => Self::TimedOut,
            SendFault::BrokenPipe => Self::BrokenPipe,
            SendFault::Encode(error) => Self::Encode(error),
            SendFault::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<RecvFault> for RecvError {
    fn from(fault: RecvFault) -> Self {
        match fault {
            RecvFault::Late => Self::Failed(late("receive")),
            RecvFault::Disconnected => Self::Disconnected,
            RecvFault::Decode(error) => Self::Decode(error),
            RecvFault::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<RecvFault> for TryRecvError {
    fn from(fault: RecvFault) -> Self {
        match fault {
            RecvFault::Late => Self::Empty,
            RecvFault::Disconnected => Self::Disconnected,
            RecvFault::Decode(error) => Self::Decode(error),
            RecvFault::Failed(error) => Self::Failed(error),
        }
    }
}

impl From<RecvFault> for RecvTimeoutError {
    fn from(fault: RecvFault) -> Self {
        match fault {
            RecvFault::Late => Self::TimedOut,
            RecvFault::Disconnected => Self::Disconnected,
            RecvFault::Decode(error) => Self::Decode(error),
            RecvFault::Failed(error) => Self::Failed(error),
        }
    }
}

impl<E: From<RecvFault>> From<crate::end::IntoFault> for RecvIntoError<E> {
    fn from(fault: crate::end::IntoFault) -> Self {
        match fault {
            crate::end::IntoFault::TooShort(message) => Self::TooShort(message),
            crate::end::IntoFault::Recv(fault) => Self::Recv(fault.into()),
        }
    }
}
