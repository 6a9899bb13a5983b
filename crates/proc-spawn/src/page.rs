//! The page in which the kernel notes the pid of each process that the fork server makes.
//!
//! | word | before a request | after the copy |
//! |---|---|---|
//! | 0 | 0, by the process that asks | the pid, by the kernel, in the server's `clone3`, before the copy runs |
//!
//! The one who asks reads it when the server has ended; that order is the kernel's.
#![allow(unsafe_code, reason = "maps shared memory")]

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, Ordering};

const LEN: usize = 4096;

/// A mapping of it.
#[derive(Debug)]
pub(crate) struct Page {
    word: NonNull<AtomicU32>,
}

// SAFETY: it points to memory that stays mapped while this lives, and is used by atomics only.
unsafe impl Send for Page {}
// SAFETY: as above.
unsafe impl Sync for Page {}

impl Page {
    /// Makes one; returns a mapping and the memory itself, to be sent.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let memory = match memfd_create(c"fork-server", flags | MemfdFlags::NOEXEC_SEAL) {
            // Before Linux 6.3.
            Err(Errno::INVAL) => memfd_create(c"fork-server", flags)?,
            other => other?,
        };
        ftruncate(&memory, LEN as u64)?;
        fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok((Self::map(memory.as_fd())?, memory))
    }

    /// Maps it.
    pub(crate) fn map(memory: impl AsFd) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping anywhere touches nobody's memory.
        let start = unsafe { mmap(ptr::null_mut(), LEN, access, MapFlags::SHARED, memory, 0)? };
        let word = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        let page = Self { word };
        // Touched, so that the kernel can write without a fault.
        page.clear();
        Ok(page)
    }

    fn word(&self) -> &AtomicU32 {
        // SAFETY: mapped, aligned, and all bytes are valid.
        unsafe { self.word.as_ref() }
    }

    /// Returns where the kernel is to write.
    pub(crate) fn address(&self) -> u64 {
        self.word.as_ptr().expose_provenance() as u64
    }

    /// Forgets the last process. Relaxed: the request, a message, comes after it.
    pub(crate) fn clear(&self) {
        self.word().store(0, Ordering::Relaxed);
    }

    /// Returns the pid; 0 when nothing was made. Relaxed: the server has ended, and was waited for.
    pub(crate) fn pid(&self) -> u32 {
        self.word().load(Ordering::Relaxed)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: mapped by `map` with this length, and not used again. A failure leaves it mapped.
        let _ = unsafe { munmap(self.word.as_ptr().cast(), LEN) };
    }
}
