//! The part of a large body that does not fit into a packet: a sealed memfd.

use super::head::invalid;
use crate::memfd;
use rustix::buffer::spare_capacity;
use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals, fstat};
use rustix::io::{Errno, pread, pwrite};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// With these the length can no more change, so that reading it can neither wait nor fail.
///
/// Future writes instead of all writes: to forbid all, the kernel first looks for pages in use and,
/// when another processor still holds some in a batch, waits milliseconds for them. Nobody honest
/// has a writable mapping of this memfd, and the receiver copies before it looks, so that what a
/// dishonest one can garble it could have garbled before it sent.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::FUTURE_WRITE);

/// Writes `bytes` to a new memfd and seals it.
pub(super) fn write(bytes: &[u8]) -> io::Result<OwnedFd> {
    let fd = memfd::create(c"multiproc-message")?;
    let mut written = 0;
    while written < bytes.len() {
        match pwrite(&fd, &bytes[written..], written as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => written += n,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    fcntl_add_seals(&fd, SEALS | SealFlags::SEAL)?;
    Ok(fd)
}

/// Checks that `fd` is a sealed memfd of exactly `len` bytes.
///
/// Seals exist on memfds only, so this also keeps out what a peer could make us wait on: a FIFO,
/// or a file on a file system that it serves itself.
pub(super) fn check(fd: BorrowedFd<'_>, len: u64) -> io::Result<()> {
    if !fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SEALS)) {
        return Err(invalid("a packet whose body is not in a sealed memfd".into()));
    }
    let found = fstat(fd)?.st_size;
    if u64::try_from(found) != Ok(len) {
        return Err(invalid(format!(
            "a packet that announces {len} bytes in its memfd, which holds {found}"
        )));
    }
    Ok(())
}

/// Appends `len` bytes of a checked memfd to `body`, which has room for them.
pub(super) fn append(fd: &OwnedFd, body: &mut Vec<u8>, len: usize) -> io::Result<()> {
    let start = body.len();
    while body.len() - start < len {
        let at = (body.len() - start) as u64;
        match pread(fd.as_fd(), spare_capacity(body), at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Fills `buf` from the start of a checked memfd.
pub(super) fn fill(fd: &OwnedFd, buf: &mut [u8]) -> io::Result<()> {
    let mut read = 0;
    while read < buf.len() {
        match pread(fd, &mut buf[read..], read as u64) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => read += n,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_cannot_change() {
        let bytes: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
        let fd = write(&bytes).unwrap();
        check(fd.as_fd(), 200_000).unwrap();
        let mut body = Vec::with_capacity(1 + bytes.len());
        body.push(7);
        append(&fd, &mut body, bytes.len()).unwrap();
        assert_eq!((body[0], &body[1..]), (7, &bytes[..]));
        let mut buf = vec![0; bytes.len()];
        fill(&fd, &mut buf).unwrap();
        assert_eq!(buf, bytes);
        assert_eq!(pwrite(&fd, b"x", 0), Err(Errno::PERM));
        assert_eq!(rustix::fs::ftruncate(&fd, 0), Err(Errno::PERM));
    }

    #[test]
    fn another_length_and_unsealed_files_are_refused() {
        let fd = write(b"12345").unwrap();
        let error = check(fd.as_fd(), 6).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("6 bytes") && error.to_string().contains("holds 5"));
        let open = memfd::create(c"open").unwrap();
        assert_eq!(check(open.as_fd(), 0).unwrap_err().kind(), io::ErrorKind::InvalidData);
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        assert_eq!(check(file.as_fd(), 0).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
