//! What can go wrong when a process is started, and how it can end.

use crate::panics::PanicInfo;
use crate::status::ExitStatus;
use std::fmt;

multiproc_core::opaque_error! {
    /// Something that the operating system refused.
    ///
    /// The text names the operation and the process; the cause is in
    /// [`source`](std::error::Error::source), its kind in [`kind`](Error::kind).
    pub struct Error;
}

/// Why a process could not be started. No process is left behind.
#[derive(Debug)]
#[non_exhaustive]
pub enum SpawnError {
    /// The operating system refused: no memory, too many processes or descriptors, no `/proc`.
    Io(Error),
    /// The function, or this crate, is not part of the program's own file but of a shared object
    /// (a plugin, a Rust dylib, an extension of an interpreter): the new process would not have it.
    NotMainImage,
    /// This crate's constructor did not run before `main`, so it would not run in the new process
    /// either, and `main` would run there. Call [`init`](crate::init()) first in `main`.
    NoBootHook,
    /// The program runs with more rights than its user (set-uid, set-gid, capabilities), and a new
    /// process of it could be made to do things by the user's environment.
    SetUid,
    /// The arguments could not be encoded; the text says why.
    Encode(String),
    /// The arguments contain more handles than one message can carry.
    TooManyDescriptors {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// This process is a daemon, and those may not have children: nobody would end them.
    Daemonic,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::NotMainImage => f.write_str(
                "the function or the crate proc-spawn is not part of the program's own file, \
                 so another process of the program would not find it",
            ),
            Self::NoBootHook => f.write_str(
                "the constructor of proc-spawn did not run before main: \
                 call proc_spawn::init() first in main",
            ),
            Self::SetUid => f.write_str(
                "the program runs with more rights than its user, \
                 and then starts no further process of itself",
            ),
            Self::Encode(text) => write!(f, "the arguments cannot be sent: {text}"),
            Self::TooManyDescriptors { count, limit } => write!(
                f,
                "the arguments contain {count} handles, and a process can be sent {limit}"
            ),
            Self::Daemonic => f.write_str("a daemon process may not start processes"),
        }
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The text is the inner error's, so the chain goes on behind it.
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}

/// How a process ended that returned no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// Its function panicked.
    Panicked(PanicInfo),
    /// It ended before its function returned: by a signal, or by `std::process::exit`.
    Exited(ExitStatus),
    /// Its result arrived and could not be decoded, or could not be encoded there.
    Decode(String),
    /// It could not decode its arguments, so its function never ran.
    Rejected(String),
    /// The operating system did not let us wait for it or receive its result.
    Io(Error),
    /// The result was returned before, by an earlier
    /// [`join_timeout`](crate::Process::join_timeout).
    Taken,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the process panicked: {panic}"),
            Self::Exited(status) => write!(f, "the process ended without a result: {status}"),
            Self::Decode(text) => write!(f, "the result of the process is unusable: {text}"),
            Self::Rejected(text) => write!(f, "the process rejected its arguments: {text}"),
            Self::Io(error) => error.fmt(f),
            Self::Taken => f.write_str("the result of the process was taken before"),
        }
    }
}

impl std::error::Error for JoinError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => error.source(),
            _ => None,
        }
    }
}
