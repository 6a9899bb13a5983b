//! The memory of the program's own file, and what identifies that file.
#![allow(unsafe_code, reason = "the loader's list of segments is a C structure")]

use crate::call::plain_hash;
use rustix::fs::{Stat, stat};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::OnceLock;

/// What memory is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Memory {
    /// Readable. It may be executable too: some linkers put constants and code into one segment.
    Data,
    /// Executable.
    Code,
}

#[derive(Debug)]
struct Segment {
    start: usize,
    end: usize,
    readable: bool,
    executable: bool,
}

/// The segments of the main image: the executable, not the shared objects beside it.
#[derive(Debug)]
pub(crate) struct Image {
    segments: Vec<Segment>,
    layout: u64,
    asks_for_loader: bool,
}

impl Image {
    /// Returns the image of this program, looked up once.
    pub(crate) fn of_program() -> &'static Self {
        static IMAGE: OnceLock<Image> = OnceLock::new();
        IMAGE.get_or_init(Self::look_up)
    }

    fn look_up() -> Self {
        let mut image = Self { segments: Vec::new(), layout: 0, asks_for_loader: false };
        // SAFETY: the callback has the type that the loader calls, and gets our image as its data,
        // which lives until the call returns.
        unsafe { libc::dl_iterate_phdr(Some(first_object), (&raw mut image).cast()) };
        image
    }

    /// Says whether this image is what the kernel executed, and would execute again.
    ///
    /// When the loader is run as a command (`ld.so ./program`), the kernel executed the loader.
    pub(crate) fn is_executed(&self) -> bool {
        // SAFETY: it reads a word that the kernel passed: where it put the loader that the image
        // asks for, 0 if it did not.
        !self.asks_for_loader || unsafe { libc::getauxval(libc::AT_BASE) } != 0
    }

    /// Says whether `len` bytes from `address` on lie in one segment of that kind.
    pub(crate) fn holds(&self, address: usize, len: usize, memory: Memory) -> bool {
        let Some(end) = address.checked_add(len) else { return false };
        self.segments.iter().any(|segment| {
            let usable = match memory {
                Memory::Data => segment.readable,
                Memory::Code => segment.executable,
            };
            usable && segment.start <= address && end <= segment.end
        })
    }
}

/// Reads the first object that the loader reports, which is the program, and stops.
unsafe extern "C" fn first_object(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: `look_up` passes its image, and nobody else uses it meanwhile.
    let image = unsafe { &mut *data.cast::<Image>() };
    // SAFETY: the loader passes a filled structure that stays during the callback.
    let info = unsafe { &*info };
    let base = usize::try_from(info.dlpi_addr).unwrap_or(0);
    // SAFETY: the loader says that this many headers are there.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let mut layout = Vec::new();
    for header in headers {
        let start = base.wrapping_add(usize::try_from(header.p_vaddr).unwrap_or(0));
        let len = usize::try_from(header.p_memsz).unwrap_or(0);
        for word in [header.p_type.into(), header.p_flags.into(), header.p_vaddr, header.p_memsz] {
            layout.extend_from_slice(&u64::to_le_bytes(word));
        }
        image.asks_for_loader |= header.p_type == libc::PT_INTERP;
        let readable = header.p_flags & libc::PF_R != 0;
        if header.p_type == libc::PT_NOTE && readable {
            // The notes hold the build id, if the linker made one.
            // SAFETY: a readable segment of the program, mapped at this address.
            let note = unsafe {
                std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(start), len)
            };
            layout.extend_from_slice(note);
        }
        if header.p_type == libc::PT_LOAD {
            image.segments.push(Segment {
                start,
                end: start.saturating_add(len),
                readable,
                executable: header.p_flags & libc::PF_X != 0,
            });
        }
    }
    image.layout = plain_hash(&layout);
    1
}

/// What tells the running file from any other, another build of it included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    file: File,
    layout: u64,
}

/// A file as the file system knows it: an executed file keeps its inode, replaced or deleted, and
/// cannot be written to. Times are left out, as anybody may set those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct File {
    device: u64,
    inode: u64,
    size: i64,
}

impl File {
    /// Returns the file that the process `pid` runs, `"self"` for this one.
    ///
    /// # Errors
    ///
    /// Whatever `stat` says: the process is gone, or may not be looked at.
    pub(crate) fn run_by(pid: &str) -> io::Result<Self> {
        let Stat { st_dev, st_ino, st_size, .. } = stat(Path::new(&format!("/proc/{pid}/exe")))?;
        Ok(Self { device: st_dev, inode: st_ino, size: st_size })
    }
}

impl Program {
    /// Returns what this process runs.
    ///
    /// # Errors
    ///
    /// As [`File::run_by`].
    pub(crate) fn of_this_process() -> io::Result<Self> {
        Ok(Self { file: File::run_by("self")?, layout: Image::of_program().layout })
    }

    pub(crate) fn file(&self) -> File {
        self.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static DATA: u64 = 1;

    #[test]
    fn code_and_data_are_told_apart_and_the_heap_is_neither() {
        let image = Image::of_program();
        let code = (Image::of_program as fn() -> &'static Image) as usize;
        let data = (&raw const DATA).addr();
        let heap = std::ptr::from_ref(&*Box::new(1u64)).addr();
        assert!(image.holds(code, 1, Memory::Code));
        assert!(image.holds(data, 8, Memory::Data) && !image.holds(data, 8, Memory::Code));
        assert!(!image.holds(heap, 8, Memory::Data) && !image.holds(usize::MAX, 8, Memory::Data));
        assert!(!image.holds(libc::getpid as *const () as usize, 1, Memory::Code));
        assert_ne!(image.layout, 0);
    }

    #[test]
    fn this_process_runs_this_file_and_init_does_not() {
        let program = Program::of_this_process().unwrap();
        assert_eq!(program.file(), File::run_by(&std::process::id().to_string()).unwrap());
        assert!(File::run_by("0").is_err());
    }
}
