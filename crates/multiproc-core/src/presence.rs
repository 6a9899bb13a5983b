//! Who is still there on each side of a queue or pipe in shared memory.
//!
//! Counting handles in shared memory goes wrong when a process is killed, and while a handle is on
//! its way inside a message nobody would count it. So the kernel counts: each side keeps an open file
//! description of the segment that holds a read lock on one byte (an OFD lock). The description, and
//! with it the lock, lives exactly as long as some process has a copy of it or a message carries one.
//! Asking whether the other side is there is one `fcntl`.
//!
//! Source: `fcntl(2)`, "Open file description locks".

#![allow(unsafe_code, reason = "rustix has no OFD locks; two calls of fcntl")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

/// The first byte used for locks, far behind the end of any segment.
const FIRST: i64 = 1 << 62;

/// Opens the segment anew, as a description that stands for `side` as long as anyone has it.
///
/// # Errors
///
/// The kernel's: no `/proc`, or no more descriptors.
pub fn claim(segment: impl AsFd, side: u8) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", segment.as_fd().as_raw_fd());
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let fd = rustix::io::retry_on_intr(|| rustix::fs::open(path.as_str(), flags, Mode::empty()))?;
    let lock = byte(side, libc::F_RDLCK);
    // SAFETY: the command reads one `flock`, which is whole.
    if unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_OFD_SETLK, &raw const lock) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(fd)
}

/// Says whether anybody but the holders of `own` stands for `side`.
///
/// When the kernel does not answer, they are taken to be there: waiting is safe, leaving is not.
pub fn is_there(own: impl AsFd, side: u8) -> bool {
    let mut lock = byte(side, libc::F_WRLCK);
    // SAFETY: the command reads and writes one `flock`, which is whole.
    let asked = unsafe { libc::fcntl(own.as_fd().as_raw_fd(), libc::F_OFD_GETLK, &raw mut lock) };
    asked != 0 || i32::from(lock.l_type) != libc::F_UNLCK
}

fn byte(side: u8, kind: i32) -> libc::flock {
    libc::flock {
        // F_RDLCK, F_WRLCK and SEEK_SET are below 3.
        l_type: kind as i16,
        l_whence: libc::SEEK_SET as i16,
        l_start: FIRST + i64::from(side),
        l_len: 1,
        l_pid: 0,
    }
}
