//! What may go wrong: failures of the system, and outcomes of an operation.

use core::fmt;

multiproc_core::opaque_error! {
    /// A queue could not be made, opened or taken over.
    ///
    /// Says which operation failed on what; the cause is in [`source`](std::error::Error::source).
    pub struct Error;
}

/// Defines the text of an outcome, without asking anything of the message inside it.
macro_rules! outcome {
    ($name:ident $(<$t:ident>)?, $this:ident, $f:ident => $text:expr) => {
        impl $(<$t>)? fmt::Display for $name $(<$t>)? {
            fn fmt(&self, $f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let $this = self;
                $text
            }
        }

        impl $(<$t>)? fmt::Debug for $name $(<$t>)? {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl $(<$t>)? std::error::Error for $name $(<$t>)? {}
    };
}

pub(crate) use outcome;

pub(crate) const NO_RECEIVER: &str = "the queue was closed or has no receiver any more";
pub(crate) const NO_SENDER: &str = "the queue is empty, and was closed or has no sender any more";
const UNFINISHED: &str = "messages are unfinished, and the queue has no receiver any more";
const FULL: &str = "the queue is full";
pub(crate) const EMPTY: &str = "the queue is empty";
const STAYED_FULL: &str = "the queue stayed full until the deadline";
pub(crate) const STAYED_EMPTY: &str = "the queue stayed empty until the deadline";

pub(crate) fn too_large(f: &mut fmt::Formatter<'_>, len: usize, most: usize) -> fmt::Result {
    write!(f, "the message has {len} bytes, and the queue takes messages of at most {most}")
}

/// The message was not sent: no receiver is left. Holds the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SendError<T>(pub T);

impl<T> SendError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        self.0
    }
}

outcome!(SendError<T>, _this, f => f.write_str(NO_RECEIVER));

/// Why a message was not sent at once. Holds the message.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "Full")]
pub enum TrySendError<T> {
    /// There is no room for it now.
    Full(T),
    /// No receiver is left.
    Disconnected(T),
}

impl<T> TrySendError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        let (Self::Full(message) | Self::Disconnected(message)) = self;
        message
    }

    /// Says whether it may go through later.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Says whether no receiver is left.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected(_))
    }
}

outcome!(TrySendError<T>, this, f => f.write_str(match this {
    Self::Full(_) => FULL,
    Self::Disconnected(_) => NO_RECEIVER,
}));

/// Why a message was not sent in time. Holds the message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// There was no room for it until the deadline.
    Timeout(T),
    /// No receiver is left.
    Disconnected(T),
}

impl<T> SendTimeoutError<T> {
    /// Returns the message.
    pub fn into_inner(self) -> T {
        let (Self::Timeout(message) | Self::Disconnected(message)) = self;
        message
    }

    /// Says whether it may go through later.
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Says whether no receiver is left.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Disconnected(_))
    }
}

outcome!(SendTimeoutError<T>, this, f => f.write_str(match this {
    Self::Timeout(_) => STAYED_FULL,
    Self::Disconnected(_) => NO_RECEIVER,
}));

/// No message came, and none will: the queue is empty and no sender is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RecvError;

outcome!(RecvError, _this, f => f.write_str(NO_SENDER));

/// Why no message was received at once.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "Empty")]
pub enum TryRecvError {
    /// There is none now.
    Empty,
    /// There is none, and no sender is left.
    Disconnected,
}

outcome!(TryRecvError, this, f => f.write_str(match this {
    Self::Empty => EMPTY,
    Self::Disconnected => NO_SENDER,
}));

/// Why no message was received in time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum RecvTimeoutError {
    /// None came until the deadline.
    Timeout,
    /// There is none, and no sender is left.
    Disconnected,
}

outcome!(RecvTimeoutError, this, f => f.write_str(match this {
    Self::Timeout => STAYED_EMPTY,
    Self::Disconnected => NO_SENDER,
}));

/// Nobody is left to finish the messages that are not done: no receiver is left.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct JoinError;

outcome!(JoinError, _this, f => f.write_str(UNFINISHED));

/// Why a wait for all messages to be done ended before they were.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum JoinTimeoutError {
    /// Some were not done by the deadline.
    Timeout,
    /// Some are not done, and no receiver is left.
    Disconnected,
}

outcome!(JoinTimeoutError, this, f => f.write_str(match this {
    Self::Timeout => "messages were still unfinished at the deadline",
    Self::Disconnected => UNFINISHED,
}));

/// More messages were said to be done than were received.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TaskDoneError;

outcome!(TaskDoneError, _this, f => f.write_str("all messages received are done already"));

/// Why a byte message was not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendBytesError {
    /// It has `len` bytes, and the queue never takes more than `most`.
    TooLarge {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the longest message that the queue takes.
        most: usize,
    },
    /// No receiver is left.
    Disconnected,
}

outcome!(SendBytesError, this, f => match *this {
    Self::TooLarge { len, most } => too_large(f, len, most),
    Self::Disconnected => f.write_str(NO_RECEIVER),
});

/// Why a byte message was not sent at once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum TrySendBytesError {
    /// There is no room for it now.
    Full,
    /// It has `len` bytes, and the queue never takes more than `most`.
    TooLarge {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the longest message that the queue takes.
        most: usize,
    },
    /// No receiver is left.
    Disconnected,
}

