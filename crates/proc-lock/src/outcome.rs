//! How locking can end, other than well.
//!
//! None of these is a failure of the machine. Where the lock was taken, the guard is inside.

use std::error::Error;
use std::fmt;

const OWNER_DIED: &str = "the process that held the lock died inside; its data may be half-changed";
const POISONED: &str = "a thread that held the lock panicked inside; its data may be half-changed";

/// The lock was taken, and the data may be half-changed.
pub enum LockError<G> {
    /// The process or thread that held the lock ended without unlocking: killed, crashed or exited.
    #[doc(alias = "EOWNERDEAD")]
    OwnerDied(G),
    /// A thread panicked while it held the lock.
    Poisoned(G),
}

impl<G> LockError<G> {
    /// Takes the guard out.
    #[must_use = "the lock unlocks when the guard is dropped"]
    pub fn into_inner(self) -> G {
        match self {
            Self::OwnerDied(guard) | Self::Poisoned(guard) => guard,
        }
    }

    /// Says whether the owner died, rather than panicked.
    pub fn is_owner_died(&self) -> bool {
        matches!(self, Self::OwnerDied(_))
    }

    fn text(&self) -> &'static str {
        match self {
            Self::OwnerDied(_) => OWNER_DIED,
            Self::Poisoned(_) => POISONED,
        }
    }
}

/// The lock was not taken without waiting, or it was and the data may be half-changed.
pub enum TryLockError<G> {
    /// Somebody holds the lock.
    WouldBlock,
    /// See [`LockError::OwnerDied`].
    OwnerDied(G),
    /// See [`LockError::Poisoned`].
    Poisoned(G),
}

/// The lock was not taken in time, or it was and the data may be half-changed.
pub enum LockTimeoutError<G> {
    /// Somebody held the lock for the whole time.
    TimedOut,
    /// See [`LockError::OwnerDied`].
    OwnerDied(G),
    /// See [`LockError::Poisoned`].
    Poisoned(G),
}

/// The wait for a condition did not come to its end in good order. The lock was taken again all the same.
pub enum WaitTimeoutError<G> {
    /// The condition did not come true in time.
    TimedOut(G),
    /// See [`LockError::OwnerDied`].
    OwnerDied(G),
    /// See [`LockError::Poisoned`].
    Poisoned(G),
}

impl<G> WaitTimeoutError<G> {
    /// Takes the guard out.
    #[must_use = "the lock unlocks when the guard is dropped"]
    pub fn into_inner(self) -> G {
        match self {
            Self::TimedOut(guard) | Self::OwnerDied(guard) | Self::Poisoned(guard) => guard,
        }
    }

    fn text(&self) -> &'static str {
        match self {
            Self::TimedOut(_) => "the condition did not come true until the timeout",
            Self::OwnerDied(_) => OWNER_DIED,
            Self::Poisoned(_) => POISONED,
        }
    }
}

impl<G> From<LockError<G>> for WaitTimeoutError<G> {
    fn from(error: LockError<G>) -> Self {
        match error {
            LockError::OwnerDied(guard) => Self::OwnerDied(guard),
            LockError::Poisoned(guard) => Self::Poisoned(guard),
        }
    }
}

/// Everything that is the same for the two that may come without a guard.
macro_rules! with_nothing {
    ($name:ident, $nothing:ident, $text:literal) => {
        impl<G> $name<G> {
            /// Takes the guard out, if the lock was taken.
            #[must_use = "the lock unlocks when the guard is dropped"]
            pub fn into_inner(self) -> Option<G> {
                match self {
                    Self::OwnerDied(guard) | Self::Poisoned(guard) => Some(guard),
                    Self::$nothing => None,
                }
            }

            fn text(&self) -> &'static str {
                match self {
                    Self::OwnerDied(_) => OWNER_DIED,
                    Self::Poisoned(_) => POISONED,
                    Self::$nothing => $text,
                }
            }
        }

        impl<G> From<LockError<G>> for $name<G> {
            fn from(error: LockError<G>) -> Self {
                match error {
                    LockError::OwnerDied(guard) => Self::OwnerDied(guard),
                    LockError::Poisoned(guard) => Self::Poisoned(guard),
                }
            }
        }
    };
}

with_nothing!(TryLockError, WouldBlock, "the lock is held");
with_nothing!(LockTimeoutError, TimedOut, "the lock was held until the timeout");

macro_rules! printed {
    ($($name:ident)*) => {$(
        impl<G> fmt::Display for $name<G> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.text())
            }
        }

        // The guard is not shown: it would need `T: Debug`, and `unwrap` would need it too.
        impl<G> fmt::Debug for $name<G> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.text())
            }
        }

        impl<G> Error for $name<G> {}
    )*};
}

printed!(LockError TryLockError LockTimeoutError WaitTimeoutError);
