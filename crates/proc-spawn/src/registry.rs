//! The processes that this one has started and not yet reaped.
//!
//! The registry, not the handle, keeps the parent's end of a child's control socket open: a child
//! whose handle is dropped goes on running. What it leaves when it ends is collected by the next
//! start, by [`active_children`](crate::active_children()), or at this process's exit.

#![allow(unsafe_code, reason = "descriptors are exchanged under their owners")]

use crate::error::Error;
use crate::limit::{self, Limit, Signs, Watch};
use crate::message;
use crate::settings::Unset;
use crate::start::StartMethod;
use crate::status::ExitStatus;
use crate::tree::{self, Own, Tree};
use crate::usage::{self, Usage};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// How a process ended, and what it had used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    /// Unknown where somebody else took it.
    pub(crate) usage: Option<Usage>,
    pub(crate) limit: Option<Limit>,
}

/// One started process, shared by its handle, its views and the registry.
#[derive(Debug)]
pub(crate) struct Child {
    pub(crate) pid: Pid,
    pub(crate) name: String,
    pub(crate) daemon: bool,
    pub(crate) detached: bool,
    /// `None` for one that was forked.
    pub(crate) method: Option<StartMethod>,
    /// Who may wait for it: a process that was forked off us inherits our memory, not our children.
    pub(crate) owner: u32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) control: OwnedFd,
    pub(crate) watch: Watch,
    /// How what it starts is held together, and its control group.
    pub(crate) tree: Mutex<Option<(Tree, Option<Own>)>>,
    /// We have sent it SIGKILL. Relaxed: read by whoever has found it dead.
    pub(crate) killed: AtomicBool,
    /// Set once, by whoever reaps it; the lock makes that one thread.
    pub(crate) ended: Mutex<Option<Ended>>,
}

impl Child {
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

    pub(crate) fn tree(&self) -> Option<Tree> {
        unpoisoned(&self.tree).as_ref().map(|(tree, _)| *tree)
    }

    pub(crate) fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Returns how it ended, reaping it if nobody has; `None` while it runs.
    pub(crate) fn try_wait(&self) -> Option<ExitStatus> {
        self.try_end().map(|ended| ended.status)
    }

    /// Returns how it ended and what it had used, reaping it if nobody has; `None` while it runs.
    pub(crate) fn try_end(&self) -> Option<Ended> {
        let mut ended = unpoisoned(&self.ended);
        if ended.is_none() {
            // Its masks of signals are there as long as nobody has reaped it.
            let deaf = if self.watch.limits_time() {
                if self.wait_for_end(Deadline::after(Duration::ZERO)) == Some(false) {
                    return None;
                }
                limit::is_deaf(self.pid())
            } else {
                false
            };
            match usage::reap(self.pidfd()) {
                Ok(None) | Err(Errno::INTR) => {}
                Ok(Some((status, usage))) => *ended = Some(self.end(status, usage, deaf)),
                // Somebody else reaped it (or will: we were forked off its parent). The pidfd
                // still tells whether it has ended.
                Err(_) if self.wait_for_end(Deadline::after(Duration::ZERO)) == Some(true) => {
                    *ended = Some(Ended { status: ExitStatus::Unknown, usage: None, limit: None });
                }
                Err(_) => {}
            }
        }
        *ended
    }

    fn end(&self, status: ExitStatus, usage: Usage, deaf: bool) -> Ended {
        let aborted = status.signal() == Some(Signal::ABORT.as_raw());
        let no_memory = aborted && self.next_word() == Some(message::NO_MEMORY);
        let by_us = self.killed.load(Ordering::Relaxed);
        let limit = self.watch.reached(status, &usage, Signs { no_memory, by_us, deaf });
        // What it has left; the group itself goes with this.
        if let Some((_, Some(group))) = &*unpoisoned(&self.tree) {
            let _ = group.kill();
        }
        Ended { status, usage: Some(usage), limit }
    }

