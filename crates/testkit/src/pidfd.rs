//! Signals and waits through a pidfd, which no reused pid can misdirect.

#![allow(unsafe_code, reason = "system calls that the libc crate has no safe form of")]

use crate::Outcome;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// What `waitid` had to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The child is gone, and reaped.
    Ended(Outcome),
    /// The child, traced by the caller, stopped with this signal.
    Stopped(i32),
}

#[derive(Debug)]
pub(crate) struct Pidfd(OwnedFd);

impl Pidfd {
    /// Opens the pidfd of a child that the caller has not reaped yet.
    pub(crate) fn open(pid: i32) -> io::Result<Self> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Sends a signal; a process that is gone already is no error.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        let no_info = std::ptr::null::<libc::siginfo_t>();
        let fd = self.0.as_raw_fd();
        // SAFETY: without a siginfo the call reads no memory of ours.
        let rc = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, signal, no_info, 0) };
        if rc == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() == Some(libc::ESRCH) { Ok(()) } else { Err(error) }
    }

    /// Waits for what `options` names (`WEXITED`, `WSTOPPED`, `WNOHANG`), once: a signal handler
    /// that runs meanwhile is `ErrorKind::Interrupted`. Nothing to report is `None`.
    pub(crate) fn wait(&self, options: i32) -> io::Result<Option<Event>> {
        // SAFETY: all-zero bytes are a valid siginfo_t.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        let id = libc::id_t::try_from(self.0.as_raw_fd()).map_err(io::Error::other)?;
        // SAFETY: `info` is valid for writes for the length of the call.
        let rc = unsafe { libc::waitid(libc::P_PIDFD, id, &mut info, options) };
        if rc != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: waitid fills the fields of a child's change of state, or leaves our zeros.
        let (pid, status) = (unsafe { info.si_pid() }, unsafe { info.si_status() });
        if pid == 0 {
            return Ok(None);
        }
        match info.si_code {
            libc::CLD_EXITED => Ok(Some(Event::Ended(Outcome::Exited(status)))),
            libc::CLD_KILLED | libc::CLD_DUMPED => {
                Ok(Some(Event::Ended(Outcome::Signaled(status))))
            }
            _ => Ok(Some(Event::Stopped(status))),
        }
    }
}

impl AsFd for Pidfd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
