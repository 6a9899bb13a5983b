//! Waiting for several processes at once.

use crate::drain;
use crate::error::JoinError;
use crate::process::Process;
use crate::registry::wait_for;
use multiproc_core::deadline::Deadline;
use rustix::event::{PollFd, PollFlags};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Waits until all the processes have ended, and returns their results in the same order.
///
/// One that fails does not keep the others from being waited for. Output to pipes that were not taken is dropped, that
/// of all of them at the same time.
///
/// ```
/// use proc_spawn::{join_all, spawn};
///
/// let processes: Vec<_> =
///     (0..4u64).map(|n| spawn((n,), |n| 12 / n)).collect::<Result<_, _>>()?;
/// let results = join_all(processes);
/// assert!(results[0].as_ref().unwrap_err().panic().is_some());
/// assert_eq!(results[3].as_ref().unwrap(), &4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn join_all<R: DeserializeOwned>(
    processes: impl IntoIterator<Item = Process<R>>,
) -> Vec<Result<R, JoinError>> {
    // All of them are there before the first is waited for: an iterator may start them as it goes.
    let mut processes: Vec<_> = processes.into_iter().collect();
    processes.iter_mut().for_each(Process::let_go);
    // Together, as one of them may wait for another.
    drain::until_ended(processes.iter_mut().map(Process::drained));
    processes.into_iter().map(Process::join).collect()
}

/// Waits until one of the processes has ended, and returns its index; `None` only for no processes.
///
/// When several have, it is the first of them. Python's `multiprocessing.connection.wait` on sentinels.
///
/// ```
/// use proc_spawn::{spawn, wait_first};
/// use std::time::Duration;
///
/// let sleep = |ms| std::thread::sleep(Duration::from_millis(ms));
/// let racers = [spawn((60_000,), sleep)?, spawn((1,), sleep)?];
/// assert_eq!(wait_first(&racers), Some(1));
/// racers[0].kill()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "the index says which process has ended"]
#[doc(alias = "wait")]
pub fn wait_first<R>(processes: &[Process<R>]) -> Option<usize> {
    first(processes, Deadline::NEVER)
}

/// Waits as [`wait_first`], but no longer than `timeout`; then returns `None`.
#[must_use = "the index says which process has ended"]
pub fn wait_first_timeout<R>(processes: &[Process<R>], timeout: Duration) -> Option<usize> {
    first(processes, Deadline::after(timeout))
}

fn first<R>(processes: &[Process<R>], deadline: Deadline) -> Option<usize> {
    if processes.is_empty() {
        return None;
    }
    loop {
        if let Some(index) = processes.iter().position(|process| !process.is_alive()) {
            return Some(index);
        }
        let mut fds: Vec<_> =
            processes.iter().map(|process| PollFd::new(process, PollFlags::IN)).collect();
        if wait_for(&mut fds, deadline) == Some(false) {
            return None;
        }
        if deadline.has_passed() {
            return processes.iter().position(|process| !process.is_alive());
        }
        // Nothing is lost by a look that comes to nothing: see `Child::wait`.
        if processes.iter().all(Process::is_alive) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
