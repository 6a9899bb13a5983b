//! Calls of the C library that have no safe wrapper.
#![allow(unsafe_code, reason = "calls of the C library without a safe wrapper")]

use super::VARIABLE;

/// Says whether the kernel gave the program more rights than its user has.
pub(crate) fn is_privileged() -> bool {
    // SAFETY: it reads a word that the kernel passed.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Removes our variable, so that no process started from here finds it.
pub(super) fn unset_variable() {
    // SAFETY: a valid name; before `main` nobody else reads the environment.
    unsafe { libc::unsetenv(VARIABLE.as_ptr()) };
}

/// Closes everything above the standard descriptors: the parent's strays.
pub(super) fn close_strays() {
    // SAFETY: nothing of this process has opened anything yet.
    unsafe { libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, 0u32) };
}

/// Makes a write to a closed pipe an error instead of a deadly signal.
pub(super) fn ignore_sigpipe() {
    // SAFETY: ignoring a signal runs no code.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// Ends the process at once: no destructors, no exit handlers, no `main`.
pub(super) fn leave(code: i32) -> ! {
    // SAFETY: it ends the process.
    unsafe { libc::_exit(code) }
}
