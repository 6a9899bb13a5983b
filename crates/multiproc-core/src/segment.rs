//! Shared memory: made, checked, mapped.
//!
//! A segment is a sealed memfd, which nobody can shrink under a reader and which vanishes with its
//! last descriptor, or a file of mode 0600 for unrelated programs that meet at a path. All of it is
//! allocated up front, so a full file system is an error here and not a SIGBUS later.
//!
//! ```text
//! | header, 128 bytes | body ...                        | tail, 32 | private page |
//! |<------------------ the file, whole pages -------------------->|<- this process ->|
//! ```
//!
//! The tail and the private page behind it make one lock, see [`crate::lock::linked`].

#![allow(unsafe_code, reason = "maps memory that other processes write to, and views it")]

use core::ptr::NonNull;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::{Arc, Weak};

use rustix::fs::{AtFlags, CWD, FallocateFlags, FileType, Mode, OFlags, SealFlags, Stat};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags};

use crate::header::{self, Found, HEADER_BYTES, Item, Spec};
use crate::lock::linked::{Link, Tail};
use crate::memfd;
use crate::place;
use crate::robust;
use crate::spin::Spin;

mod known;
use known::known;

/// Mappings up to this size are faulted in at once; larger ones as they are used.
const POPULATE_BYTES: usize = 4 << 20;
/// From this size on it is worth asking first whether there is so much memory.
const CHECK_MEMORY_BYTES: usize = 16 << 20;

/// Where a segment lives.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// In memory only; the name shows in `/proc/PID/maps`.
    Anonymous(&'a str),
    /// At a path, where other programs find it.
    Path(&'a Path),
}

/// Types that a peer may write at any time without harm.
///
/// # Safety
///
/// Every bit pattern is a valid value, all-zero included, and shared references to it are used for
/// atomic accesses only.
pub unsafe trait Plain: Sync {}

// SAFETY: an atomic integer is both.
unsafe impl Plain for core::sync::atomic::AtomicU32 {}
// SAFETY: an atomic integer is both.
unsafe impl Plain for core::sync::atomic::AtomicU64 {}

/// A mapping of shared memory, one for each segment and process however often its handle arrives.
#[derive(Debug)]
pub struct Segment {
    base: NonNull<u8>,
    bytes: usize,
    key: (u64, u64),
    id: u64,
    spin: Spin,
}

// SAFETY: the memory is shared with other processes anyway; all views of it are atomics, or raw
// pointers whose users say how they exclude each other.
unsafe impl Send for Segment {}
// SAFETY: as above.
unsafe impl Sync for Segment {}

/// A segment with a descriptor for it, by which it travels.
#[derive(Debug)]
pub struct Opened {
    /// The mapping.
    pub segment: Arc<Segment>,
    /// The file.
    pub fd: Arc<OwnedFd>,
    /// The numbers in its header.
    pub found: Found,
}

/// Makes a segment with room for `body_bytes`, all zero, and fills it by `init` before anyone sees it.
///
/// At a path it appears whole or not at all, also when this process is killed half-way, and of two
/// creators one succeeds.
///
/// # Errors
///
/// The kernel's, or `InvalidInput` when the size overflows; `AlreadyExists` for a path that is taken.
pub fn create(
    place: Place<'_>,
    spec: &Spec,
    body_bytes: usize,
    init: impl FnOnce(&Segment),
) -> io::Result<Opened> {
    robust::check()?;
    let bytes = body_bytes
        .checked_add(HEADER_BYTES + size_of::<Tail>())
        .and_then(|bytes| bytes.checked_next_multiple_of(page()))
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidInput, "it would be larger than memory")
        })?;
    let fd = match place {
        Place::Anonymous(name) => {
            check_memory(bytes)?;
            memfd::create(&CString::new(name).unwrap_or_default())?
        }
        Place::Path(path) => unnamed_file(path)?,
    };
    rustix::io::retry_on_intr(|| {
        rustix::fs::fallocate(&fd, FallocateFlags::empty(), 0, bytes as u64)
    })?;
    let segment = Segment::map(fd.as_fd(), bytes, key(&rustix::fs::fstat(&fd)?))?;
    init(&segment);
    write_header(&fd, &header::encode(spec, bytes))?;
    match place {
        Place::Anonymous(_) => {
            let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
            rustix::fs::fcntl_add_seals(&fd, seals)?;
        }
        Place::Path(path) => publish(&fd, path)?,
    }
    let segment = Arc::new(segment);
    known().insert(segment.key, Arc::downgrade(&segment));
    let found = Found { capacity: spec.capacity, detail: spec.detail };
    Ok(Opened { segment, fd: Arc::new(fd), found })
}

