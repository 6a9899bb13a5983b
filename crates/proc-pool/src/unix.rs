//! What workers need of the system.

#![allow(
    unsafe_code,
    reason = "a signal's disposition, an exit on the spot, a page that forks wipe"
)]

use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use rustix::mm::{Advice, MapFlags, ProtFlags};

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

/// Tells a process from a copy that a fork made of it, without asking the kernel each time.
///
/// A page of its own holds a 1, and the kernel gives the child of a fork, however it is made, a page of
/// zeros instead. Where that is not to be had the process id tells.
#[derive(Debug)]
pub(crate) struct ForkMark {
    page: Option<NonNull<AtomicU32>>,
    process: u32,
}

impl ForkMark {
    pub(crate) fn new() -> Self {
        let page = wiped_by_forks();
        if let Some(page) = page {
            // SAFETY: `wiped_by_forks` mapped it, for good. Relaxed: one thread's.
            unsafe { page.as_ref() }.store(1, Relaxed);
        }
        Self { page, process: std::process::id() }
    }

    /// Says whether this process is a copy of the one that made the mark.
    #[inline]
    pub(crate) fn is_copy(&self) -> bool {
        match self.page {
            // SAFETY: as above; the copy has a page at the same address.
            Some(page) => unsafe { page.as_ref() }.load(Relaxed) == 0,
            None => std::process::id() != self.process,
        }
    }
}

/// Maps a page that is zero after a fork. It stays for as long as the process.
fn wiped_by_forks() -> Option<NonNull<AtomicU32>> {
    let bytes = rustix::param::page_size();
    let (at, protection) = (core::ptr::null_mut(), ProtFlags::READ | ProtFlags::WRITE);
    // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
    let page = unsafe { rustix::mm::mmap_anonymous(at, bytes, protection, MapFlags::PRIVATE) };
    let page = page.ok()?;
    // SAFETY: our own mapping; the advice concerns copies of it only.
    if unsafe { rustix::mm::madvise(page, bytes, Advice::LinuxWipeOnFork) }.is_err() {
        // SAFETY: as above, and nobody knows of it.
        let _ = unsafe { rustix::mm::munmap(page, bytes) };
        return None;
    }
    NonNull::new(page.cast())
}

#[cfg(test)]
mod tests {
    use super::ForkMark;

    #[test]
    fn a_fork_is_a_copy_and_the_original_is_none() {
        for mark in [ForkMark::new(), ForkMark { page: None, process: std::process::id() }] {
            assert!(!mark.is_copy());
            testkit::fork(|| assert!(mark.is_copy())).assert_ok();
            assert!(!mark.is_copy());
        }
    }
}
