//! What a started process knows of itself, and how it ends: report, then leave.
#![allow(unsafe_code, reason = "a reference is kept in an atomic pointer")]

use crate::boot::Place;
use crate::call::{Encoded, Fault};
use crate::message;
use crate::panics::PanicInfo;
use crate::settings::Unset;
use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::time::Duration;

/// Exit code of a process that refused to start, or rejected its arguments: sysexits' `EX_OSERR`.
pub(crate) const REFUSED: i32 = 71;
/// Exit code of a process whose result could not be sent: sysexits' `EX_SOFTWARE`.
pub(crate) const UNSENT: i32 = 70;
/// Exit code of a process whose function panicked, as the standard library has it.
const PANICKED: i32 = 101;

/// How long a report is tried to be sent. Only descriptors have to wait, while more of this user's than the limit of open
/// files are on their way: who is to receive them may be waiting for this very process to end.
const PATIENCE: Duration = Duration::from_secs(2);

/// This process as a child, or null. Set before user code runs, by Release, and read by Acquire.
///
/// A process that is copied from another (by the fork server, or by a fork) sets it again.
static THIS: AtomicPtr<This> = AtomicPtr::new(ptr::null_mut());

/// Who a process is, as its parent tells it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) name: String,
    /// The part of a default name that tells whose child it is: `1:2` is the second of the first.
    pub(crate) number: String,
    pub(crate) daemon: bool,
    /// Whether it may start no processes.
    pub(crate) childless: bool,
    /// Whether it is to be ended when its parent dies.
    pub(crate) tied: bool,
    pub(crate) parent_pid: u32,
    pub(crate) parent_name: String,
}

/// This process as a child.
#[derive(Debug)]
pub(crate) struct This {
    identity: Identity,
    control: OwnedFd,
    reported: AtomicBool,
}

/// Returns this process as a child; `None` in a program that somebody else started.
pub(crate) fn this() -> Option<&'static This> {
    // SAFETY: null, or leaked by `learn`, and never written afterwards.
    unsafe { THIS.load(Ordering::Acquire).as_ref() }
}

impl This {
    /// Remembers who we are. Called by the boot, before user code, while there is one thread.
    pub(crate) fn learn(identity: Identity, control: OwnedFd) -> &'static Self {
        let this = Self { identity, control, reported: AtomicBool::new(false) };
        let this: &'static mut Self = Box::leak(Box::new(this));
        THIS.store(this, Ordering::Release);
        this
    }

    pub(crate) fn name(&self) -> &str {
        &self.identity.name
    }

    pub(crate) fn number(&self) -> &str {
        &self.identity.number
    }

    pub(crate) fn is_daemon(&self) -> bool {
        self.identity.daemon
    }

    pub(crate) fn is_childless(&self) -> bool {
        self.identity.childless
    }

    /// Says whether it is ended when its parent dies.
    pub(crate) fn is_tied(&self) -> bool {
        self.identity.tied
    }

    pub(crate) fn parent_pid(&self) -> u32 {
        self.identity.parent_pid
    }

    pub(crate) fn parent_name(&self) -> &str {
        &self.identity.parent_name
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

    /// Tells the parent that this process has started. The parent leaves the message where it is: to take it
    /// would set off the tie.
    pub(crate) fn tell_started(&self, place: Place) {
        let kind = match place {
            Place::AsWished => message::STARTED,
            Place::Outside => message::STARTED_OUTSIDE,
        };
        // A parent that is gone does not wait for it.
        let _ = packet::send(self.control(), kind, &[], &[], Deadline::NEVER);
    }

    /// Tells the parent that this process cannot be made as it was wished.
    pub(crate) fn tell_unset(&self, unset: &Unset) {
        let body = postcard::to_stdvec(unset).unwrap_or_default();
        let _ = packet::send(self.control(), message::UNSET, &body, &[], Deadline::NEVER);
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
        // A large result is a file of a kind: beyond the limit of those it is an error, not a deadly signal.
        let _ignored = IgnoredXfsz::begin();
        let patience = || Deadline::after(PATIENCE);
        packet::send(self.control(), kind, &body, &fds, patience()).or_else(|error| {
            let why = match error.kind() {
                io::ErrorKind::TimedOut => {
                    "too many descriptors of this user are on their way (a large result is one)"
                        .into()
                }
                _ => error.to_string(),
            };
            let unsent = Err(Fault::Unencodable(format!("it could not be sent: {why}")));
            let (kind, body) = message::write_report(&unsent);
            packet::send(self.control(), kind, &body, &[], patience())?;
            Err(error)
        })
    }

    /// Reports, flushes, runs what was registered for the exit, and ends the process.
    ///
    /// A result waits in the socket, or in a memfd, until somebody reads it: this does not wait for
    /// the parent, but for a moment where this user has too many descriptors on their way.
    pub(crate) fn finish(&self, outcome: &Result<Encoded, Fault>) -> ! {
        std::process::exit(self.conclude(outcome))
    }

    /// Reports, and returns the exit code that fits.
    pub(crate) fn conclude(&self, outcome: &Result<Encoded, Fault>) -> i32 {
        let code = match outcome {
            Ok(_) => 0,
            Err(Fault::Panicked(_)) => PANICKED,
            Err(Fault::Rejected(_)) => REFUSED,
            Err(Fault::Unencodable(_)) => UNSENT,
        };
        match self.report(outcome) {
            Ok(()) => code,
            // Nobody is left to be told; a result that nobody wanted is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
            Err(_) => UNSENT,
        }
    }

    /// Says whether it is this process still, and not one that this was copied from.
    pub(crate) fn is_current(&self) -> bool {
        this().is_some_and(|this| ptr::eq(this, self))
    }

    /// Gives up the socket of a process from which this one was copied. Nothing may use that `This` any more.
    pub(crate) fn retire(&self) {
        // SAFETY: ours to close: the other copy belongs to the other process. It is leaked, so nobody closes
        // it again.
        drop(unsafe { OwnedFd::from_raw_fd(self.control.as_raw_fd()) });
    }
}

/// SIGXFSZ does nothing while this lives.
struct IgnoredXfsz(libc::sighandler_t);

impl IgnoredXfsz {
    fn begin() -> Self {
        // SAFETY: ignoring a signal runs no code.
        Self(unsafe { libc::signal(libc::SIGXFSZ, libc::SIG_IGN) })
    }
}

impl Drop for IgnoredXfsz {
    fn drop(&mut self) {
        // SAFETY: what was there before.
        unsafe { libc::signal(libc::SIGXFSZ, self.0) };
    }
}

/// Tells the parent that an allocation failed. Called in a signal handler: it allocates nothing.
pub(crate) fn report_failed_allocation() {
    if let Some(this) = this()
        // Relaxed: as in `report`.
        && !this.reported.swap(true, Ordering::Relaxed)
    {
        let now = Deadline::after(Duration::ZERO);
        let _ = packet::send(this.control(), message::NO_MEMORY, &[], &[], now);
    }
}

/// Tells the parent of a panic after which the process aborts.
pub(crate) fn report_before_abort(panic: &PanicInfo) {
    if let Some(this) = this() {
        // The process is lost in any case, and the status will say so.
        let _ = this.report(&Err(Fault::Panicked(panic.clone())));
    }
}
