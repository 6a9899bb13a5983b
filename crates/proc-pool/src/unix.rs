//! Two calls of the C library, for workers.

#![allow(unsafe_code, reason = "sets a signal's disposition, and leaves a process on the spot")]

/// Ignores SIGINT, which Ctrl-C sends to the whole group: the process with the pool decides.
pub(crate) fn ignore_interrupt() {
    // SAFETY: ignoring is no handler, so nothing of ours runs in signal context.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}

/// Ends a process that a task forked, without what its parent has registered for its own exit.
pub(crate) fn leave() -> ! {
    // SAFETY: ends the process; nothing is run or unwound.
    unsafe { libc::_exit(0) }
}
