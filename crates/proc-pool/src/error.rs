//! What can go wrong with a pool, with handing it a task, and with a task.

use std::fmt;
use std::time::Duration;

use proc_spawn::call::{CodecError, Fault};
use proc_spawn::{PanicInfo, SpawnError};

use crate::died::WorkerDied;

multiproc_core::opaque_error! {
    /// A pool could not be made, or is in no state for what was asked: which, and why.
    pub struct Error;
}

/// Why a task was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SubmitError {
    /// The pool was closed or terminated.
    Closed,
    /// The pool's workers end before they are ready, again and again; the text says how.
    Broken(String),
    /// The pool belongs to the process that this one was forked from.
    Forked,
    /// The arguments could not be encoded; the text says why.
    Encode(String),
    /// The function cannot be named to another process; the text says why.
    Function(String),
    /// An option has a value that makes no sense; the text names it, and what would.
    Options(String),
}

impl SubmitError {
    pub(crate) fn function(error: SpawnError) -> Self {
        Self::Function(error.to_string())
    }

    pub(crate) fn encode(error: CodecError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("the pool takes no tasks any more"),
            Self::Forked => f.write_str("the pool belongs to the process that was forked"),
            Self::Broken(why) => write!(f, "the workers of the pool do not become ready: {why}"),
            Self::Encode(why) => write!(f, "the arguments of the task cannot be sent: {why}"),
            Self::Function(why) => write!(f, "the function of the task cannot be sent: {why}"),
            Self::Options(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for SubmitError {}

/// Why a task has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskError {
    /// Its function panicked, with this message, there. The worker lives.
    Panicked(PanicInfo),
    /// The worker that had begun it died: killed, crashed, or exited.
    WorkerDied(WorkerDied),
    /// The worker could not decode the arguments, so the function never ran.
    Rejected(String),
    /// The result could not be encoded by the worker, or not be decoded here.
    Result(String),
    /// It took longer than it may, this long from when it was begun, and its worker was ended for that.
    TimedOut(Duration),
    /// It was [cancelled](crate::Handle::cancel).
    Cancelled,
    /// The pool was terminated before the task was done.
    Terminated,
    /// It was not taken, or the pool broke while it was waiting.
    Submit(SubmitError),
    /// The operating system did not let us send it; the text says why.
    Io(String),
    /// Its result was returned before, by an earlier [`get_timeout`](crate::Handle::get_timeout).
    Taken,
}

impl TaskError {
    pub(crate) fn from_fault(fault: Fault) -> Self {
        match fault {
            Fault::Panicked(panic) => Self::Panicked(panic),
            Fault::Rejected(why) => Self::Rejected(why),
            other => Self::Result(other.to_string()),
        }
    }

    pub(crate) fn result(error: CodecError) -> Self {
        Self::Result(error.to_string())
    }

    /// Returns the panic in which the task ended, if it did.
    #[must_use]
    pub fn panic(&self) -> Option<&PanicInfo> {
        match self {
            Self::Panicked(panic) => Some(panic),
            _ => None,
        }
    }

    /// Returns how the worker ended under the task, if it did.
    #[must_use]
    pub fn worker_died(&self) -> Option<&WorkerDied> {
        match self {
            Self::WorkerDied(died) => Some(died),
            _ => None,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked(panic) => write!(f, "the task panicked: {panic}"),
            Self::WorkerDied(died) => died.fmt(f),
            Self::Rejected(why) => write!(f, "the task was rejected by its worker: {why}"),
            Self::Result(why) => write!(f, "the result of the task is unusable: {why}"),
            Self::TimedOut(limit) => {
                write!(f, "the task took longer than {limit:?}, and its worker was ended")
            }
            Self::Cancelled => f.write_str("the task was cancelled"),
            Self::Terminated => f.write_str("the pool was terminated before the task was done"),
            Self::Submit(error) => error.fmt(f),
            Self::Io(why) => write!(f, "the task could not be sent to a worker: {why}"),
            Self::Taken => f.write_str("the result of the task was taken before"),
        }
    }
}

impl std::error::Error for TaskError {}

impl From<SubmitError> for TaskError {
    fn from(error: SubmitError) -> Self {
        Self::Submit(error)
    }
}

/// Why [`try_map`](crate::Pool::try_map) has no results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryMapError<E> {
    /// A task returned this error.
    Returned(E),
    /// A task failed: it panicked, or its worker died.
    Failed(TaskError),
}

impl<E> From<TaskError> for TryMapError<E> {
    fn from(error: TaskError) -> Self {
        Self::Failed(error)
    }
}

impl<E> From<SubmitError> for TryMapError<E> {
    fn from(error: SubmitError) -> Self {
        Self::Failed(error.into())
    }
}

impl<E: fmt::Display> fmt::Display for TryMapError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(error) => error.fmt(f),
            Self::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> std::error::Error for TryMapError<E> {}
