//! The handle of a started process.

use crate::call::{self, Fault};
use crate::capture::Captured;
use crate::drain::{self, Readers};
use crate::error::{Error, JoinError};
use crate::limit::Limit;
use crate::message::{self, Report};
use crate::registry::{self, Child, Ended};
use crate::start::StartMethod;
use crate::status::ExitStatus;
use crate::stdio::Ends;
use crate::tree::Tree;
use crate::usage::Usage;
use multiproc_core::deadline::Deadline;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use std::fmt;
use std::io::{PipeReader, PipeWriter};
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
    ends: Ends,
    taken: bool,
    result: PhantomData<fn() -> R>,
}

impl<R> Process<R> {
    pub(crate) fn new(child: Arc<Child>, ends: Ends) -> Self {
        Self { child, ends, taken: false, result: PhantomData }
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

    /// Returns how it was made, which is not always as it was asked for: see [`StartMethod::ForkServer`].
    ///
    /// `None` for one that was [forked](crate::fork()).
    #[must_use]
    pub fn method(&self) -> Option<StartMethod> {
        self.child.method
    }

    /// Returns how those are known that end with it; `None` without [`kill_tree`](crate::Builder::kill_tree).
    #[must_use]
    pub fn tree(&self) -> Option<Tree> {
        self.child.tree()
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

    /// Returns what the process and the children that it waited for have used; `None` while it runs, or when
    /// somebody else took its status. Never blocks.
    ///
    /// The example is at [`Usage`].
    #[must_use]
    #[doc(alias = "rusage")]
    pub fn usage(&self) -> Option<Usage> {
        self.ended()?.usage
    }

    /// Returns the limit that ended the process; `None` while it runs, or when it was none. Never blocks.
    ///
    /// ```
    /// use proc_spawn::{Builder, Limit};
    /// use std::time::Duration;
    ///
    /// let process = Builder::new().time_limit(Duration::from_millis(50)).spawn((), || -> () {
    ///     loop {
    ///         std::thread::park();
    ///     }
    /// })?;
    /// let _ = process.wait();
    /// assert_eq!(process.limit_reached(), Some(Limit::WallTime));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn limit_reached(&self) -> Option<Limit> {
        self.ended()?.limit
    }

    /// Gives up its standard input, if nobody took that.
    pub(crate) fn let_go(&mut self) {
        drop(self.ends.stdin.take());
    }

    /// Returns what is needed to read the output that nobody took.
    pub(crate) fn drained(&mut self) -> (&Child, &mut Readers) {
        (&self.child, &mut self.ends.readers)
    }

    fn ended(&self) -> Option<Ended> {
        self.exit_status().and_then(|_| self.child.try_end())
    }

    /// Takes the writing end of its standard input, if that is [piped](crate::Stdio::piped).
    ///
    /// The process sees the end of its input when this is dropped. [`join`](Process::join) drops one that was not
    /// taken.
    pub fn take_stdin(&mut self) -> Option<PipeWriter> {
        self.ends.stdin.take()
    }

    /// Takes the reading end of its standard output, if that is [piped](crate::Stdio::piped).
    ///
    /// The process waits while the pipe is full, so it must be read, here or by another thread, before this process
    /// [waits](Process::wait) for it. Only [`join`](Process::join) and [`join_all`](crate::join_all()), after which
    /// nobody can read any more, read what was not taken, and drop it.
    pub fn take_stdout(&mut self) -> Option<PipeReader> {
        self.ends.readers[0].take()
    }

    /// Takes the reading end of its standard error, if that is [piped](crate::Stdio::piped); as
    /// [`take_stdout`](Process::take_stdout).
    pub fn take_stderr(&mut self) -> Option<PipeReader> {
        self.ends.readers[1].take()
    }

    /// Returns what it has written to standard output, if that is [captured](crate::Stdio::captured).
    #[must_use]
    pub fn captured_stdout(&self) -> Option<&Captured> {
        self.ends.captured[0].as_ref()
    }

    /// Returns what it has written to standard error, if that is [captured](crate::Stdio::captured).
    #[must_use]
    pub fn captured_stderr(&self) -> Option<&Captured> {
        self.ends.captured[1].as_ref()
    }

    /// Waits until the process has ended, and returns how. The result stays for `join`.
    ///
    /// A process that writes to a [pipe](Process::take_stdout) which nobody reads may never end.
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

    /// Interrupts the process, with SIGINT, as Ctrl-C does. Does nothing to one that has ended.
    ///
    /// # Errors
    ///
    /// As [`terminate`](Process::terminate).
    pub fn interrupt(&self) -> Result<(), Error> {
        self.child.signal("interrupt", Signal::INT)
    }

    /// Asks the process to end, with SIGTERM. Does nothing to one that has ended.
    ///
    /// By default that ends it at once, without unwinding; what it shares with others through the
    /// crates of this family survives that. [`join`](Process::join) then says
    /// [`Signaled`](JoinError::Signaled).
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
    /// returned: the process does not wait for somebody to read it. Output to a pipe that was not taken is dropped.
    ///
    /// # Errors
    ///
    /// [`JoinError`] says how the process ended instead: by a panic (with message and place), by a
    /// signal, by an exit of its own, at a limit.
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
        self.let_go();
        drain::until_ended([self.drained()].into_iter());
        let _ = self.wait();
        self.take()
    }

