//! Ctrl-C in a worker.

#![allow(unsafe_code, reason = "sets a signal's disposition")]

/// Ignores SIGINT, which a terminal sends to the whole group: the process with the pool decides.
pub(crate) fn ignore() {
    // SAFETY: ignoring is no handler, so nothing of ours runs in signal context.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
}
