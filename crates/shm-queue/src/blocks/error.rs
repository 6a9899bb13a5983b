//! What may go wrong with blocks.

use crate::error::{EMPTY, Error, NO_RECEIVER, NO_SENDER, STAYED_EMPTY, outcome, too_large};
use core::fmt;

/// Why there was no block for a message, or the message was not sent.
pub enum SendBlockError {
    /// It has `len` bytes, and the largest block has room for `most`.
    TooLarge {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the longest message that the queue takes.
        most: usize,
    },
    /// No receiver is left.
    Disconnected,
    /// This thread could not take part: 125 others do, or the system has no memory left.
    Attach(Error),
}

outcome!(SendBlockError, this, f => match this {
    Self::TooLarge { len, most } => too_large(f, *len, *most),
    Self::Disconnected => f.write_str(NO_RECEIVER),
    Self::Attach(error) => fmt::Display::fmt(error, f),
});

/// Why there was no block for a message at once, or the message was not sent at once.
pub enum TrySendBlockError {
    /// There is no free block of its size now, or no room in the queue.
    Full,
    /// It has `len` bytes, and the largest block has room for `most`.
    TooLarge {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the longest message that the queue takes.
        most: usize,
    },
    /// No receiver is left.
    Disconnected,
    /// This thread could not take part: 125 others do, or the system has no memory left.
    Attach(Error),
}

outcome!(TrySendBlockError, this, f => match this {
    Self::Full => f.write_str("the queue has no free block of that size, or no room"),
    Self::TooLarge { len, most } => too_large(f, *len, *most),
    Self::Disconnected => f.write_str(NO_RECEIVER),
    Self::Attach(error) => fmt::Display::fmt(error, f),
});

/// Why there was no block for a message in time, or the message was not sent in time.
pub enum SendBlockTimeoutError {
    /// There was no free block of its size until the deadline, or no room in the queue.
    Timeout,
    /// It has `len` bytes, and the largest block has room for `most`.
    TooLarge {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the longest message that the queue takes.
        most: usize,
    },
    /// No receiver is left.
    Disconnected,
    /// This thread could not take part: 125 others do, or the system has no memory left.
    Attach(Error),
}

outcome!(SendBlockTimeoutError, this, f => match this {
    Self::Timeout => f.write_str("the queue had no free block of that size, or no room, until the deadline"),
    Self::TooLarge { len, most } => too_large(f, *len, *most),
    Self::Disconnected => f.write_str(NO_RECEIVER),
    Self::Attach(error) => fmt::Display::fmt(error, f),
});

/// Why no message was received.
pub enum RecvBlockError {
    /// There is none, and no sender is left.
    Disconnected,
    /// This thread could not take part: 125 others do, or the system has no memory left.
    Attach(Error),
}

outcome!(RecvBlockError, this, f => match this {
    Self::Disconnected => f.write_str(NO_SENDER),
    Self::Attach(error) => fmt::Display::fmt(error, f),
});

/// Why no message was received at once.
pub enum TryRecvBlockError {
    /// There is none now.
    Empty,
    /// There is none, and no sender is left.
    Disconnected,
    /// This thread could not take part: 125 others do, or the system has no memory left.
    Attach(Error),
}

outcome!(TryRecvBlockError, this, f => match this {
    Self::Empty => f.write_str(EMPTY),
    Self::Disconnected => f.write_str(NO_SENDER),
    Self::Attach(error) => fmt::Display::fmt(error, f),
});

/// Why no message was received in time.
pub enum RecvBlockTimeoutError {
    /// None came until the deadline.
    Timeout,
    /// There is none, and no sender is left.
    Disconnected,
    /// This thread could not take part: 125 others do, or the system has no memory left.
    Attach(Error),
}

outcome!(RecvBlockTimeoutError, this, f => match this {
    Self::Timeout => f.write_str(STAYED_EMPTY),
    Self::Disconnected => f.write_str(NO_SENDER),
    Self::Attach(error) => fmt::Display::fmt(error, f),
});
