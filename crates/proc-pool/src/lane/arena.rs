//! Memory for payloads that do not fit a slot: written by one side, copied out by the other.
//!
//! One memfd for each lane, never cut short and never longer, with two halves: the first is written by
//! the pool, the second by the worker. A half is as long as a payload could ever be, and only what is used
//! of it is backed by memory: the writer has the kernel allocate a part before it writes there, so that
//! memory which is not to be had is an error of one task and no SIGBUS. What was allocated and mapped is
//! used again, the lowest part first; beyond [`KEEP`] it goes back when nobody needs it.
//!
//! The writer's bookkeeping lies in its own memory. The reader believes a place and a length only as far
//! as memory is there: whoever claims more has to have it.

#![allow(unsafe_code, reason = "maps memory that another process writes to, and copies to and fro")]

use core::ptr::NonNull;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use multiproc_core::{segment, spare};
use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, SeekFrom};
use rustix::io::Errno;
use rustix::mm::{MapFlags, MremapFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};

use super::extents::{Extent, Extents};

/// The bytes of a half, unless this process may not make files of that length.
const HALF: u64 = 1 << 40;
/// So much of a half stays allocated and mapped for the next payload.
const KEEP: u64 = 8 << 20;
/// Memory is allocated and mapped in multiples of this.
const STEP: u64 = 256 << 10;

/// Which half of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Pool,
    Worker,
}

/// Makes the file of a lane.
pub(super) fn create() -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let name = "pool arena";
    let fd = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
        // Before Linux 6.3.
        Err(Errno::INVAL) => rustix::fs::memfd_create(name, flags)?,
        other => other?,
    };
    // Beyond this the kernel would not only refuse, but send a signal.
    let limit = getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX);
    let half = HALF.min(limit / 2) / STEP * STEP;
    rustix::fs::ftruncate(&fd, half * 2)?;
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    rustix::fs::fcntl_add_seals(&fd, seals)?;
    Ok(fd)
}

/// One half of the file, mapped from its start as far as it was needed.
#[derive(Debug)]
struct Half {
    fd: Arc<OwnedFd>,
    /// Where it begins in the file.
    base: u64,
    /// How long it is.
    most: u64,
    map: Option<(NonNull<u8>, usize)>,
}

// SAFETY: the mapping belongs to the process, not to a thread, and is reached through `&mut` alone.
unsafe impl Send for Half {}

impl Half {
    /// Takes one half of a file, which a peer may have chosen.
    fn new(fd: Arc<OwnedFd>, side: Side) -> io::Result<Self> {
        let bytes = u64::try_from(rustix::fs::fstat(&fd)?.st_size).unwrap_or(0);
        let seals = rustix::fs::fcntl_get_seals(&fd)?;
        if !seals.contains(SealFlags::SHRINK) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "an arena that can be cut short",
            ));
        }
        let most = (bytes / 2) / STEP * STEP;
        let base = if side == Side::Pool { 0 } else { most };
        Ok(Self { fd, base, most, map: None })
    }

    /// Maps the half at least up to `end`, and returns its address.
    fn mapped(&mut self, end: u64) -> io::Result<NonNull<u8>> {
        let too_long = || io::Error::from(io::ErrorKind::OutOfMemory);
        match self.map {
            Some((at, len)) if end <= len as u64 => return Ok(at),
            _ if end > self.most => return Err(too_long()),
            _ => {}
        }
        let wanted =
            end.next_multiple_of(STEP).max(end.next_power_of_two().min(KEEP)).min(self.most);
        let wanted = usize::try_from(wanted).map_err(|_| too_long())?;
        let at = match self.map.take() {
            None => {
                let protection = ProtFlags::READ | ProtFlags::WRITE;
                let (at, fd) = (core::ptr::null_mut(), self.fd.as_fd());
                // SAFETY: a new mapping at an address of the kernel's choice; the file is as long.
                unsafe { rustix::mm::mmap(at, wanted, protection, MapFlags::SHARED, fd, self.base) }
            }
            Some((at, len)) => {
                // SAFETY: our own mapping, to which nobody has a reference while we have `&mut self`.
                let grown = unsafe {
                    rustix::mm::mremap(at.as_ptr().cast(), len, wanted, MremapFlags::MAYMOVE)
                };
                if grown.is_err() {
                    self.map = Some((at, len));
                }
                grown
            }
        }?;
        let at = NonNull::new(at.cast::<u8>()).ok_or(Errno::NOMEM)?;
        self.map = Some((at, wanted));
        Ok(at)
    }

    /// Unmaps what lies beyond [`KEEP`].
    fn trim(&mut self) {
        let keep = usize::try_from(KEEP).unwrap_or(usize::MAX);
        if let Some((at, len)) = self.map.filter(|(_, len)| *len > keep) {
            // SAFETY: inside our own mapping.
            let tail = unsafe { at.add(keep) };
            // SAFETY: the end of our own mapping, to which nobody has a reference.
            if unsafe { rustix::mm::munmap(tail.as_ptr().cast(), len - keep) }.is_ok() {
                self.map = Some((at, keep));
            }
        }
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if let Some((at, len)) = self.map {
            // SAFETY: our own mapping, and nobody has a reference into it.
            let _ = unsafe { rustix::mm::munmap(at.as_ptr().cast(), len) };
        }
    }
}

