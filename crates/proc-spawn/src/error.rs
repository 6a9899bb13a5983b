//! What can go wrong when a process is started, and how it can end.

use crate::limit::Limit;
use crate::panics::PanicInfo;
use crate::registry::Ended;
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
    /// This process is exiting, and no longer looks after processes.
    Exiting,
    /// Other threads run in this process, and a fork would copy the locks that they hold, but not them.
    Threads,
    /// A wish of the [`Builder`](crate::Builder) could not be fulfilled: a limit that is too high or too low, a
    /// directory that is not there.
    Setting(Error),
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
            Self::Exiting => f.write_str("this process is exiting"),
            Self::Threads => f.write_str(
                "other threads run in this process, and what they hold would never be free in a fork of it",
            ),
            Self::Setting(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SpawnError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The text is the inner error's, so the chain goes on behind it.
            Self::Io(error) | Self::Setting(error) => error.source(),
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
    /// It left before its function returned, with this code: by `std::process::exit`, or because it could not
    /// start.
    Exited(i32),
    /// A signal ended it.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether the kernel wrote a core dump.
        core: bool,
    },
    /// It needed more memory than it could have.
    ///
    /// [`Limit::Memory`]: an allocation failed, and the process aborted. That shows in programs whose allocation
    /// errors are those of the standard library; C code may take another way out.
    /// [`Limit::GroupMemory`]: the kernel killed it.
    OutOfMemory(Limit),
    /// It used up the time that it was given: [`Limit::CpuTime`] or [`Limit::WallTime`].
    TimedOut(Limit),
    /// Its result arrived and could not be decoded, or could not be encoded there.
    Decode(String),
    /// It could not decode its arguments, so its function never ran.
    Rejected(String),
    /// The operating system did not let us receive its result, or did not let it set up what it was to have (its
    /// standard streams, say).
    Io(Error),
    /// It ended without a result, and somebody else took its status: the program ignores `SIGCHLD`, or waits
    /// for children that it does not know.
    Unknown,
    /// The result was returned before, by an earlier
    /// [`join_timeout`](crate::Process::join_timeout).
    Taken,
}

impl JoinError {
    /// Makes the error of a process that said nothing.
    pub(crate) fn silent(ended: Ended) -> Self {
        match (ended.limit, ended.status) {
            (Some(limit @ (Limit::Memory | Limit::GroupMemory)), _) => Self::OutOfMemory(limit),
            (Some(limit @ (Limit::CpuTime | Limit::WallTime)), _) => Self::TimedOut(limit),
            (_, ExitStatus::Code(code)) => Self::Exited(code),
            (_, ExitStatus::Signal { signal, core }) => Self::Signaled { signal, core },
            (_, ExitStatus::Unknown) => Self::Unknown,
        }
    }

    /// Returns the panic in which the process ended.
    #[must_use]
    pub fn panic(&self) -> Option<&PanicInfo> {
        match self {
            Self::Panicked(panic) => Some(panic),
            _ => None,
        }
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let silent = |status: ExitStatus, f: &mut fmt::Formatter<'_>| {
            write!(f, "the process ended without a result: {status}")
        };
        match self {
            Self::Panicked(panic) => write!(f, "the process panicked: {panic}"),
            Self::Exited(code) => silent(ExitStatus::Code(*code), f),
            Self::Signaled { signal, core } => {
                silent(ExitStatus::Signal { signal: *signal, core: *core }, f)
            }
            Self::OutOfMemory(limit) => write!(f, "the process ran out of memory: {limit}"),
            Self::TimedOut(limit) => write!(f, "the process took too long: {limit}"),
            Self::Decode(text) => write!(f, "the result of the process is unusable: {text}"),
            Self::Rejected(text) => write!(f, "the process rejected its arguments: {text}"),
            Self::Io(error) => error.fmt(f),
            Self::Unknown => silent(ExitStatus::Unknown, f),
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
