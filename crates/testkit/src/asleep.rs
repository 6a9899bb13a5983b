//! Whether a process really waits in the kernel.

use crate::procfs::state;
use std::fs;

/// System calls in which one waits for somebody else. Not the sleeps that wait for time alone.
const WAITS: &[libc::c_long] = &[
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    SYS_FUTEX_WAIT,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_recvmmsg,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    // What a wait with a relative timeout becomes after a stop or a trace.
    libc::SYS_restart_syscall,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pause,
];

/// `futex_wait`, one number on all architectures; the libc crate does not have it everywhere.
const SYS_FUTEX_WAIT: libc::c_long = 455;

/// Says whether the main thread of `pid` sleeps in a system call that waits for another process.
///
/// That is state `S` in `/proc/PID/stat` and, where `/proc/PID/syscall` may be read (one's own
/// children), a wait on a futex, a descriptor, a file lock, a child or a signal. A sleep for time
/// alone does not count. False for a process that is gone, and for one that is stopped.
#[must_use]
pub fn is_asleep(pid: i32) -> bool {
    if state(pid) != Some('S') {
        return false;
    }
    match fs::read_to_string(format!("/proc/{pid}/syscall")) {
        Ok(line) => {
            let number = line.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
            number.is_some_and(|number| WAITS.contains(&number))
        }
        // No such file in this kernel, or not ours to read: the state has to do.
        Err(_) => state(pid) == Some('S'),
    }
}