    /// Waits as [`join`](Process::join), and returns beside the outcome what the process has used.
    ///
    /// ```
    /// use proc_spawn::spawn;
    ///
    /// let (sum, usage) = spawn((), || (0..1_000_000u64).sum::<u64>())?.join_with_usage();
    /// println!("{} took {:?} of a CPU", sum?, usage.map(|usage| usage.cpu()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join_with_usage(mut self) -> (Result<R, JoinError>, Option<Usage>) {
        self.let_go();
        drain::until_ended([self.drained()].into_iter());
        let _ = self.wait();
        let usage = self.usage();
        (self.take(), usage)
    }

    /// Waits as [`join`](Process::join), but no longer than `timeout`; then returns `None`, and may
    /// be called again. Pipes that were not taken are not read meanwhile: [`wait`](Process::wait) says what comes of it.
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
        self.wait_timeout(timeout)?;
        Some(self.take())
    }

    /// Takes the report of a process that has ended.
    fn take(&mut self) -> Result<R, JoinError> {
        // A fork of its parent has this handle too. The result is the parent's, and is in the socket but once.
        if self.child.owner != std::process::id() {
            return Err(JoinError::Unknown);
        }
        if std::mem::replace(&mut self.taken, true) {
            return Err(JoinError::Taken);
        }
        let silent = || self.ended().map_or(JoinError::Unknown, JoinError::silent);
        let packet = match self.child.take_report() {
            Ok(Some(packet)) => packet,
            Ok(None) => return Err(silent()),
            // A copy of its socket lives on, in a process that it forked: no report came from it.
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => return Err(silent()),
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                return Err(JoinError::Decode(error.to_string()));
            }
            Err(error) => {
                let object = format!("process '{}'", self.name());
                return Err(JoinError::Io(Error::new("receive the result of", object, error)));
            }
        };
        match message::read_report(packet).map_err(JoinError::Decode)? {
            Report::Result(result) => call::decode(&result.body, result.fds)
                .map_err(|error| JoinError::Decode(error.to_string())),
            Report::Fault(Fault::Panicked(panic)) => Err(JoinError::Panicked(panic)),
            Report::Fault(Fault::Rejected(text)) => Err(JoinError::Rejected(text)),
            Report::Fault(Fault::Unencodable(text)) => Err(JoinError::Decode(text)),
            Report::NoMemory => Err(silent()),
            Report::Unset(unset) => {
                let object = format!("process '{}'", self.name());
                Err(JoinError::Io(Error::new(unset.setting.operation(), object, unset.into_io())))
            }
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
