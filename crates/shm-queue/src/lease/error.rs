//! Why there is no lease.

use core::fmt;

use super::given::Denied;
use crate::error::Error;
use crate::ring::Stop;

const OVER: &str =
    "the queue is empty, nobody has a message of it that could come back, and none will be sent";
const EMPTY: &str = "there is no message to lease";
const STAYED_EMPTY: &str = "there was no message to lease until the deadline";

macro_rules! no_lease {
    ($(#[$meta:meta])* $name:ident { $($(#[$late_meta:meta])* $late:ident => $text:expr)? }) => {
        $(#[$meta])*
        #[derive(Debug)]
        pub enum $name {
            $($(#[$late_meta])* $late,)?
            /// There is none, and none will come: no sender is left, or the queue was closed, and no
            /// other thread has a message that it might give back.
            Disconnected,
            /// There may be one, and it cannot be leased: this thread has all leases itself, or poisoned
            /// messages have them; more threads lease than can; or a message could not be decoded, and
            /// was poisoned for that (its [`kind`](Error::kind) is `InvalidData`).
            Failed(Error),
        }

        impl From<Denied> for $name {
            fn from(denied: Denied) -> Self {
                match denied {
                    $(Denied::Stop(Stop::Late) => Self::$late,)?
                    Denied::Stop(_) => Self::Disconnected,
                    Denied::Failed(error) => Self::Failed(error),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$late => f.write_str($text),)?
                    Self::Disconnected => f.write_str(OVER),
                    Self::Failed(error) => error.fmt(f),
                }
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                match self {
                    Self::Failed(error) => error.source(),
                    _ => None,
                }
            }
        }
    };
}

no_lease! {
    /// Why there is no lease.
    LeaseError {}
}

no_lease! {
    /// Why there is no lease at once.
    TryLeaseError {
        /// There is no message to lease now.
        Empty => EMPTY
    }
}

no_lease! {
    /// Why there was no lease in time.
    LeaseTimeoutError {
        /// No message came until the deadline.
        Timeout => STAYED_EMPTY
    }
}
