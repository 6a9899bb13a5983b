//! Whole messages with descriptors over a Unix socket that keeps message borders.
//!
//! One message is one packet of a `SOCK_SEQPACKET` socket: a fixed head, the body, and descriptors
//! (`SCM_RIGHTS`), handed to the kernel in one `sendmsg`. So a sender that is killed at any
//! instruction has sent the whole message or nothing, and a receiver that is killed has taken a
//! whole message or none; several senders and receivers may share one end.
//!
//! A body longer than [`INLINE_MAX`] sends its first bytes in the packet and the rest in a sealed
//! memfd beside it. The inline part is also what limits the memory in flight: a large message is
//! made only when the socket's buffer is nearly empty, as the descriptor alone would weigh nothing.
//!
//! Nothing here trusts the other side: what is no packet is [`InvalidData`](io::ErrorKind) with a
//! sentence, lengths are checked before memory is asked for, surplus descriptors are closed. No
//! file status flag is read or changed, for those are shared with other processes.

mod head;
mod tail;

use crate::deadline::Deadline;
use head::{Head, invalid};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg,
    sendmsg, socketpair,
};
use std::borrow::Cow;
use std::cell::Cell;
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The most descriptors that one message carries.
///
/// The kernel takes 253; one is kept for the memfd of a large body.
pub const MAX_FDS: usize = 252;

/// The longest body that travels in the packet alone.
///
/// The kernel holds a packet in at most 17 loose pages and one contiguous block; up to this size
/// the block is at most 32 KiB, which it also finds when memory is fragmented.
pub const INLINE_MAX: usize = 96 * 1024;

/// Up to this length a packet is copied together before it is sent.
const SHORT: usize = 512;

/// How long a sender waits before it tries again to send descriptors that are too many just now.
const CROWDED: std::time::Duration = std::time::Duration::from_millis(2);

const CONTROL: usize = rustix::cmsg_space!(ScmRights(MAX_FDS + 1));

thread_local! {
    // Bodies arrive here, because their length is not known before. Taken out while in use, so
    // that a decoder which receives another message gets a buffer of its own.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A message as it arrived.
#[derive(Debug)]
pub struct Packet {
    /// What the sender passed as `kind`.
    pub kind: u32,
    /// The bytes.
    pub body: Vec<u8>,
    /// The descriptors, in the sender's order, closed on exec.
    pub fds: Vec<OwnedFd>,
}

/// What [`recv_into`] did with a message.
#[derive(Debug)]
pub enum IntoBuf {
    /// The body is in the first `len` bytes of the buffer.
    Filled {
        /// What the sender passed as `kind`.
        kind: u32,
        /// The length of the body.
        len: usize,
        /// The descriptors, in the sender's order, closed on exec.
        fds: Vec<OwnedFd>,
    },
    /// The buffer was too short; this is the whole message. The buffer's contents are unspecified.
    TooShort(Packet),
}

/// Makes two connected sockets that keep message borders, closed on exec.
///
/// # Errors
///
/// What the kernel says: mostly that the process has no descriptor left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// Sends one message, waiting while the socket's buffer is full.
///
/// # Errors
///
/// `TimedOut` when the deadline passed, `BrokenPipe` when no copy of the other end is left,
/// `InvalidInput` for more than [`MAX_FDS`] descriptors, otherwise what the kernel says. In all
/// cases nothing was sent.
pub fn send(
    socket: BorrowedFd<'_>,
    kind: u32,
    body: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> io::Result<()> {
    let Some(count) = u32::try_from(fds.len()).ok().filter(|_| fds.len() <= MAX_FDS) else {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a message with {} descriptors, more than {MAX_FDS}", fds.len()),
        ));
    };
    let mut inline = body.len().min(INLINE_MAX);
    loop {
        let (first, rest) = body.split_at(inline);
        let head =
            Head { kind, body_len: body.len() as u64, fds: count, has_tail: !rest.is_empty() };
        let sent = if rest.is_empty() {
            post(socket, head, first, fds, deadline)
        } else {
            if !ready(socket, PollFlags::OUT, deadline)? {
                return Err(io::ErrorKind::TimedOut.into());
            }
            let tail = tail::write(rest)?;
            let fds: Vec<_> = fds.iter().copied().chain([tail.as_fd()]).collect();
            post(socket, head, first, &fds, deadline)
        };
        match sent {
            // Somebody made the socket's buffer small, or the kernel is short of memory: put more
            // of the body into the memfd.
            Err(Errno::MSGSIZE | Errno::NOBUFS) if inline > 0 => {
                inline = if inline > 1024 { inline / 4 } else { 0 };
            }
            Err(Errno::TIMEDOUT) => return Err(io::ErrorKind::TimedOut.into()),
            // The other end was closed, with messages unread in it or while we were sending.
            Err(Errno::CONNRESET | Errno::CONNREFUSED | Errno::NOTCONN) => {
                return Err(Errno::PIPE.into());
            }
            other => return Ok(other?),
        }
    }
}

