//! How a process ended.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The signals from 1 on, on x86-64 as on aarch64.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It left by itself, with this code: 0 when its function returned, 101 when it panicked.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel wrote a core dump.
        core: bool,
    },
    /// It ended, and somebody else took its status: the program ignores `SIGCHLD`, or waits for
    /// children that it does not know.
    Unknown,
}

impl ExitStatus {
    /// Says whether it left by itself with code 0.
    #[must_use]
    pub fn success(self) -> bool {
        self == Self::Code(0)
    }

    /// Returns the code as Python gives it: negative for a signal, `None` when it is unknown.
    ///
    /// ```
    /// use proc_spawn::ExitStatus;
    ///
    /// assert_eq!(ExitStatus::Code(3).exitcode(), Some(3));
    /// assert_eq!(ExitStatus::Signal { signal: 9, core: false }.exitcode(), Some(-9));
    /// ```
    #[must_use]
    pub fn exitcode(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            Self::Signal { signal, .. } => Some(-signal),
            Self::Unknown => None,
        }
    }

    /// Returns the signal that ended it.
    #[must_use]
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signal { signal, .. } => Some(signal),
            Self::Code(_) | Self::Unknown => None,
        }
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal { signal, core } => {
                write!(f, "signal {signal}")?;
                let index = usize::try_from(signal).unwrap_or(0).wrapping_sub(1);
                if let Some(name) = NAMES.get(index) {
                    write!(f, " (SIG{name})")?;
                }
                f.write_str(if core { ", core dumped" } else { "" })
            }
            Self::Unknown => f.write_str("an unknown status"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_the_signal() {
        let killed = ExitStatus::Signal { signal: 9, core: false };
        assert_eq!(killed.to_string(), "signal 9 (SIGKILL)");
        let dumped = ExitStatus::Signal { signal: 11, core: true };
        assert_eq!(dumped.to_string(), "signal 11 (SIGSEGV), core dumped");
        assert_eq!(ExitStatus::Code(71).to_string(), "exit code 71");
        for (number, name) in
            [(libc::SIGHUP, "HUP"), (libc::SIGTERM, "TERM"), (libc::SIGSYS, "SYS")]
        {
            let text = ExitStatus::Signal { signal: number, core: false }.to_string();
            assert_eq!(text, format!("signal {number} (SIG{name})"));
        }
        let real_time = ExitStatus::Signal { signal: 34, core: false };
        assert_eq!(real_time.to_string(), "signal 34");
    }
}
