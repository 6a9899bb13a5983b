//! A standard output that says who wrote what.
//!
//! A pipe gives bytes; a Unix socket that asks for credentials gives the writer's pid with every piece,
//! from the kernel, and never joins what two processes wrote. So a check can ask for lines *from five
//! processes* without the lines having to say so.

use super::recording::{Line, Stream};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags, SocketFlags,
    SocketType, recv, recvmsg, send, socketpair, sockopt,
};
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// The reading end of an output, and the line that is not complete yet.
#[derive(Debug)]
pub(crate) struct Capture {
    socket: OwnedFd,
    stream: Stream,
    open: bool,
    text: Vec<u8>,
    writers: Vec<u32>,
}

impl Capture {
    /// Makes an output: this end to read, and the other for a program to write to.
    pub(crate) fn new(stream: Stream) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        sockopt::set_socket_passcred(&ours, true)?;
        let capture =
            Self { socket: ours, stream, open: true, text: Vec::new(), writers: Vec::new() };
        Ok((capture, theirs))
    }

    /// Says whether anybody can still write.
    pub(crate) fn is_open(&self) -> bool {
        self.open
    }

    /// Receives what there is, without waiting, and appends the lines that became complete.
    pub(crate) fn read(&mut self, at: Duration, lines: &mut Vec<Line>) -> io::Result<()> {
        while self.open {
            match self.piece()? {
                None => return Ok(()),
                // What `fill` wrote.
                Some((writer, bytes)) if writer == std::process::id() && !bytes.is_empty() => {}
                Some((writer, bytes)) => {
                    self.open = !bytes.is_empty();
                    self.take(writer, &bytes, at, lines);
                }
            }
        }
        if !self.text.is_empty() {
            self.end_line(at, lines);
        }
        Ok(())
    }

    /// Receives one piece and its writer; none when there is none now, an empty one at the end.
    fn piece(&self) -> io::Result<Option<(u32, Vec<u8>)>> {
        // At the end there is no writer to be told, so the credentials are not asked for.
        match recv(&self.socket, &mut [0; 1], RecvFlags::DONTWAIT | RecvFlags::PEEK) {
            Ok((_, 0)) => return Ok(Some((0, Vec::new()))),
            Ok(_) => {}
            Err(Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let mut bytes = vec![0; 16 * 1024];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let length = recvmsg(&self.socket, &mut slices, &mut control, RecvFlags::DONTWAIT)?.bytes;
        let writer = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmCredentials(who) => Some(who.pid.as_raw_nonzero().get()),
            _ => None,
        });
        bytes.truncate(length);
        Ok(Some((writer.map_or(0, i32::unsigned_abs), bytes)))
    }

    fn take(&mut self, writer: u32, bytes: &[u8], at: Duration, lines: &mut Vec<Line>) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if !self.writers.contains(&writer) {
                self.writers.push(writer);
            }
            match piece.strip_suffix(b"\n") {
                Some(end) => {
                    self.text.extend_from_slice(end);
                    self.end_line(at, lines);
                }
                None => self.text.extend_from_slice(piece),
            }
        }
    }

    fn end_line(&mut self, at: Duration, lines: &mut Vec<Line>) {
        let text = String::from_utf8_lossy(&std::mem::take(&mut self.text)).into_owned();
        let writers = std::mem::take(&mut self.writers);
        lines.push(Line { at, stream: self.stream, writers, text });
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Fills an output, so that whoever writes to it next waits until it is read.
///
/// What it writes comes from this process and is skipped by [`Capture::read`].
pub(crate) fn fill(output: BorrowedFd<'_>) -> io::Result<()> {
    let filler = [0; 16 * 1024];
    loop {
        match send(output, &filler, SendFlags::DONTWAIT) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn lines(capture: &mut Capture) -> Vec<Line> {
        let mut lines = Vec::new();
        while capture.is_open() {
            capture.read(Duration::ZERO, &mut lines).unwrap();
        }
        lines
    }

    fn shell(script: &str, output: OwnedFd) -> std::process::Child {
        Command::new("sh").args(["-c", script]).stdout(Stdio::from(output)).spawn().unwrap()
    }

    #[test]
    fn each_line_has_the_pid_of_its_writer() {
        let (mut capture, output) = Capture::new(Stream::Out).unwrap();
        // Two processes: a subshell that says who it is, and the shell, with a line without an end.
        let mut child = shell("(exec sh -c 'echo $$'); printf %s $$", output);
        let seen = lines(&mut capture);
        child.wait().unwrap();
        assert_eq!(seen.len(), 2, "{seen:?}");
        for line in &seen {
            assert_eq!(line.text, line.writers[0].to_string());
        }
        assert_eq!(seen[1].writers, [child.id()]);
        assert_ne!(seen[0].writers, seen[1].writers);
    }

    #[test]
    fn a_line_of_two_writers_names_both() {
        let (mut capture, output) = Capture::new(Stream::Out).unwrap();
        let mut child = shell("(exec printf a); echo b", output);
        let seen = lines(&mut capture);
        child.wait().unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].text.as_str(), seen[0].writers.len()), ("ab", 2));
    }

    #[test]
    fn a_full_output_holds_its_writer_until_it_is_read() {
        let (mut capture, output) = Capture::new(Stream::Out).unwrap();
        fill(output.as_fd()).unwrap();
        let mut child = shell("echo through", output);
        std::thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none());
        assert_eq!(lines(&mut capture)[0].text, "through");
        child.wait().unwrap();
    }
}