/// Hands one packet to the kernel; `TIMEDOUT` when the deadline passed.
fn post(
    socket: BorrowedFd<'_>,
    head: Head,
    inline: &[u8],
    fds: &[BorrowedFd<'_>],
    deadline: Deadline,
) -> Result<(), Errno> {
    let head = head.to_bytes();
    let iov = [IoSlice::new(&head), IoSlice::new(inline)];
    // A short packet is cheaper copied together here than gathered by the kernel.
    let mut short = [0; SHORT];
    let short = if fds.is_empty() && Head::LEN + inline.len() <= SHORT {
        short[..Head::LEN].copy_from_slice(&head);
        short[Head::LEN..Head::LEN + inline.len()].copy_from_slice(inline);
        Some(&short[..Head::LEN + inline.len()])
    } else {
        None
    };
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = SendAncillaryBuffer::default();
    if !fds.is_empty() {
        control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(Errno::INVAL);
        }
    }
    let mut flags = SendFlags::NOSIGNAL;
    if deadline.remaining().is_some() {
        flags |= SendFlags::DONTWAIT;
    }
    loop {
        let sent = match short {
            Some(packet) => net::send(socket, packet, flags),
            None => sendmsg(socket, &iov, &mut control, flags),
        };
        match sent {
            // A packet is taken whole or not at all.
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            // As many descriptors are on their way as this user may send: as good as a full socket, but
            // nothing tells when it is over.
            Err(Errno::TOOMANYREFS) => {
                if deadline.has_passed() {
                    return Err(Errno::TIMEDOUT);
                }
                std::thread::sleep(CROWDED);
            }
            // Either we asked not to wait, or the socket was set so by somebody.
            Err(Errno::AGAIN) => {
                if !ready(socket, PollFlags::OUT, deadline)? {
                    return Err(Errno::TIMEDOUT);
                }
            }
            Err(error) => return Err(error),
        }
    }
}

/// Receives one message, waiting until there is one; `None` at the end of the stream.
///
/// The stream ends when every copy of the other end is closed and all that it sent is received.
///
/// # Errors
///
/// `TimedOut` when the deadline passed; nothing was received. `FileTooLarge` when the body is
/// longer than `max_bytes`, `InvalidData` when what came is no packet, `Other` when this process
/// has no descriptor left for those that came: that message is gone, the next one can be received.
/// Otherwise what the kernel says.
pub fn recv(
    socket: BorrowedFd<'_>,
    max_bytes: usize,
    deadline: Deadline,
) -> io::Result<Option<Packet>> {
    recv_with(socket, max_bytes, deadline, |kind, body, fds| Packet {
        kind,
        body: body.into_owned(),
        fds,
    })
}

