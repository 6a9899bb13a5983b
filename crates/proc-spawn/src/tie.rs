//! The tie that ends a process when its parent dies.
//!
//! The child's end of the control socket is armed with `O_ASYNC`: when the last copy of the
//! parent's end is closed, in whatever way the parent died, the kernel itself sends the owner of
//! the armed end the signal that was chosen, SIGKILL. No thread, no timer, and unlike
//! `PR_SET_PDEATHSIG` it does not fire when only the thread that started the child ends.
//!
//! It also fires when the parent writes, or reads what the child wrote. So the parent never writes
//! after the start message, and reads the report only when the child has ended: until its last
//! instruction, exit handlers included, the child is tied.
#![allow(unsafe_code, reason = "fcntl's F_SETOWN and F_SETSIG have no safe wrapper")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// The libc crate lacks it for Linux; the same number on all our targets.
const F_SETSIG: i32 = 10;

fn fcntl(fd: BorrowedFd<'_>, command: i32, argument: i32) -> io::Result<i32> {
    // SAFETY: the three commands used here take a number, and the descriptor is open.
    match unsafe { libc::fcntl(fd.as_raw_fd(), command, argument) } {
        -1 => Err(io::Error::last_os_error()),
        value => Ok(value),
    }
}

/// Asks the kernel to kill this process when the other end of `control` is closed.
pub(crate) fn arm(control: BorrowedFd<'_>) -> io::Result<()> {
    let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
    fcntl(control, libc::F_SETOWN, pid)?;
    fcntl(control, F_SETSIG, libc::SIGKILL)?;
    let flags = fcntl(control, libc::F_GETFL, 0)?;
    fcntl(control, libc::F_SETFL, flags | libc::O_ASYNC)?;
    Ok(())
}