/// Opens the segment at `path`, which must hold a `kind` of `item`s.
///
/// # Errors
///
/// The kernel's; `PermissionDenied` for a file of another user; `InvalidData` with a sentence that
/// names what differs.
pub fn open(path: &Path, kind: &'static str, item: Item) -> io::Result<Opened> {
    // NONBLOCK: opening a pipe by mistake must not wait for its other end.
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let fd = rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, Mode::empty()))?;
    attach(Arc::new(fd), kind, item)
}

/// Opens the segment at `path`, or makes it if there is nothing; says whether it made it.
///
/// However many do this at once, and whoever of them is killed: one makes it, and the others open it whole.
///
/// # Errors
///
/// As [`open`] and [`create`].
pub fn open_or_create(
    path: &Path,
    spec: &Spec,
    body_bytes: usize,
    init: impl Fn(&Segment),
) -> io::Result<(Opened, bool)> {
    loop {
        match open(path, spec.kind, spec.item) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            opened => return opened.map(|opened| (opened, false)),
        }
        match create(Place::Path(path), spec, body_bytes, &init) {
            // Another one was faster; unless it removes it again, it is there now.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|created| (created, true)),
        }
    }
}

/// Removes the name of the segment at `path`: who has it open keeps it, who comes later finds nothing.
///
/// # Errors
///
/// The kernel's; `NotFound` when there is nothing.
pub fn unlink(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::unlink(path)?)
}

/// Maps a segment whose descriptor arrived, which must hold a `kind` of `item`s.
///
/// # Errors
///
/// As [`open`].
pub fn attach(fd: Arc<OwnedFd>, kind: &'static str, item: Item) -> io::Result<Opened> {
    robust::check()?;
    let stat = rustix::fs::fstat(&fd)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a regular file"));
    }
    if !is_sealed(fd.as_fd()) {
        check_owner(&stat)?;
    } else if stat.st_blocks.saturating_mul(512) < stat.st_size {
        // We would be charged for what its maker has only announced.
        return Err(io::Error::new(io::ErrorKind::InvalidData, "its memory is not allocated"));
    }
    let file_bytes = u64::try_from(stat.st_size).unwrap_or(0);
    let found = header::read(&fd, file_bytes, kind, item)?;
    let bytes = usize::try_from(file_bytes).map_err(io::Error::other)?;
    if bytes % page() != 0 {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("its {bytes} bytes are no whole number of pages"),
        ));
    }
    let mut mappings = known();
    if let Some(segment) = mappings.get(&key(&stat)).and_then(Weak::upgrade) {
        return Ok(Opened { segment, fd, found });
    }
    let segment = Arc::new(Segment::map(fd.as_fd(), bytes, key(&stat))?);
    mappings.insert(segment.key, Arc::downgrade(&segment));
    Ok(Opened { segment, fd, found })
}

impl Segment {
    fn map(fd: BorrowedFd<'_>, bytes: usize, key: (u64, u64)) -> io::Result<Self> {
        let whole = bytes + page();
        let (protection, at) = (ProtFlags::READ | ProtFlags::WRITE, core::ptr::null_mut());
        // SAFETY: a new mapping at an address of the kernel's choice.
        let base = unsafe { rustix::mm::mmap_anonymous(at, whole, protection, MapFlags::PRIVATE) }?;
        let mut flags = MapFlags::SHARED | MapFlags::FIXED;
        if bytes <= POPULATE_BYTES {
            flags |= MapFlags::POPULATE;
        }
        // SAFETY: replaces the front of the mapping just made, which nobody else knows of.
        if let Err(error) = unsafe { rustix::mm::mmap(base, bytes, protection, flags, fd, 0) } {
            // SAFETY: as above; nothing has been returned that points into it.
            let _ = unsafe { rustix::mm::munmap(base, whole) };
            return Err(error.into());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or(Errno::NOMEM)?;
        Ok(Self { base, bytes, key, id: place::next_id(), spin: Spin::new() })
    }

    /// Returns the bytes that a primitive may use, the tail not counted.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.bytes - HEADER_BYTES - size_of::<Tail>()
    }

    /// Views a `T` in the body, `offset` bytes from its start.
    ///
    /// # Panics
    ///
    /// When it does not lie inside the body or is misaligned there: the body begins at a multiple
    /// of 128 bytes. Offsets come from this program, never from a peer.
    #[must_use]
    pub fn get<T: Plain>(&self, offset: usize) -> &T {
        let at = self.body(offset, size_of::<T>()).cast::<T>();
        assert!(at.is_aligned(), "offset {offset} is misaligned for its type");
        // SAFETY: in bounds and aligned, mapped as long as `self`; `Plain` promises that any bytes
        // are a value and that writers use atomics.
        unsafe { at.as_ref() }
    }