/// The half in which this side writes.
#[derive(Debug)]
pub(super) struct Writer {
    half: Half,
    extents: Extents,
    /// Up to here memory is allocated.
    backed: u64,
}

impl Writer {
    pub(super) fn new(fd: Arc<OwnedFd>, side: Side) -> io::Result<Self> {
        Ok(Self { half: Half::new(fd, side)?, extents: Extents::default(), backed: 0 })
    }

    /// Copies `payload` to a free part, and returns which.
    ///
    /// # Errors
    ///
    /// The kernel has no memory for it; nothing has changed.
    pub(super) fn put(&mut self, payload: &[u8]) -> io::Result<Extent> {
        let bytes = payload.len() as u64;
        let part = self.extents.take(bytes, self.half.most).ok_or_else(|| {
            let why = format!("{bytes} bytes are more than fit beside what is on its way");
            io::Error::new(io::ErrorKind::OutOfMemory, why)
        })?;
        match self.back(part.end()).and_then(|()| self.half.mapped(part.end())) {
            Ok(at) => {
                // SAFETY: `mapped` reaches to the part's end, and a mapping fits a `usize`.
                let to = unsafe { at.add(part.start as usize) };
                // SAFETY: the part is as long and mapped; `payload` is private memory.
                unsafe {
                    core::ptr::copy_nonoverlapping(payload.as_ptr(), to.as_ptr(), payload.len());
                }
                Ok(part)
            }
            Err(error) => {
                self.give_back(part);
                Err(error)
            }
        }
    }

    /// Has memory allocated up to `end`.
    fn back(&mut self, end: u64) -> io::Result<()> {
        if end <= self.backed {
            return Ok(());
        }
        let wanted = end.next_multiple_of(STEP).min(self.half.most);
        let more = wanted - self.backed;
        segment::check_memory(usize::try_from(more).unwrap_or(usize::MAX))?;
        let from = self.half.base + self.backed;
        rustix::io::retry_on_intr(|| {
            rustix::fs::fallocate(&self.half.fd, FallocateFlags::empty(), from, more)
        })?;
        self.backed = wanted;
        Ok(())
    }

    /// Takes back a part that nobody reads any more.
    pub(super) fn give_back(&mut self, part: Extent) {
        self.extents.give_back(part);
        let needed = self.extents.end().next_multiple_of(STEP).max(KEEP);
        if self.backed > needed {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let (from, bytes) = (self.half.base + needed, self.backed - needed);
            // It stays allocated if the kernel refuses, which does no harm.
            if rustix::fs::fallocate(&self.half.fd, flags, from, bytes).is_ok() {
                self.backed = needed;
            }
            if needed == KEEP {
                self.half.trim();
            }
        }
    }
}

/// The half in which the other side writes.
#[derive(Debug)]
pub(super) struct Reader {
    half: Half,
}

impl Reader {
    pub(super) fn new(fd: Arc<OwnedFd>, side: Side) -> io::Result<Self> {
        Ok(Self { half: Half::new(fd, side)? })
    }

