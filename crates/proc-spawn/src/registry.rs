//! The processes that this one has started and not yet reaped.
//!
//! The registry, not the handle, keeps the parent's end of a child's control socket open: a child
//! whose handle is dropped goes on running. What it leaves when it ends is collected by the next
//! start, by [`active_children`](crate::active_children()), or at this process's exit.

use crate::error::Error;
use crate::status::ExitStatus;
use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// One started process, shared by its handle, its views and the registry.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    name: String,
    daemon: bool,
    detached: bool,
    /// Who may wait for it: a process that was forked off us inherits our memory, not our children.
    owner: u32,
    pidfd: OwnedFd,
    control: OwnedFd,
    /// Set once, by whoever reaps it; the lock makes that one thread.
    status: Mutex<Option<ExitStatus>>,
}

impl Child {
    pub(crate) fn new(
        pid: Pid,
        name: String,
        daemon: bool,
        detached: bool,
        pidfd: OwnedFd,
        control: OwnedFd,
    ) -> Self {
        let owner = std::process::id();
        Self { pid, name, daemon, detached, owner, pidfd, control, status: Mutex::new(None) }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().cast_unsigned()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_daemon(&self) -> bool {
        self.daemon
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Returns how it ended, reaping it if nobody has; `None` while it runs.
    pub(crate) fn try_wait(&self) -> Option<ExitStatus> {
        let mut status = unpoisoned(&self.status);
        if status.is_none() {
            match waitid(WaitId::PidFd(self.pidfd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG)
            {
                Ok(None) | Err(Errno::INTR) => {}
                Ok(Some(ended)) => *status = Some(ExitStatus::from_wait(&ended)),
                // Somebody else reaped it (or will: we were forked off its parent). The pidfd
                // still tells whether it has ended.
                Err(_) if self.wait_for_end(Deadline::after(Duration::ZERO)) == Some(true) => {
                    *status = Some(ExitStatus::Unknown);
                }
                Err(_) => {}
            }
        }
        *status
    }

    /// Waits until it has ended and reaps it; `None` when the deadline passed before.
    pub(crate) fn wait(&self, deadline: Deadline) -> Option<ExitStatus> {
        if let Some(status) = self.try_wait() {
            return Some(status);
        }
        loop {
            let waited = self.wait_for_end(deadline);
            if let Some(status) = self.try_wait() {
                return Some(status);
            }
            if waited == Some(false) || deadline.has_passed() {
                return None;
            }
            // It has ended, and its status is held back: a debugger that traces it gets it first.
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Waits for its end without reaping it, as [`wait_for`].
    fn wait_for_end(&self, deadline: Deadline) -> Option<bool> {
        wait_for(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], deadline)
    }

    /// Sends a signal; that it has ended already is as good.
    pub(crate) fn signal(&self, operation: &'static str, signal: Signal) -> Result<(), Error> {
        // The lock keeps another thread from reaping it in between; a reaped one is not signalled.
        let status = unpoisoned(&self.status);
        if status.is_some() {
            return Ok(());
        }
        match pidfd_send_signal(&self.pidfd, signal) {
            // EBADF: it had ended before we could get its pidfd, and something else stands for that.
            Ok(()) | Err(Errno::SRCH | Errno::BADF) => Ok(()),
            Err(error) => Err(Error::new(operation, format!("process '{}'", self.name), error)),
        }
    }

    /// Waits until it has started, or has failed to: a detached process needs its parent until
    /// then.
    pub(crate) fn wait_until_started(&self) {
        let mut fds =
            [PollFd::new(&self.control, PollFlags::IN), PollFd::new(&self.pidfd, PollFlags::IN)];
        while wait_for(&mut fds, Deadline::NEVER).is_none() {}
        // It says so before anything else. If it failed, there is no message, and a join will tell how it
        // ended.
        let _ = self.take_report();
    }

    /// Takes its report, which was sent before it ended if it was sent at all.
    pub(crate) fn take_report(&self) -> io::Result<Option<Packet>> {
        packet::recv(self.control.as_fd(), usize::MAX, Deadline::after(Duration::ZERO))
    }
}

/// Waits until one of `fds` is ready; `false` when the deadline passed before.
///
/// `None`, after a millisecond, when the kernel does not take the question: there is no memory for it,
/// or the program has lowered its limit of descriptors below what it has. Then look in another way.
pub(crate) fn wait_for(fds: &mut [PollFd<'_>], deadline: Deadline) -> Option<bool> {
    loop {
        match poll(fds, deadline.poll_timeout().as_ref()) {
            Ok(count) => return Some(count > 0),
            Err(Errno::INTR) => {}
            Err(_) => {
                std::thread::sleep(Duration::from_millis(1));
                return None;
            }
        }
    }
}

static CHILDREN: Mutex<Vec<Arc<Child>>> = Mutex::new(Vec::new());

/// A thread that panicked left the data whole: no code of others runs under these locks.
fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Enters a started process.
pub(crate) fn add(child: Child) -> Arc<Child> {
    let child = Arc::new(child);
    unpoisoned(&CHILDREN).push(Arc::clone(&child));
    child
}

/// Takes out a process that has been reaped.
pub(crate) fn remove(child: &Arc<Child>) {
    let mut children = unpoisoned(&CHILDREN);
    if let Some(index) = children.iter().position(|other| Arc::ptr_eq(other, child)) {
        children.remove(index);
    }
}

/// Reaps what has ended and has no handle left.
pub(crate) fn reap_forgotten() {
    let us = std::process::id();
    unpoisoned(&CHILDREN).retain(|child| {
        Arc::strong_count(child) > 1 || (child.owner == us && child.try_wait().is_none())
    });
}

/// Reaps what has ended, and returns this process's children that run, in the order of their start.
pub(crate) fn living() -> Vec<Arc<Child>> {
    let us = std::process::id();
    let mut children = unpoisoned(&CHILDREN);
    children.retain(|child| child.owner == us && child.try_wait().is_none());
    children.clone()
}
