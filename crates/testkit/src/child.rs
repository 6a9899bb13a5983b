//! The parent's side of a forked child.

use crate::pidfd::{Event, Pidfd};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::time::{Duration, Instant};

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this code: 0 after its body returned, 101 after its body panicked.
    Exited(i32),
    /// This signal killed it.
    Signaled(i32),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(101) => write!(f, "panicked (exit code 101, its message is on stderr)"),
            Self::Exited(code) => write!(f, "exited with code {code}"),
            Self::Signaled(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// A child of this test process, made by [`fork`](crate::fork).
///
/// Signals and waits go through a pidfd, so they never reach a stranger that got the same pid.
/// Drop kills the child and reaps it. A copy of this handle that came into another process by a
/// fork may signal the child, but cannot wait for it, and its drop does nothing.
#[derive(Debug)]
pub struct Child {
    pid: i32,
    pidfd: Pidfd,
    parent: u32,
    forked_at: &'static Location<'static>,
    outcome: Option<Outcome>,
}

impl Child {
    pub(crate) fn new(pid: i32, pidfd: Pidfd, forked_at: &'static Location<'static>) -> Self {
        Self { pid, pidfd, parent: std::process::id(), forked_at, outcome: None }
    }

    /// Returns the child's process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Sends SIGKILL. Never blocks; a child that is gone already is left alone.
    pub fn kill(&self) {
        self.signal(libc::SIGKILL);
    }

    /// Sends a signal. Never blocks; a child that is gone already is left alone.
    ///
    /// # Panics
    ///
    /// When the kernel refuses, for instance because there is no such signal.
    #[track_caller]
    pub fn signal(&self, signal: i32) {
        if let Err(error) = self.pidfd.signal(signal) {
            panic!("failed to send signal {signal} to {self}: {error}");
        }
    }

    /// Waits until the child has ended, and reaps it.
    ///
    /// # Panics
    ///
    /// In a process that is not the child's parent.
    #[track_caller]
    pub fn wait(mut self) -> Outcome {
        self.reap()
    }

    /// Returns how the child ended, or `None` while it lives. Never blocks.
    ///
    /// # Panics
    ///
    /// In a process that is not the child's parent.
    #[track_caller]
    pub fn try_wait(&mut self) -> Option<Outcome> {
        if self.outcome.is_none() {
            self.next_event(libc::WEXITED | libc::WNOHANG);
        }
        self.outcome
    }

    /// Waits at most `limit` for the child to end; `None` when it still lives then.
    ///
    /// # Panics
    ///
    /// In a process that is not the child's parent.
    #[track_caller]
    pub fn wait_timeout(&mut self, limit: Duration) -> Option<Outcome> {
        let give_up = Instant::now().checked_add(limit);
        loop {
            if let Some(outcome) = self.try_wait() {
                return Some(outcome);
            }
            // poll counts whole milliseconds: one more, so that the last slice is not a busy loop.
            let left = match give_up.map(|at| at.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)),
                None => Ok(PollTimeout::MAX),
            };
            let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            match poll(&mut fds, left.unwrap_or(PollTimeout::MAX)) {
                Ok(_) | Err(nix::errno::Errno::EINTR) => {}
                Err(error) => panic!("failed to poll {self}: {error}"),
            }
        }
    }

    /// Waits until the child has ended, and panics unless its body returned.
    ///
    /// # Panics
    ///
    /// When the child panicked, exited with another code than 0, or was killed by a signal.
    #[track_caller]
    pub fn assert_ok(mut self) {
        let outcome = self.reap();
        assert!(outcome == Outcome::Exited(0), "{self} {outcome}");
    }

    /// Waits without an end, past interruptions, and reaps.
    #[track_caller]
    pub(crate) fn reap(&mut self) -> Outcome {
        loop {
            match self.outcome {
                Some(outcome) => return outcome,
                None => self.next_event(libc::WEXITED),
            };
        }
    }

    /// Waits once for what `options` names; `None` when nothing was there or a signal interrupted.
    #[track_caller]
    pub(crate) fn next_event(&mut self, options: i32) -> Option<Event> {
        match self.pidfd.wait(options) {
            Ok(event) => {
                if let Some(Event::Ended(outcome)) = event {
                    self.outcome = Some(outcome);
                }
                event
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
            Err(error) => panic!("failed to wait for {self}: {error}"),
        }
    }
}

impl fmt::Display for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "child {} forked at {}", self.pid, self.forked_at)
    }
}

/// The child's pidfd, which becomes readable when the child has ended.
impl AsFd for Child {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // A forked copy of the handle is not the parent: killing would be a surprise there.
        if self.outcome.is_some() || self.parent != std::process::id() {
            return;
        }
        // Nothing here may panic, since a failed test drops its children while it unwinds.
        let killed = self.pidfd.signal(libc::SIGKILL);
        while killed.is_ok() {
            match self.pidfd.wait(libc::WEXITED) {
                Ok(Some(Event::Ended(_))) => return,
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
                _ => {}
            }
        }
    }
}
