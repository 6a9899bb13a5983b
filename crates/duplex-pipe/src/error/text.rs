//! The words of the outcomes. A failure inside an outcome speaks for itself, so no cause is printed
//! twice.

use super::*;
use std::error::Error as StdError;
use std::fmt;

const BROKEN_PIPE: &str = "broken pipe: every copy of the other end is closed";
const DISCONNECTED: &str = "end of stream: every copy of the other end is closed";

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BrokenPipe => f.write_str(BROKEN_PIPE),
            Self::Encode(error) | Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TrySendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the pipe is full"),
            Self::BrokenPipe => f.write_str(BROKEN_PIPE),
            Self::Encode(error) | Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for SendTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timed out while the pipe was full"),
            Self::BrokenPipe => f.write_str(BROKEN_PIPE),
            Self::Encode(error) | Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnected => f.write_str(DISCONNECTED),
            Self::Decode(error) | Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("no message is in the pipe"),
            Self::Disconnected => f.write_str(DISCONNECTED),
            Self::Decode(error) | Self::Failed(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for RecvTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("timed out while no message was in the pipe"),
            Self::Disconnected => f.write_str(DISCONNECTED),
            Self::Decode(error) | Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Display> fmt::Display for RecvIntoError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(message) => {
                write!(f, "the buffer is too short for a message of {} bytes", message.len())
            }
            Self::Recv(error) => error.fmt(f),
        }
    }
}

impl StdError for SendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::BrokenPipe => None,
            Self::Encode(error) | Self::Failed(error) => error.source(),
        }
    }
}

impl StdError for TrySendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Full | Self::BrokenPipe => None,
            Self::Encode(error) | Self::Failed(error) => error.source(),
        }
    }
}

impl StdError for SendTimeoutError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::TimedOut | Self::BrokenPipe => None,
            Self::Encode(error) | Self::Failed(error) => error.source(),
        }
    }
}

impl StdError for RecvError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Disconnected => None,
            Self::Decode(error) | Self::Failed(error) => error.source(),
        }
    }
}

impl StdError for TryRecvError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Empty | Self::Disconnected => None,
            Self::Decode(error) | Self::Failed(error) => error.source(),
        }
    }
}

impl StdError for RecvTimeoutError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::TimedOut | Self::Disconnected => None,
            Self::Decode(error) | Self::Failed(error) => error.source(),
        }
    }
}

impl<E: StdError + 'static> StdError for RecvIntoError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::TooShort(_) => None,
            Self::Recv(error) => error.source(),
        }
    }
}