outcome!(TrySendBytesError, this, f => match *this {
    Self::Full => f.write_str(FULL),
    Self::TooLarge { len, most } => too_large(f, len, most),
    Self::Disconnected => f.write_str(NO_RECEIVER),
});

/// Why a byte message was not sent in time.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendBytesTimeoutError {
    /// There was no room for it until the deadline.
    Timeout,
    /// It has `len` bytes, and the queue never takes more than `most`.
    TooLarge {
        /// The length of the message in bytes.
        len: usize,
        /// The length of the longest message that the queue takes.
        most: usize,
    },
    /// No receiver is left.
    Disconnected,
}

outcome!(SendBytesTimeoutError, this, f => match *this {
    Self::Timeout => f.write_str(STAYED_FULL),
    Self::TooLarge { len, most } => too_large(f, len, most),
    Self::Disconnected => f.write_str(NO_RECEIVER),
});

#[cfg(feature = "serde")]
pub use values::{
    DecodeError, RecvValueError, RecvValueTimeoutError, SendValueError, SendValueTimeoutError,
    TryRecvValueError, TrySendValueError,
};

/// Outcomes of queues of values: those of byte messages, with the value, and with what may go wrong
/// between value and bytes.
#[cfg(feature = "serde")]
mod values {
    use super::*;

    /// The bytes of a message are no value of the queue's type. Says why.
    #[derive(Clone, PartialEq, Eq)]
    pub struct DecodeError(pub(crate) String);

    outcome!(DecodeError, this, f => write!(f, "a message could not be decoded: {}", this.0));

    macro_rules! send_value_error {
        ($(#[$meta:meta])* $name:ident { $($(#[$late_meta:meta])* $late:ident => $text:expr)? }) => {
            $(#[$meta])*
            #[derive(Clone, PartialEq, Eq)]
            pub enum $name<T> {
                $($(#[$late_meta])* $late(T),)?
                /// Its encoding has `len` bytes, and the queue never takes more than `most`.
                TooLarge {
                    /// The value.
                    value: T,
                    /// The length of the encoding in bytes.
                    len: usize,
                    /// The length of the longest encoding that the queue takes.
                    most: usize,
                },
                /// It cannot be encoded: it says so itself, or holds a handle, which cannot travel
                /// inside a queue.
                Encode {
                    /// The value.
                    value: T,
                    /// Why not.
                    reason: String,
                },
                /// No receiver is left.
                Disconnected(T),
            }

            impl<T> $name<T> {
                /// Returns the value.
                pub fn into_inner(self) -> T {
                    match self {
                        $(Self::$late(value) => value,)?
                        Self::TooLarge { value, .. }
                        | Self::Encode { value, .. }
                        | Self::Disconnected(value) => value,
                    }
                }
            }

            outcome!($name<T>, this, f => match this {
                $(Self::$late(_) => f.write_str($text),)?
                Self::TooLarge { len, most, .. } => too_large(f, *len, *most),
                Self::Encode { reason, .. } => {
                    write!(f, "the message could not be encoded: {reason}")
                }
                Self::Disconnected(_) => f.write_str(NO_RECEIVER),
            });
        };
    }

    send_value_error! {
        /// Why a value was not sent. Holds the value.
        SendValueError {}
    }

    send_value_error! {
        /// Why a value was not sent at once. Holds the value.
        TrySendValueError {
            /// There is no room for it now.
            Full => FULL
        }
    }

    send_value_error! {
        /// Why a value was not sent in time. Holds the value.
        SendValueTimeoutError {
            /// There was no room for it until the deadline.
            Timeout => STAYED_FULL
        }
    }

    /// Why no value was received.
    #[derive(Clone, PartialEq, Eq)]
    pub enum RecvValueError {
        /// A message was taken out of the queue, and is no value of its type. The next may be.
        Decode(DecodeError),
        /// The queue is empty and no sender is left.
        Disconnected,
    }

    outcome!(RecvValueError, this, f => match this {
        Self::Decode(error) => error.fmt(f),
        Self::Disconnected => f.write_str(NO_SENDER),
    });

    /// Why no value was received at once.
    #[derive(Clone, PartialEq, Eq)]
    pub enum TryRecvValueError {
        /// There is none now.
        Empty,
        /// A message was taken out of the queue, and is no value of its type. The next may be.
        Decode(DecodeError),
        /// The queue is empty and no sender is left.
        Disconnected,
    }

    outcome!(TryRecvValueError, this, f => match this {
        Self::Empty => f.write_str(EMPTY),
        Self::Decode(error) => fmt::Display::fmt(error, f),
        Self::Disconnected => f.write_str(NO_SENDER),
    });

    /// Why no value was received in time.
    #[derive(Clone, PartialEq, Eq)]
    pub enum RecvValueTimeoutError {
        /// None came until the deadline.
        Timeout,
        /// A message was taken out of the queue, and is no value of its type. The next may be.
        Decode(DecodeError),
        /// The queue is empty and no sender is left.
        Disconnected,
    }

    outcome!(RecvValueTimeoutError, this, f => match this {
        Self::Timeout => f.write_str(STAYED_EMPTY),
        Self::Decode(error) => fmt::Display::fmt(error, f),
        Self::Disconnected => f.write_str(NO_SENDER),
    });
}
