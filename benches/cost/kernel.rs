//! What the kernel moves: pipes and socket pairs, without anything around them.

use crate::ends::{Put, Take};
use crate::payload::{begins_with, payload};
use rustix::fd::OwnedFd;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};
use std::hint::black_box;
use std::sync::Arc;

/// Bytes without borders, by `write` and `read`: pipes and stream sockets.
#[derive(Clone)]
pub(crate) struct Stream {
    fd: Arc<OwnedFd>,
    buffer: Vec<u8>,
}

/// Whole messages, by `send` and `recv`.
#[derive(Clone)]
pub(crate) struct Packets {
    fd: Arc<OwnedFd>,
    buffer: Vec<u8>,
}

impl Stream {
    fn new(fd: OwnedFd, bytes: usize) -> Self {
        Self { fd: Arc::new(fd), buffer: payload(bytes) }
    }
}

/// Returns the write end and the read end of a pipe.
pub(crate) fn pipe(bytes: usize) -> Result<(Stream, Stream), String> {
    let (read, write) = rustix::pipe::pipe().map_err(|error| error.to_string())?;
    Ok((Stream::new(write, bytes), Stream::new(read, bytes)))
}

/// Returns both ends of a stream socket pair.
pub(crate) fn stream(bytes: usize) -> Result<(Stream, Stream), String> {
    let (a, b) = pair(SocketType::STREAM)?;
    Ok((Stream::new(a, bytes), Stream::new(b, bytes)))
}

/// Returns both ends of a socket pair that keeps message borders.
pub(crate) fn packets(bytes: usize) -> Result<(Packets, Packets), String> {
    let (a, b) = pair(SocketType::SEQPACKET)?;
    let end = |fd| Packets { fd: Arc::new(fd), buffer: payload(bytes) };
    Ok((end(a), end(b)))
}

fn pair(kind: SocketType) -> Result<(OwnedFd, OwnedFd), String> {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .map_err(|error| error.to_string())
}

impl Put for Stream {
    fn put(&mut self, value: u64) {
        self.buffer[..8].copy_from_slice(&value.to_ne_bytes());
        let mut rest = black_box(&self.buffer[..]);
        while !rest.is_empty() {
            let written = rustix::io::write(&*self.fd, rest).unwrap();
            rest = &rest[written..];
        }
    }
}

impl Take for Stream {
    fn take(&mut self) -> u64 {
        let mut filled = 0;
        while filled < self.buffer.len() {
            let read = rustix::io::read(&*self.fd, &mut self.buffer[filled..]).unwrap();
            assert_ne!(read, 0, "the writer is gone");
            filled += read;
        }
        begins_with(black_box(&self.buffer))
    }
}

impl Put for Packets {
    fn put(&mut self, value: u64) {
        self.buffer[..8].copy_from_slice(&value.to_ne_bytes());
        send(&*self.fd, black_box(&self.buffer), SendFlags::empty()).unwrap();
    }
}

impl Take for Packets {
    fn take(&mut self) -> u64 {
        let (length, _) = recv(&*self.fd, &mut self.buffer[..], RecvFlags::empty()).unwrap();
        assert_eq!(length, self.buffer.len());
        begins_with(black_box(&self.buffer))
    }
}
