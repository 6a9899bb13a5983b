//! What can be wrong with that which a killed process leaves behind.

use std::fmt;

/// The kinds of faults. A fault is told by a panic whose message begins with the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Somebody for whom there is something to do does not go on.
    Hangs,
    /// Data that is torn, or that nobody wrote.
    Corrupt,
    /// Something committed is gone, beyond what is documented.
    Lost,
    /// Something was delivered twice.
    Twice,
    /// The scenario did not come to pass, so the row proves nothing.
    Incomplete,
}

impl Fault {
    const ALL: [Self; 5] = [Self::Hangs, Self::Corrupt, Self::Lost, Self::Twice, Self::Incomplete];

    fn word(self) -> &'static str {
        match self {
            Self::Hangs => "hangs",
            Self::Corrupt => "corrupt",
            Self::Lost => "lost",
            Self::Twice => "twice",
            Self::Incomplete => "incomplete",
        }
    }

    /// Finds the kind in the message of a panic. Whatever else went wrong is `Corrupt`: an assertion
    /// inside an operation, or in a process beside it.
    pub(crate) fn of(message: &str) -> Self {
        let kind = message.split(':').next().unwrap_or_default();
        Self::ALL.into_iter().find(|fault| fault.word() == kind).unwrap_or(Self::Corrupt)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Panics with a [`Fault`] and what is to be said about it, unless the condition holds.
macro_rules! demand {
    ($condition:expr, $kind:ident, $($text:tt)+) => {
        if !$condition {
            panic!("{}: {}", $crate::fault::Fault::$kind, format_args!($($text)+));
        }
    };
}
pub(crate) use demand;
