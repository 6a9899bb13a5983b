//! Calls of the C library that have no safe wrapper.
#![allow(unsafe_code, reason = "calls of the C library without a safe wrapper")]

use super::VARIABLE;
use std::mem::MaybeUninit;

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

/// Blocks SIGINT, or lets it through again.
///
/// Blocked and not ignored: one that is sent to a copy before that lets it through waits there.
pub(super) fn block_sigint(block: bool) {
    let mut set = MaybeUninit::uninit();
    // SAFETY: it initialises the set.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: the set is initialised.
    unsafe { libc::sigaddset(set.as_mut_ptr(), libc::SIGINT) };
    let how = if block { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    // SAFETY: the set is initialised; no signal was blocked when this process began.
    unsafe { libc::pthread_sigmask(how, set.as_ptr(), std::ptr::null_mut()) };
}

/// Lets all signals through to this thread.
pub(crate) fn unblock_signals() {
    let mut none = MaybeUninit::uninit();
    // SAFETY: it initialises the set.
    unsafe { libc::sigemptyset(none.as_mut_ptr()) };
    // SAFETY: the set is initialised.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut()) };
}

/// Writes out what the C library's streams hold.
pub(super) fn flush_streams() {
    // SAFETY: a null pointer means all of them.
    unsafe { libc::fflush(std::ptr::null_mut()) };
}

/// Ends the process at once: no destructors, no exit handlers, no `main`.
pub(crate) fn leave(code: i32) -> ! {
    // SAFETY: it ends the process.
    unsafe { libc::_exit(code) }
}