    /// Returns the kind of what a process that has ended said last, which stays to be received.
    fn next_word(&self) -> Option<u32> {
        loop {
            match packet::peek_kind(self.control.as_fd()) {
                Ok(Some(message::STARTED | message::STARTED_OUTSIDE)) => {
                    drop(self.take_one().ok()?);
                }
                Ok(kind) => return kind,
                Err(_) => return None,
            }
        }
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
        let ended = unpoisoned(&self.ended);
        if ended.is_some() {
            return Ok(());
        }
        // One that has ended already was not killed by us.
        let now = Deadline::after(Duration::ZERO);
        if signal == Signal::KILL && self.wait_for_end(now) != Some(true) {
            self.killed.store(true, Ordering::Relaxed);
        }
        match self.send(signal) {
            // EBADF: it had ended before we could get its pidfd, and something else stands for that.
            Ok(()) | Err(Errno::SRCH | Errno::BADF) => Ok(()),
            Err(error) => Err(Error::new(operation, format!("process '{}'", self.name), error)),
        }
    }

    /// Asks a daemon to end at the exit of this process, after which nobody would end what it has started.
    pub(crate) fn dismiss(&self) {
        let ended = unpoisoned(&self.ended);
        if ended.is_none() {
            let _ = match self.tree() {
                Some(Tree::Subreaper) => tree::terminate_with(self.pid(), self.pidfd()),
                _ => self.send(Signal::TERM),
            };
        }
    }

    fn send(&self, signal: Signal) -> Result<(), Errno> {
        match &*unpoisoned(&self.tree) {
            Some((Tree::Group, Some(group))) if signal == Signal::KILL => {
                // Together, so that nobody in it sees another end. If there is no group any more, itself.
                let _ = group.kill();
                pidfd_send_signal(&self.pidfd, signal)
            }
            Some((Tree::Subreaper, _)) if signal == Signal::KILL => {
                tree::kill_below_and(self.pid(), self.pidfd())
            }
            _ => pidfd_send_signal(&self.pidfd, signal),
        }
    }

    /// Puts something else in the place of its socket, whose number must stay taken.
    pub(crate) fn disown(&self, null: BorrowedFd<'_>) {
        // SAFETY: both are open. The number stays ours, so that whoever closes it closes nothing else.
        unsafe { libc::dup3(null.as_raw_fd(), self.control.as_raw_fd(), libc::O_CLOEXEC) };
    }

    /// Waits until it says that it has started, or why it cannot be made as it was wished, or has ended.
    ///
    /// What it says is only looked at: to take it would set off the tie of a process that runs.
    pub(crate) fn wait_until_started(&self) -> Result<(), Unset> {
        loop {
            let mut fds = [
                PollFd::new(&self.control, PollFlags::IN),
                PollFd::new(&self.pidfd, PollFlags::IN),
            ];
            let waited = wait_for(&mut fds, Deadline::NEVER).is_some();
            let said = packet::peek_kind(self.control.as_fd()).ok().flatten();
            if said == Some(message::STARTED_OUTSIDE) {
                *unpoisoned(&self.tree) = Some((Tree::Subreaper, None));
            }
            if said == Some(message::UNSET) {
                let _ = self.wait(Deadline::NEVER);
                let told = self.take_report().ok().flatten();
                let unset = told.as_ref().and_then(message::read_unset);
                return unset.map_or(Ok(()), Err);
            }
            // If it ended without a word, a join will tell how.
            if waited {
                return Ok(());
            }
        }
    }

    /// Takes its report, which was sent before it ended if it was sent at all.
    pub(crate) fn take_report(&self) -> io::Result<Option<Packet>> {
        loop {
            match self.take_one()? {
                Some(Packet { kind: message::STARTED | message::STARTED_OUTSIDE, .. }) => {}
                other => return Ok(other),
            }
        }
    }

    fn take_one(&self) -> io::Result<Option<Packet>> {
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
pub(crate) fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Enters a started process.
pub(crate) fn add(child: Child) -> Arc<Child> {
    let child = Arc::new(child);
    unpoisoned(&CHILDREN).push(Arc::clone(&child));
    child
}

/// Keeps other threads from the list while this one forks.
pub(crate) fn hold() -> Held {
    Held(unpoisoned(&CHILDREN))
}

pub(crate) struct Held(MutexGuard<'static, Vec<Arc<Child>>>);

impl Held {
    /// Makes a forked process forget the children of its parent, whose ends of their sockets it must not keep open:
    /// they would outlive the parent.
    pub(crate) fn disown(mut self, null: BorrowedFd<'_>) {
        for child in &*self.0 {
            child.disown(null);
        }
        self.0.clear();
    }
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
