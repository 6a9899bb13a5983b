//! What happens in a pool, for whoever listens through `tracing`. Nothing without the feature.

#![cfg_attr(not(feature = "tracing"), allow(unused_variables, reason = "nobody listens"))]

use std::time::Instant;

use crate::error::TaskError;
use crate::lane::Nonsense;

/// A worker's process was started.
pub(crate) fn started(id: u64, pid: u32) {
    #[cfg(feature = "tracing")]
    tracing::debug!(worker = id, pid, "worker started");
}

/// A worker's initializer has run.
pub(crate) fn ready(id: u64, pid: u32, started: Instant) {
    #[cfg(feature = "tracing")]
    tracing::debug!(worker = id, pid, after = ?started.elapsed(), "worker ready");
}

/// A worker has ended.
pub(crate) fn ended(id: u64, pid: u32, status: proc_spawn::ExitStatus, expected: bool) {
    #[cfg(feature = "tracing")]
    if expected {
        tracing::debug!(worker = id, pid, %status, "worker ended");
    } else {
        tracing::warn!(worker = id, pid, %status, "worker died");
    }
}

/// A worker has written what no worker writes, and is ended.
pub(crate) fn lost(id: u64, pid: u32, why: Nonsense) {
    #[cfg(feature = "tracing")]
    tracing::warn!(worker = id, pid, %why, "worker has lost its mind");
}

/// A worker is let go, to be replaced.
pub(crate) fn recycled(id: u64, pid: u32, why: &str) {
    #[cfg(feature = "tracing")]
    tracing::debug!(worker = id, pid, why, "worker recycled");
}

/// A worker does not begin what it was given, and is given up.
pub(crate) fn stuck(id: u64, pid: u32) {
    #[cfg(feature = "tracing")]
    tracing::warn!(worker = id, pid, "worker does not begin its task");
}

/// A worker is ended for the sake of a task.
pub(crate) fn doomed(task: u64, why: &str) {
    #[cfg(feature = "tracing")]
    tracing::warn!(task, why, "ending the worker of a task");
}

/// A task goes to another worker, because its own has ended.
pub(crate) fn retried(task: u64) {
    #[cfg(feature = "tracing")]
    tracing::warn!(task, "task goes to another worker");
}

/// A task has failed.
pub(crate) fn failed(task: u64, error: &TaskError) {
    #[cfg(feature = "tracing")]
    tracing::warn!(task, %error, "task failed");
}

/// The pool has given up.
pub(crate) fn broken(why: &str) {
    #[cfg(feature = "tracing")]
    tracing::error!(why, "pool broken");
}