    /// Copies out what the other side says that it has written.
    ///
    /// # Errors
    ///
    /// `InvalidData` when there is no memory at that place; otherwise this process has none for it.
    pub(super) fn copy_out(&mut self, start: u64, len: usize) -> io::Result<Vec<u8>> {
        let from = self.place(start, len)?;
        let mut copy = if len < spare::MOST { spare::take(len) } else { Vec::new() };
        // Whatever a worker says that it has: no more than there is.
        copy.try_reserve_exact(len)?;
        // SAFETY: `place` says that it is mapped; the target has room for `len`; whatever bytes a peer
        // writes meanwhile, they are bytes.
        unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), copy.as_mut_ptr(), len) };
        // SAFETY: written just now.
        unsafe { copy.set_len(len) };
        self.half.trim();
        Ok(copy)
    }

    /// Returns what the other side has written, where it lies.
    ///
    /// # Errors
    ///
    /// As [`copy_out`](Self::copy_out).
    ///
    /// # Safety
    ///
    /// The other side, and whoever has the arena, leaves it as it is while the result is in use.
    pub(super) unsafe fn view(&mut self, start: u64, len: usize) -> io::Result<&[u8]> {
        let from = self.place(start, len)?;
        // SAFETY: mapped as long as `self` is borrowed, and initialised as all memory of a file; the caller
        // vouches that nobody writes there.
        Ok(unsafe { core::slice::from_raw_parts(from.as_ptr(), len) })
    }

    /// Maps a place that the other side has named, and returns its address.
    fn place(&mut self, start: u64, len: usize) -> io::Result<NonNull<u8>> {
        let end = start.checked_add(len as u64).filter(|end| *end <= self.half.most);
        let nothing_there =
            || io::Error::new(io::ErrorKind::InvalidData, "a payload where no memory is");
        let end = end.ok_or_else(nothing_there)?;
        if end > KEEP && !self.is_there(start, end) {
            return Err(nothing_there());
        }
        let at = self.half.mapped(end)?;
        // SAFETY: `mapped` reaches beyond `start`, and a mapping fits a `usize`.
        Ok(unsafe { at.add(start as usize) })
    }

    /// Unmaps what is not likely to be needed again.
    pub(super) fn trim(&mut self) {
        self.half.trim();
    }

    /// Says whether memory is allocated from `start` to `end`, and not only announced.
    fn is_there(&self, start: u64, end: u64) -> bool {
        let from = SeekFrom::Hole(self.half.base + start);
        rustix::fs::seek(&self.half.fd, from).is_ok_and(|hole| hole >= self.half.base + end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> (Writer, Reader) {
        let fd = Arc::new(create().unwrap());
        (
            Writer::new(Arc::clone(&fd), Side::Worker).unwrap(),
            Reader::new(fd, Side::Worker).unwrap(),
        )
    }

    fn blocks(writer: &Writer) -> i64 {
        rustix::fs::fstat(&writer.half.fd).unwrap().st_blocks
    }

    #[test]
    fn what_is_put_is_read_whatever_its_length() {
        let (mut writer, mut reader) = both();
        for len in [0, 1, 4_096, 300_000, 9_000_001, 5, 20_000_000] {
            let payload: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let part = writer.put(&payload).unwrap();
            assert_eq!(reader.copy_out(part.start, len).unwrap(), payload);
            writer.give_back(part);
        }
        let keep = i64::try_from(KEEP / 512).unwrap();
        assert!(blocks(&writer) <= keep, "what is beyond is given back");
    }

    #[test]
    fn the_same_memory_serves_again() {
        let (mut writer, _) = both();
        let part = writer.put(&[1; 1 << 20]).unwrap();
        let before = blocks(&writer);
        writer.give_back(part);
        for _ in 0..20 {
            let again = writer.put(&[2; 1 << 20]).unwrap();
            assert_eq!(again, part);
            writer.give_back(again);
        }
        assert_eq!(blocks(&writer), before);
    }

    #[test]
    fn memory_that_is_not_there_is_an_error_and_changes_nothing() {
        let (mut writer, mut reader) = both();
        writer.half.most = 1 << 20;
        let first = writer.put(&[1; 600_000]).unwrap();
        assert_eq!(writer.put(&[2; 600_000]).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        assert_eq!(reader.copy_out(first.start, 600_000).unwrap(), [1; 600_000]);
        writer.give_back(first);
        assert!(writer.put(&[2; 600_000]).is_ok());
    }

    #[test]
    fn a_place_that_was_only_announced_is_refused() {
        let (_writer, mut reader) = both();
        for (start, len) in
            [(0, 1 << 30), (1 << 39, 1 << 20), (u64::MAX, 1), (1 << 40, 1), (0, 1 << 47)]
        {
            let error = reader.copy_out(start, len).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{start} {len}");
        }
    }
}