/// Receives one message as [`recv`] does and passes it on, without a copy if it was inline.
///
/// # Errors
///
/// As [`recv`].
pub fn recv_with<R>(
    socket: BorrowedFd<'_>,
    max_bytes: usize,
    deadline: Deadline,
    take: impl FnOnce(u32, Cow<'_, [u8]>, Vec<OwnedFd>) -> R,
) -> io::Result<Option<R>> {
    with_scratch(|scratch| {
        let Some(arrived) = arrive(socket, &mut [], scratch, max_bytes, deadline)? else {
            return Ok(None);
        };
        let inline = &scratch[..arrived.inline];
        let body = match &arrived.tail {
            None => Cow::Borrowed(inline),
            Some(tail) => {
                let mut body = with_room(arrived.body_len)?;
                body.extend_from_slice(inline);
                tail::append(tail, &mut body, arrived.body_len - arrived.inline)?;
                Cow::Owned(body)
            }
        };
        drop(arrived.tail);
        Ok(Some(take(arrived.kind, body, arrived.fds)))
    })
}

/// Receives one message into `buf`, waiting until there is one; `None` at the end of the stream.
///
/// A body that is longer than `buf` is given back whole, as [`IntoBuf::TooShort`].
///
/// # Errors
///
/// As [`recv`].
pub fn recv_into(
    socket: BorrowedFd<'_>,
    buf: &mut [u8],
    max_bytes: usize,
    deadline: Deadline,
) -> io::Result<Option<IntoBuf>> {
    with_scratch(|scratch| {
        // Together as long as the longest inline body, so that a longer one is noticed.
        let own = buf.len().min(INLINE_MAX);
        let spill = &mut scratch[..INLINE_MAX - own];
        let Some(arrived) = arrive(socket, &mut buf[..own], spill, max_bytes, deadline)? else {
            return Ok(None);
        };
        let Arrived { kind, body_len: len, inline, fds, tail } = arrived;
        if len <= buf.len() {
            if let Some(tail) = tail {
                tail::fill(&tail, &mut buf[inline..len])?;
            }
            return Ok(Some(IntoBuf::Filled { kind, len, fds }));
        }
        let mut body = with_room(len)?;
        let spilled = inline.saturating_sub(own);
        body.extend_from_slice(&buf[..inline - spilled]);
        body.extend_from_slice(&spill[..spilled]);
        if let Some(tail) = tail {
            tail::append(&tail, &mut body, len - inline)?;
        }
        Ok(Some(IntoBuf::TooShort(Packet { kind, body, fds })))
    })
}

/// Returns the kind of the message that would be received next, which stays; `None` when none is there.
///
/// # Errors
///
/// `InvalidData` for what is no packet of ours; otherwise what the kernel says.
pub fn peek_kind(socket: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut head = [0; Head::LEN];
    loop {
        match net::recv(socket, &mut head, RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::AGAIN) => return Ok(None),
            Ok((arrived, _)) => return Ok(Some(Head::parse(&head, arrived)?.kind)),
            // As in `arrive`: what was sent before the hang-up is still there.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Waits until a message or the end of the stream can be received at once; `false` when the
/// deadline passed before.
///
/// # Errors
///
/// What the kernel says.
pub fn wait_readable(socket: BorrowedFd<'_>, deadline: Deadline) -> io::Result<bool> {
    Ok(ready(socket, PollFlags::IN, deadline)?)
}

/// A checked packet, of which only the tail is still to be read.
struct Arrived {
    kind: u32,
    body_len: usize,
    /// How many bytes of the body are in the buffers.
    inline: usize,
    fds: Vec<OwnedFd>,
    tail: Option<OwnedFd>,
}

/// Receives one packet, its inline part into `buf` and then `spill`, and checks all it says.
fn arrive(
    socket: BorrowedFd<'_>,
    buf: &mut [u8],
    spill: &mut [u8],
    max_bytes: usize,
    deadline: Deadline,
) -> io::Result<Option<Arrived>> {
    let mut head = [0; Head::LEN];
    let mut space = [MaybeUninit::uninit(); CONTROL];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut flags = RecvFlags::CMSG_CLOEXEC;
    if deadline.remaining().is_some() {
        flags |= RecvFlags::DONTWAIT;
    }
    let packet = loop {
        let mut iov = [IoSliceMut::new(&mut head), IoSliceMut::new(buf), IoSliceMut::new(spill)];
        match recvmsg(socket, &mut iov, &mut control, flags) {
            Ok(packet) if packet.bytes > 0 => break packet,
            Ok(_) if ended(socket)? => return Ok(None),
            Ok(_) => return Err(invalid("an empty packet".into())),
            // The other end was closed with messages of ours unread in it. The kernel says so
            // once; what the other end sent before is still to be received.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            Err(Errno::AGAIN) => {
                if !ready(socket, PollFlags::IN, deadline)? {
                    return Err(io::ErrorKind::TimedOut.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
    };
    // From here on every descriptor that came is owned, and so closed on all ways out.
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let head = Head::parse(&head, packet.bytes)?;
    if packet.flags.contains(ReturnFlags::TRUNC) {
        return Err(invalid(format!("a packet with more than {INLINE_MAX} bytes inline")));
    }
    let expected = u64::from(head.fds) + u64::from(head.has_tail);
    if packet.flags.contains(ReturnFlags::CTRUNC) && (fds.len() as u64) < expected {
        return Err(io::Error::other(format!(
            "only {} of the {expected} descriptors of a message could be opened here (is the limit \
             of open files reached?)",
            fds.len()
        )));
    }
    if fds.len() as u64 != expected || head.fds as usize > MAX_FDS {
        return Err(invalid(format!(
            "a packet that announces {expected} descriptors and carries {}",
            fds.len()
        )));
    }
    let inline = packet.bytes - Head::LEN;
    let fits = if head.has_tail {
        (inline as u64) < head.body_len
    } else {
        inline as u64 == head.body_len
    };
    if !fits {
        return Err(invalid(format!(
            "a packet that announces {} bytes and carries {inline}",
            head.body_len
        )));
    }
    let Some(body_len) = usize::try_from(head.body_len).ok().filter(|len| *len <= max_bytes) else {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("a message of {} bytes, more than the limit of {max_bytes}", head.body_len),
        ));
    };
    let tail = if head.has_tail { fds.pop() } else { None };
    if let Some(tail) = &tail {
        tail::check(tail.as_fd(), head.body_len - inline as u64)?;
    }
    Ok(Some(Arrived { kind: head.kind, body_len, inline, fds, tail }))
}

/// Tells the end of the stream from an empty packet, which no one of us sends.
fn ended(socket: BorrowedFd<'_>) -> io::Result<bool> {
    Ok(ready(socket, PollFlags::RDHUP, Deadline::after(std::time::Duration::ZERO))?)
}

/// Waits until the socket reports one of `events`, an error or a hang-up.
fn ready(socket: BorrowedFd<'_>, events: PollFlags, deadline: Deadline) -> Result<bool, Errno> {
    let mut fds = [PollFd::from_borrowed_fd(socket, events)];
    loop {
        match poll(&mut fds, deadline.poll_timeout().as_ref()) {
            Ok(count) => return Ok(count > 0),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

fn with_room(len: usize) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    body.try_reserve_exact(len)?;
    Ok(body)
}

fn with_scratch<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
    if scratch.is_empty() {
        // Zeroed pages cost memory only when something is written to them.
        scratch = vec![0; INLINE_MAX];
    }
    let result = f(&mut scratch);
    // The thread may be ending; then the buffer just goes.
    let _ = SCRATCH.try_with(|cell| cell.set(scratch));
    result
}

#[cfg(test)]
mod tests;
