//! Words that parent and forked children see alike.

#![allow(unsafe_code, reason = "an anonymous shared mapping, made and unmade with mmap")]

use std::fmt;
use std::io;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

/// A row of zeroed 64-bit words that stay shared with every child forked later.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::SeqCst;
/// use testkit::{SharedPage, fork};
///
/// let page = SharedPage::new(2);
/// fork(|| page[1].store(7, SeqCst)).assert_ok();
/// assert_eq!((page[0].load(SeqCst), page[1].load(SeqCst)), (0, 7));
/// ```
pub struct SharedPage {
    cells: NonNull<AtomicU64>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread, and lives until drop.
unsafe impl Send for SharedPage {}
// SAFETY: shared access reaches atomics only.
unsafe impl Sync for SharedPage {}

impl SharedPage {
    /// Maps `cells` zeroed words.
    ///
    /// # Panics
    ///
    /// When `cells` is zero or the system refuses the memory.
    #[must_use]
    #[track_caller]
    pub fn new(cells: usize) -> Self {
        let bytes = cells.checked_mul(size_of::<AtomicU64>()).filter(|&bytes| bytes > 0);
        let Some(bytes) = bytes else { panic!("a shared page of {cells} cells cannot be mapped") };
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping at an address of the kernel's choice disturbs no other.
        let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
        let cells_at = NonNull::new(start.cast::<AtomicU64>());
        match cells_at {
            Some(at) if start != libc::MAP_FAILED => Self { cells: at, len: cells },
            _ => panic!("failed to map {bytes} shared bytes: {}", io::Error::last_os_error()),
        }
    }
}

impl Deref for SharedPage {
    type Target = [AtomicU64];

    fn deref(&self) -> &[AtomicU64] {
        // SAFETY: `new` mapped `len` words, page aligned and zeroed, and drop alone unmaps them;
        // other processes touch them as atomics, too.
        unsafe { std::slice::from_raw_parts(self.cells.as_ptr(), self.len) }
    }
}

impl fmt::Debug for SharedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedPage").field(&&**self).finish()
    }
}

impl Drop for SharedPage {
    fn drop(&mut self) {
        // SAFETY: the whole mapping of `new`; no borrow of it outlives `self`.
        unsafe { libc::munmap(self.cells.as_ptr().cast(), self.len * size_of::<AtomicU64>()) };
    }
}
