//! Bytes in memory that nobody can change any more, mapped for reading.

#![allow(unsafe_code, reason = "maps memory, and views it as bytes")]

use std::io;
use std::os::fd::OwnedFd;
use std::ptr::NonNull;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

const SEALS: SealFlags =
    SealFlags::WRITE.union(SealFlags::SHRINK).union(SealFlags::GROW).union(SealFlags::SEAL);

/// A sealed memfd and its mapping. Sealed against writing, so that a reference to it is sound
/// whatever the other processes do that have it.
#[derive(Debug)]
pub(crate) struct Sealed {
    fd: OwnedFd,
    /// Nothing is mapped when it is empty.
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: the memory is read only, by everybody.
unsafe impl Send for Sealed {}
// SAFETY: as above.
unsafe impl Sync for Sealed {}

impl Sealed {
    /// Puts a copy of `bytes` into sealed memory.
    pub(crate) fn new(bytes: &[u8]) -> io::Result<Self> {
        let fd = create()?;
        if !bytes.is_empty() {
            // Up front: a full file system is an error here.
            fallocate(&fd, FallocateFlags::empty(), 0, bytes.len() as u64)?;
        }
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pwrite(&fd, rest, done as u64) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => done += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        fcntl_add_seals(&fd, SEALS)?;
        Self::open(fd)
    }

    /// Maps what somebody else has sealed.
    pub(crate) fn open(fd: OwnedFd) -> io::Result<Self> {
        let sealed = rustix::fs::fcntl_get_seals(&fd)?;
        if !sealed.contains(SEALS) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the memory is not sealed"));
        }
        let bytes = usize::try_from(rustix::fs::fstat(&fd)?.st_size).map_err(io::Error::other)?;
        if bytes == 0 {
            return Ok(Self { fd, base: NonNull::dangling(), bytes });
        }
        // SAFETY: a new mapping at an address of the kernel's choice replaces nothing.
        let base = unsafe {
            mmap(std::ptr::null_mut(), bytes, ProtFlags::READ, MapFlags::SHARED, &fd, 0)?
        };
        let base = NonNull::new(base.cast()).ok_or(Errno::NOMEM)?;
        Ok(Self { fd, base, bytes })
    }

    pub(crate) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        if self.bytes == 0 {
            return &[];
        }
        // SAFETY: mapped for reading as long as `self` lives, and sealed: it neither changes nor shrinks.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.bytes) }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        if self.bytes > 0 {
            // SAFETY: our mapping, of this length; no reference into it outlives `self`.
            let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
        }
    }
}

fn create() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    match rustix::fs::memfd_create(c"pool shared", flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => Ok(rustix::fs::memfd_create(c"pool shared", flags)?),
        other => Ok(other?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_reads_back_and_cannot_be_written() {
        let sealed = Sealed::new(b"read only").unwrap();
        assert_eq!(sealed.bytes(), b"read only");
        assert_eq!(rustix::io::pwrite(sealed.fd(), b"x", 0), Err(Errno::PERM));
        let again = Sealed::open(sealed.fd().try_clone().unwrap()).unwrap();
        assert_eq!(again.bytes(), b"read only");
        assert_eq!(Sealed::new(&[]).unwrap().bytes(), b"");
    }

    #[test]
    fn memory_that_somebody_could_change_is_refused() {
        let error = Sealed::open(create().unwrap()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
