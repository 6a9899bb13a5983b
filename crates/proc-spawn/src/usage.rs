//! What a process has used, and the call that tells it together with the status.
#![allow(unsafe_code, reason = "waitid gives no resource usage through any safe wrapper")]

use crate::status::ExitStatus;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::Duration;

/// What a process has used, its own children included that it has waited for.
///
/// ```
/// use proc_spawn::spawn;
///
/// let process = spawn((), || {
///     let big = std::hint::black_box(vec![1u8; 16 << 20]);
///     big.iter().map(|x| u64::from(*x)).sum::<u64>()
/// })?;
/// let _ = process.wait();
/// let usage = process.usage().expect("it has ended");
/// assert!(usage.max_rss_bytes() > 16 << 20);
/// println!("{:?} in user code, {:?} in the kernel", usage.user(), usage.system());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[doc(alias = "rusage")]
pub struct Usage {
    user: Duration,
    system: Duration,
    max_rss_bytes: u64,
}

impl Usage {
    /// Returns the CPU time spent in its own code.
    #[must_use]
    pub fn user(&self) -> Duration {
        self.user
    }

    /// Returns the CPU time that the kernel spent for it.
    #[must_use]
    pub fn system(&self) -> Duration {
        self.system
    }

    /// Returns the CPU time in all.
    #[must_use]
    pub fn cpu(&self) -> Duration {
        self.user + self.system
    }

    /// Returns the most memory that it had resident at one time, in bytes.
    ///
    /// The kernel counts from before the exec, when the new process still shares the memory of its parent: with
    /// [`StartMethod::Spawn`](crate::StartMethod::Spawn) it is never less than what the parent had then.
    #[must_use]
    pub fn max_rss_bytes(&self) -> u64 {
        self.max_rss_bytes
    }

    fn of(usage: &libc::rusage) -> Self {
        Self {
            user: duration(usage.ru_utime),
            system: duration(usage.ru_stime),
            max_rss_bytes: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.max_rss_bytes >> 20;
        write!(f, "{:.1?} user, {:.1?} system, {mib} MiB at most", self.user, self.system)
    }
}

fn duration(time: libc::timeval) -> Duration {
    let micros = u32::try_from(time.tv_usec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), micros * 1000)
}

/// Reaps the child behind a pidfd, if it has ended. Never blocks.
pub(crate) fn reap(pidfd: BorrowedFd<'_>) -> Result<Option<(ExitStatus, Usage)>, Errno> {
    let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are valid for what the kernel writes; the C library's `waitid` passes no
    // usage, the system call does.
    let done = unsafe {
        libc::syscall(
            libc::SYS_waitid,
            libc::P_PIDFD,
            pidfd.as_raw_fd(),
            info.as_mut_ptr(),
            libc::WEXITED | libc::WNOHANG,
            usage.as_mut_ptr(),
        )
    };
    if done != 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::CHILD));
    }
    // SAFETY: zeroed, and all-zero bytes are a valid value, or filled by the kernel.
    let info = unsafe { info.assume_init() };
    // SAFETY: as above.
    let usage = unsafe { usage.assume_init() };
    // SAFETY: zero where nothing has ended, else filled for SIGCHLD, whose fields these are.
    let pid = unsafe { info.si_pid() };
    if pid == 0 {
        return Ok(None);
    }
    // SAFETY: as above.
    let value = unsafe { info.si_status() };
    let status = match info.si_code {
        libc::CLD_EXITED => ExitStatus::Code(value),
        libc::CLD_KILLED => ExitStatus::Signal { signal: value, core: false },
        libc::CLD_DUMPED => ExitStatus::Signal { signal: value, core: true },
        _ => ExitStatus::Unknown,
    };
    Ok(Some((status, Usage::of(&usage))))
}
