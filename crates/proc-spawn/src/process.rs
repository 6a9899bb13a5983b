//! The handle of a started process.

use crate::call::{self, Fault};
use crate::error::{Error, JoinError};
use crate::message;
use crate::registry::{self, Child};
use crate::status::ExitStatus;
use multiproc_core::deadline::Deadline;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use std::fmt;
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// A process that was started, and the place where its result will be.
///
/// Dropping the handle neither ends the process nor leaves a zombie: the process goes on, its
/// result is lost, and it is collected by a later start, by
/// [`active_children`](crate::active_children()) or at exit, where it is waited for unless it is a
/// daemon.
///
/// As a file descriptor ([`AsFd`]) it is a pidfd, Python's `sentinel`: readable once the process
/// has ended, in `poll`, `epoll` or an async runtime. It must not be read or written.
///
/// ```
/// use proc_spawn::spawn;
///
/// let process = spawn((20u64, 22u64), |a, b| a + b)?;
/// println!("{} is process {}", process.name(), process.pid());
/// assert_eq!(process.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "sentinel")]
pub struct Process<R> {
    child: Arc<Child>,
    taken: bool,
    result: PhantomData<fn() -> R>,
}

impl<R> Process<R> {
    pub(crate) fn new(child: Arc<Child>) -> Self {
        Self { child, taken: false, result: PhantomData }
    }

    /// Returns the process's id.
    #[must_use]
    #[doc(alias = "ident")]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns the name: the one it was given, or `Process-1`, `Process-2`, in a child
    /// `Process-1:1`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// Says whether the process is ended when this one exits.
    #[must_use]
    #[doc(alias = "daemon")]
    pub fn is_daemon(&self) -> bool {
        self.child.is_daemon()
    }

    /// Says whether the process still runs. Never blocks.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Returns how the process ended; `None` while it runs. Never blocks.
    ///
    /// A process that has ended may still have a result to [`join`](Process::join).
    #[must_use]
    #[doc(alias = "exitcode")]
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.reaped(self.child.try_wait())
    }

    /// Waits until the process has ended, and returns how. The result stays for `join`.
    #[must_use = "the status says how the process ended"]
    pub fn wait(&self) -> ExitStatus {
        self.reaped(self.child.wait(Deadline::NEVER)).unwrap_or(ExitStatus::Unknown)
    }

    /// Waits as [`wait`](Process::wait), but no longer than `timeout`; then returns `None`.
    #[must_use = "the status says whether and how the process ended"]
    pub fn wait_timeout(&self, timeout: Duration) -> Option<ExitStatus> {
        self.reaped(self.child.wait(Deadline::after(timeout)))
    }

    fn reaped(&self, status: Option<ExitStatus>) -> Option<ExitStatus> {
        if status.is_some() {
            registry::remove(&self.child);
        }
        status
    }

    /// Asks the process to end, with SIGTERM. Does nothing to one that has ended.
    ///
    /// By default that ends it at once, without unwinding; what it shares with others through the
    /// crates of this family survives that. [`join`](Process::join) then says
    /// [`Exited`](JoinError::Exited).
    ///
    /// # Errors
    ///
    /// When the kernel does not allow it: the process has changed its user.
    pub fn terminate(&self) -> Result<(), Error> {
        self.child.signal("terminate", Signal::TERM)
    }

    /// Ends the process, with SIGKILL, which it cannot refuse. Does nothing to one that has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Process::terminate).
    pub fn kill(&self) -> Result<(), Error> {
        self.child.signal("kill", Signal::KILL)
    }
}

impl<R: DeserializeOwned> Process<R> {
    /// Waits until the process has ended, and returns its function's result.
    ///
    /// Blocks until the process has exited, its own children included. A result of any size is
    /// returned: the process does not wait for somebody to read it.
    ///
    /// # Errors
    ///
    /// [`JoinError`] says how the process ended instead: by a panic (with message and place), by a
    /// signal, by an exit of its own.
    ///
    /// ```
    /// use proc_spawn::{JoinError, spawn};
    ///
    /// let process = spawn((0u32,), |x| 100 / x)?;
    /// match process.join() {
    ///     Err(JoinError::Panicked(panic)) => assert!(panic.message().contains("divide by zero")),
    ///     other => unreachable!("{other:?}"),
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(mut self) -> Result<R, JoinError> {
        let status = self.wait();
        self.take(status)
    }

    /// Waits as [`join`](Process::join), but no longer than `timeout`; then returns `None`, and may
    /// be called again.
    ///
    /// The result is given once; after that it is [`JoinError::Taken`].
    ///
    /// ```
    /// use proc_spawn::spawn;
    /// use std::time::Duration;
    ///
    /// let mut process = spawn((), || std::thread::sleep(Duration::from_millis(100)))?;
    /// assert!(process.join_timeout(Duration::ZERO).is_none());
    /// let result = process.join_timeout(Duration::from_secs(60));
    /// assert!(matches!(result, Some(Ok(()))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_timeout(&mut self, timeout: Duration) -> Option<Result<R, JoinError>> {
        let status = self.wait_timeout(timeout)?;
        Some(self.take(status))
    }

    /// Takes the report of a process that has ended.
    fn take(&mut self, status: ExitStatus) -> Result<R, JoinError> {
        if std::mem::replace(&mut self.taken, true) {
            return Err(JoinError::Taken);
        }
        let packet = match self.child.take_report() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(JoinError::Exited(status)),
            // A copy of its socket lives on, in a process that it forked: no report came from it.
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {
                return Err(JoinError::Exited(status));
            }
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(JoinError::Decode(error.to_string()));
            }
            Err(error) => {
                let object = format!("process '{}'", self.name());
                return Err(JoinError::Io(Error::new("receive the result of", object, error)));
            }
        };
        match message::read_report(packet).map_err(JoinError::Decode)? {
            Ok(result) => call::decode(&result.body, result.fds)
                .map_err(|error| JoinError::Decode(error.to_string())),
            Err(Fault::Panicked(panic)) => Err(JoinError::Panicked(panic)),
            Err(Fault::Rejected(text)) => Err(JoinError::Rejected(text)),
            Err(Fault::Unencodable(text)) => Err(JoinError::Decode(text)),
        }
    }
}

impl<R> AsFd for Process<R> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.pidfd()
    }
}

impl<R> fmt::Debug for Process<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("name", &self.name())
            .field("pid", &self.pid())
            .field("daemon", &self.is_daemon())
            .field("exit_status", &self.exit_status())
            .finish_non_exhaustive()
    }
}