    /// Returns the address of `bytes` bytes of the body, `offset` bytes from its start.
    ///
    /// # Panics
    ///
    /// When they do not lie inside the body.
    #[must_use]
    pub fn body(&self, offset: usize, bytes: usize) -> NonNull<u8> {
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= self.body_bytes());
        assert!(fits, "{bytes} bytes at {offset} of a body of {}", self.body_bytes());
        // SAFETY: inside the mapping, as just checked.
        unsafe { self.base.add(HEADER_BYTES + offset) }
    }

    /// Returns how this process spins on this segment's lock.
    #[must_use]
    pub fn spin(&self) -> &Spin {
        &self.spin
    }

    /// Returns the number of this mapping, which no other of this process ever has.
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn tail(&self) -> &Tail {
        // SAFETY: a segment has whole pages, more than the tail's bytes.
        let tail = unsafe { self.base.add(self.bytes - size_of::<Tail>()) };
        // SAFETY: mapped as long as `self`, aligned by its size at the end of a page; `Plain`.
        unsafe { tail.cast::<Tail>().as_ref() }
    }

    pub(crate) fn link(&self) -> &Link {
        // SAFETY: `map` made one page more than the segment has.
        let link = unsafe { self.base.add(self.bytes) };
        // SAFETY: mapped as long as `self`, page-aligned, zeroed, and of this process alone.
        unsafe { link.cast::<Link>().as_ref() }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        place::leave(self.id);
        let mut mappings = known();
        // Another thread may have mapped the segment anew since our count fell to zero.
        if mappings.get(&self.key).is_some_and(|known| known.strong_count() == 0) {
            mappings.remove(&self.key);
        }
        // A guard that was forgotten is still in its thread's list, which the kernel will walk.
        if self.link().is_held() {
            return;
        }
        // SAFETY: our own mapping, and the last reference to it is gone.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.bytes + page()) };
    }
}

fn key(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

pub(crate) fn page() -> usize {
    rustix::param::page_size()
}

/// Refuses what the machine cannot hold.
///
/// Nothing limits the size of a memfd: the kernel would allocate page after page until it has to kill
/// processes, most likely others. Does not look for what is small.
///
/// # Errors
///
/// `OutOfMemory` with both numbers; what reading `/proc/meminfo` says.
pub fn check_memory(bytes: usize) -> io::Result<()> {
    if bytes < CHECK_MEMORY_BYTES {
        return Ok(());
    }
    let info = std::fs::read_to_string("/proc/meminfo")?;
    let available = info.lines().find_map(|line| {
        let kib = line.strip_prefix("MemAvailable:")?.trim().strip_suffix("kB")?.trim();
        kib.parse::<u64>().ok()?.checked_mul(1024)
    });
    match available {
        Some(available) if bytes as u64 > available => Err(io::Error::new(
            io::ErrorKind::OutOfMemory,
            format!("it needs {bytes} bytes, and {available} are available"),
        )),
        _ => Ok(()),
    }
}

/// Refuses a file that somebody else could cut short, while reading it would then be a SIGBUS.
fn check_owner(stat: &Stat) -> io::Result<()> {
    let others = Mode::from_raw_mode(stat.st_mode) & (Mode::WGRP | Mode::WOTH);
    let why = if stat.st_uid != rustix::process::geteuid().as_raw() {
        format!("it belongs to user {}, who could cut it short under us", stat.st_uid)
    } else if !others.is_empty() {
        format!(
            "others may write to it (mode {:o}), and cut it short under us",
            stat.st_mode & 0o777
        )
    } else {
        return Ok(());
    };
    Err(io::Error::new(io::ErrorKind::PermissionDenied, why))
}

fn is_sealed(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fcntl_get_seals(fd)
        .is_ok_and(|seals| seals.contains(SealFlags::SHRINK | SealFlags::GROW))
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Opens a file that has no name yet in the directory of `path`.
///
/// A few network file systems cannot make such a file: there the kernel's `EOPNOTSUPP` is the answer.
fn unnamed_file(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
    Ok(rustix::io::retry_on_intr(|| {
        rustix::fs::open(directory(path), flags, Mode::RUSR | Mode::WUSR)
    })?)
}

/// Gives the file its name, unless the name is taken.
fn publish(fd: &OwnedFd, path: &Path) -> io::Result<()> {
    let own = format!("/proc/self/fd/{}", fd.as_raw_fd());
    Ok(rustix::fs::linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

fn write_header(fd: &OwnedFd, header: &[u8; HEADER_BYTES]) -> io::Result<()> {
    for (offset, part) in [(8, &header[8..]), (0, &header[..8])] {
        let wrote = rustix::io::retry_on_intr(|| rustix::io::pwrite(fd, part, offset))?;
        if wrote != part.len() {
            return Err(io::ErrorKind::WriteZero.into());
        }
    }
    Ok(())
}
