//! What a started process knows of itself, and how it ends: report, then leave.

use crate::call::{Encoded, Fault};
use crate::message::{self, Order};
use crate::panics::PanicInfo;
use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use rustix::event::{PollFd, PollFlags, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a process that refused to start, or rejected its arguments: sysexits' `EX_OSERR`.
pub(crate) const REFUSED: i32 = 71;
/// Exit code of a process whose result could not be sent: sysexits' `EX_SOFTWARE`.
const UNSENT: i32 = 70;
/// Exit code of a process whose function panicked, as the standard library has it.
const PANICKED: i32 = 101;

static THIS: OnceLock<This> = OnceLock::new();

/// This process as a child.
#[derive(Debug)]
pub(crate) struct This {
    name: String,
    identity: String,
    daemon: bool,
    detached: bool,
    parent_pid: u32,
    parent_name: String,
    control: OwnedFd,
    reported: AtomicBool,
}

/// Returns this process as a child; `None` in a program that somebody else started.
pub(crate) fn this() -> Option<&'static This> {
    THIS.get()
}

impl This {
    /// Remembers who we are. Called once, by the boot, before user code.
    pub(crate) fn learn(order: &Order, control: OwnedFd) -> &'static Self {
        THIS.get_or_init(|| Self {
            name: order.name.clone(),
            identity: order.identity.clone(),
            daemon: order.daemon,
            detached: order.detached,
            parent_pid: order.parent_pid,
            parent_name: order.parent_name.clone(),
            control,
            reported: AtomicBool::new(false),
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    pub(crate) fn is_daemon(&self) -> bool {
        self.daemon
    }

    pub(crate) fn is_detached(&self) -> bool {
        self.detached
    }

    pub(crate) fn parent_pid(&self) -> u32 {
        self.parent_pid
    }

    pub(crate) fn parent_name(&self) -> &str {
        &self.parent_name
    }

    pub(crate) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Says whether the parent still holds its end of the control socket.
    pub(crate) fn parent_is_alive(&self) -> bool {
        // A hang-up is always reported, so no event is asked for.
        let mut fds = [PollFd::new(&self.control, PollFlags::empty())];
        let now = rustix::time::Timespec::default();
        !matches!(poll(&mut fds, Some(&now)), Ok(1..))
    }

    /// Tells the parent that it is no longer needed. Only a detached process may: it is not armed.
    pub(crate) fn tell_started(&self) {
        // A parent that is gone did not wait for it.
        let _ = packet::send(self.control(), message::STARTED, &[], &[], Deadline::NEVER);
    }

    /// Tells the parent what became of the function. Does nothing the second time.
    fn report(&self, outcome: &Result<Encoded, Fault>) -> io::Result<()> {
        // Relaxed: nothing is published by it; two threads that panic at once need one winner.
        if self.reported.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let fds = outcome.as_ref().map_or(&[][..], |result| &result.fds[..]);
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        let (kind, body) = message::write_report(outcome);
        packet::send(self.control(), kind, &body, &fds, Deadline::NEVER).or_else(|error| {
            let unsent = Err(Fault::Unencodable(format!("it could not be sent: {error}")));
            let (kind, body) = message::write_report(&unsent);
            packet::send(self.control(), kind, &body, &[], Deadline::NEVER)?;
            Err(error)
        })
    }

    /// Reports, flushes, runs what was registered for the exit, and ends the process.
    ///
    /// A result waits in the socket, or in a memfd, until somebody reads it: this never waits for
    /// the parent.
    pub(crate) fn finish(&self, outcome: &Result<Encoded, Fault>) -> ! {
        let code = match outcome {
            Ok(_) => 0,
            Err(Fault::Panicked(_)) => PANICKED,
            Err(Fault::Rejected(_)) => REFUSED,
            Err(Fault::Unencodable(_)) => UNSENT,
        };
        match self.report(outcome) {
            Ok(()) => std::process::exit(code),
            // Nobody is left to be told; a result that nobody wanted is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => std::process::exit(code),
            Err(_) => std::process::exit(UNSENT),
        }
    }
}

/// Tells the parent of a panic after which the process aborts.
pub(crate) fn report_before_abort(panic: &PanicInfo) {
    if let Some(this) = this() {
        // The process is lost in any case, and the status will say so.
        let _ = this.report(&Err(Fault::Panicked(panic.clone())));
    }
}
