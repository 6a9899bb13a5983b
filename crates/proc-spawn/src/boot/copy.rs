//! `clone3` with `CLONE_PARENT`, and what it leaves to be repaired.
//!
//! The C library knows nothing of such a copy, so its record of the thread is that of the original. Two things
//! in it matter: the thread's id, without which robust locks that the copy holds are nobody's when it is killed, and
//! `abort` ends in another signal; and the list of robust locks, which the kernel does not copy. Handlers for
//! fork do not run; there is one thread, at rest here, so no lock of the library is held.
#![allow(unsafe_code, reason = "clone3 and the C library's thread record")]

use crate::page::Page;
use std::ffi::{c_int, c_void};
use std::mem::{size_of, zeroed};
use std::ptr;
use std::time::{Duration, Instant};

/// How long the kernel may count a thread that has been joined: longer where all CPUs are busy. It costs this only where
/// threads were left behind, once.
const COUNTED_STILL: Duration = Duration::from_millis(100);

/// A child of our parent, with the id of its thread where the C library looks for it. No signal: with this parent it
/// is that of the original.
const FLAGS: c_int = libc::CLONE_PARENT
    | libc::CLONE_PARENT_SETTID
    | libc::CLONE_CHILD_SETTID
    | libc::CLONE_CHILD_CLEARTID;

/// The only thread of this process, of which copies can be made.
pub(super) struct Thread {
    /// Where the C library keeps its id.
    id: *mut c_int,
    robust_list: *mut c_void,
    robust_len: usize,
}

/// In which of the two processes a copy returns.
pub(super) enum Copied {
    /// In the original, with the pid of the copy.
    Here(c_int),
    There,
}

impl Thread {
    /// Looks whether copies can be made; says why not.
    pub(super) fn only() -> Result<Self, String> {
        if !is_soon_only_thread() {
            return Err("a function that was loaded before has left threads".into());
        }
        let mut id: *mut c_int = ptr::null_mut();
        // SAFETY: the kernel writes one pointer.
        let known = unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut id) };
        if known != 0 || id.is_null() {
            return Err("the kernel does not tell where the C library keeps thread ids".into());
        }
        // SAFETY: the C library gave the kernel this address of its own record; both outlive us.
        let kept = unsafe { id.read() };
        if kept != rustix::thread::gettid().as_raw_nonzero().get() {
            return Err("the C library keeps its thread ids in another way".into());
        }
        let (mut robust_list, mut robust_len) = (ptr::null_mut::<c_void>(), 0usize);
        // SAFETY: the kernel writes one pointer and one length; 0 means this thread.
        let known = unsafe {
            libc::syscall(libc::SYS_get_robust_list, 0, &raw mut robust_list, &raw mut robust_len)
        };
        if known != 0 || robust_list.is_null() {
            return Err("the C library has no list of robust locks".into());
        }
        Ok(Self { id, robust_list, robust_len })
    }

    /// Makes a copy of this process, a child of its parent, whose pid the kernel notes in the page.
    ///
    /// # Errors
    ///
    /// The kernel's error number.
    pub(super) fn copy(&self, page: &Page) -> Result<Copied, c_int> {
        let pid = match self.clone3(page) {
            // A filter of system calls that cannot look into this one's arguments, as containers have.
            Err(libc::EPERM | libc::ENOSYS) => self.clone(page)?,
            other => other?,
        };
        if pid > 0 {
            return Ok(Copied::Here(pid));
        }
        // SAFETY: the list is this thread's own, at the same address as in the original, and empty but
        // for locks that the copy does not own.
        unsafe { libc::syscall(libc::SYS_set_robust_list, self.robust_list, self.robust_len) };
        multiproc_core::after_raw_clone();
        Ok(Copied::There)
    }

    fn clone3(&self, page: &Page) -> Result<c_int, c_int> {
        // SAFETY: all zero is a valid value: a plain copy.
        let mut wishes: libc::clone_args = unsafe { zeroed() };
        wishes.flags = FLAGS as u64;
        wishes.parent_tid = page.address();
        wishes.child_tid = self.id.expose_provenance() as u64;
        // SAFETY: no memory is shared with the copy, so it goes on as after a fork, on its own copy of this
        // stack; this is the only thread (`only`), so the memory is in order there.
        let pid = unsafe {
            libc::syscall(libc::SYS_clone3, &raw const wishes, size_of::<libc::clone_args>())
        };
        result(pid)
    }

    /// The call from before `clone3`, with the same wishes.
    fn clone(&self, page: &Page) -> Result<c_int, c_int> {
        let (none, page, id) = (0u64, page.address(), self.id.expose_provenance() as u64);
        // SAFETY: as above. No stack is given, so it is a copy of this one; the last two change places on
        // aarch64, where the one of them that is not used is 0.
        #[cfg(target_arch = "x86_64")]
        let pid = unsafe { libc::syscall(libc::SYS_clone, FLAGS as u64, none, page, id, none) };
        // SAFETY: as above.
        #[cfg(target_arch = "aarch64")]
        let pid = unsafe { libc::syscall(libc::SYS_clone, FLAGS as u64, none, page, none, id) };
        result(pid)
    }
}

/// Returns what a system call returned, or the kernel's error number.
fn result(returned: libc::c_long) -> Result<c_int, c_int> {
    match c_int::try_from(returned) {
        Ok(pid) if pid >= 0 => Ok(pid),
        _ => Err(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)),
    }
}

/// Says whether this process has one thread, or has it as soon as the kernel has put away those that were joined.
fn is_soon_only_thread() -> bool {
    let begin = Instant::now();
    while !is_only_thread() {
        if begin.elapsed() > COUNTED_STILL {
            return false;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    true
}

/// Says whether this process has one thread.
pub(crate) fn is_only_thread() -> bool {
    // SAFETY: with this flag alone it changes nothing: it succeeds where there is one thread.
    if unsafe { libc::unshare(libc::CLONE_THREAD) } == 0 {
        return true;
    }
    if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINVAL) {
        return false;
    }
    // A filter forbids the call. Each thread is a folder, and so a link to the one above.
    rustix::fs::stat("/proc/self/task").is_ok_and(|stat| stat.st_nlink == 3)
}
