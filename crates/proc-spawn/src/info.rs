//! Who we are, who started us, whom we have started.

use crate::child::{self, This};
use crate::error::Error;
use crate::registry::{self, Child, wait_for};
use multiproc_core::deadline::Deadline;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// The name of a process that was not started by this crate, as in Python.
const MAIN: &str = "MainProcess";

/// This process, as its parent named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessInfo {
    name: &'static str,
    pid: u32,
    daemon: bool,
}

/// Returns this process's name and id.
///
/// In a program that was not started by this crate the name is `MainProcess`.
///
/// ```
/// use proc_spawn::{current_process, spawn};
///
/// assert_eq!(current_process().name(), "MainProcess");
/// let child = spawn((), || current_process().name().to_string())?;
/// assert_eq!(child.name().to_owned(), child.join()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn current_process() -> ProcessInfo {
    let this = child::this();
    ProcessInfo {
        name: this.map_or(MAIN, This::name),
        pid: std::process::id(),
        daemon: this.is_some_and(This::is_daemon),
    }
}

impl ProcessInfo {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the process's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Says whether it is ended when its parent exits.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.daemon
    }
}

/// The process that started this one.
#[derive(Clone, Copy, Debug)]
pub struct ParentProcess {
    this: &'static This,
}

/// Returns the process that started this one; `None` where that was not done by this crate.
#[must_use]
pub fn parent_process() -> Option<ParentProcess> {
    child::this().map(|this| ParentProcess { this })
}

impl ParentProcess {
    /// Returns the parent's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.this.parent_name()
    }

    /// Returns the parent's id. When the parent has ended, another process may have got it.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.this.parent_pid()
    }

    /// Says whether the parent still runs. Never blocks.
    ///
    /// Only a process that does not [die with its parent](crate::Builder::die_with_parent) lives to see `false`. A
    /// [fork](crate::fork()) that goes on to use what its parent asked for, so its parent's parent, goes by the id alone.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        if self.this.is_current() {
            return self.this.parent_is_alive();
        }
        let pid = Pid::from_raw(self.pid().cast_signed());
        let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        pidfd.is_some_and(|pidfd| {
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
            wait_for(&mut fds, Deadline::after(Duration::ZERO)) != Some(true)
        })
    }
}

/// A running child, whoever holds its handle.
#[derive(Clone, Debug)]
pub struct ActiveChild {
    child: Arc<Child>,
}

/// Returns the children of this process that run, in the order of their start.
///
/// Children that have ended are reaped on the way. Never blocks.
///
/// ```
/// use proc_spawn::{active_children, spawn};
/// use std::time::Duration;
///
/// let sleeper = spawn((), || std::thread::sleep(Duration::from_secs(600)))?;
/// let children = active_children();
/// assert_eq!(children[0].name(), sleeper.name());
/// children[0].kill()?;
/// assert_eq!(sleeper.wait().signal(), Some(9));
/// assert!(active_children().is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "called for its side effect only, `let _ = active_children();` says so"]
pub fn active_children() -> Vec<ActiveChild> {
    registry::living().into_iter().map(|child| ActiveChild { child }).collect()
}

impl ActiveChild {
    /// Returns the child's id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Returns the child's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.child.name()
    }

    /// Says whether it is ended when this process exits.
    #[must_use]
    pub fn is_daemon(&self) -> bool {
        self.child.is_daemon()
    }

    /// Says whether it still runs. Never blocks.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.child.try_wait().is_none()
    }

    /// Interrupts it, with SIGINT. Does nothing to one that has ended.
    ///
    /// # Errors
    ///
    /// As [`Process::terminate`](crate::Process::terminate).
    pub fn interrupt(&self) -> Result<(), Error> {
        self.child.signal("interrupt", Signal::INT)
    }

    /// Asks it to end, with SIGTERM. Does nothing to one that has ended.
    ///
    /// # Errors
    ///
    /// As [`Process::terminate`](crate::Process::terminate).
    pub fn terminate(&self) -> Result<(), Error> {
        self.child.signal("terminate", Signal::TERM)
    }

    /// Ends it, with SIGKILL. Does nothing to one that has ended.
    ///
    /// # Errors
    ///
    /// As [`Process::terminate`](crate::Process::terminate).
    pub fn kill(&self) -> Result<(), Error> {
        self.child.signal("kill", Signal::KILL)
    }
}

impl AsFd for ActiveChild {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.child.pidfd()
    }
}
