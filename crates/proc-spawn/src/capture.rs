//! Output that is collected in memory.

use crate::descriptor::above_standard;
use rustix::fs::{FallocateFlags, MemfdFlags, OFlags, fallocate, fcntl_setfl, fstat, memfd_create};
use rustix::io::{Errno, pread};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What a process has written to a [captured](crate::Stdio::captured) stream.
///
/// It lies in a file in memory that the process writes to directly: it is all there when the process has been
/// killed, and can be read while it runs. Clones are views of the same output. Output that nobody
/// wants any more can be [let go](Captured::keep).
///
/// The example is at [`Stdio`](crate::Stdio).
#[derive(Clone, Debug)]
pub struct Captured {
    file: Arc<OwnedFd>,
    /// Up to where it has been let go. Relaxed: a number of its own; the file keeps itself in order.
    gone: Arc<AtomicU64>,
}

impl Captured {
    pub(crate) fn new() -> io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC;
        let file = match memfd_create(c"captured", flags | MemfdFlags::NOEXEC_SEAL) {
            // Before Linux 6.3.
            Err(Errno::INVAL) => memfd_create(c"captured", flags)?,
            other => other?,
        };
        let file = above_standard(file)?;
        // Whoever writes, also through another copy: behind what is there.
        fcntl_setfl(&file, OFlags::RDWR | OFlags::APPEND)?;
        Ok(Self { file: Arc::new(file), gone: Arc::new(AtomicU64::new(0)) })
    }

    pub(crate) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(&self.file)
    }

    /// Returns how many bytes have been written in all, those included that were let go.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn written(&self) -> io::Result<u64> {
        Ok(u64::try_from(fstat(&*self.file)?.st_size).unwrap_or(0))
    }

    /// Returns the last bytes that were written and not let go, at most `max_bytes`.
    ///
    /// # Errors
    ///
    /// What the kernel says, or that there is no memory for so much.
    pub fn tail(&self, max_bytes: usize) -> io::Result<Vec<u8>> {
        let end = self.written()?;
        let begin = end.saturating_sub(max_bytes as u64).max(self.gone.load(Ordering::Relaxed));
        let wanted = usize::try_from(end.saturating_sub(begin)).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(wanted)?;
        bytes.resize(wanted, 0);
        let mut filled = 0;
        while filled < wanted {
            match pread(&*self.file, &mut bytes[filled..], begin + filled as u64) {
                // The process has cut its own output short.
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Lets all but the last `bytes` go, and gives their memory back.
    ///
    /// Output that is not let go stays in memory until the last clone of this is dropped and the process has
    /// ended: for a process that runs long and writes much, call it now and then.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn keep(&self, bytes: u64) -> io::Result<()> {
        let end = self.written()?.saturating_sub(bytes);
        if end > self.gone.fetch_max(end, Ordering::Relaxed) {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(&*self.file, flags, 0, end)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Write;

    #[test]
    fn the_tail_is_what_was_written_last_and_what_was_let_go_is_gone() {
        let captured = Captured::new().unwrap();
        let mut one: File = captured.file.try_clone().unwrap().into();
        let mut other: File = captured.file.try_clone().unwrap().into();
        for number in 0..10_000u32 {
            writeln!(if number % 2 == 0 { &mut one } else { &mut other }, "{number:07}").unwrap();
        }
        assert_eq!(captured.tail(16).unwrap(), b"0009998\n0009999\n");
        assert_eq!(captured.tail(usize::MAX).unwrap().len(), 80_000);
        let before = fstat(&*captured.file).unwrap().st_blocks;
        captured.keep(8).unwrap();
        assert!(fstat(&*captured.file).unwrap().st_blocks < before);
        assert_eq!(captured.clone().tail(100).unwrap(), b"0009999\n");
        one.write_all(b"more\n").unwrap();
        assert_eq!(captured.tail(100).unwrap(), b"0009999\nmore\n");
        assert_eq!(captured.written().unwrap(), 80_005);
    }
}
