//! Whatever the other side writes is an error with a sentence, and the next message is received.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{Duplex, RecvError};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType,
    sendmsg, socketpair,
};
use std::error::Error;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

const MAGIC: u32 = u32::from_le_bytes(*b"mpk1");
const INLINE: usize = 96 * 1024;
const TAIL: u32 = 1;

/// A pipe end, and the raw socket at its other side.
fn attacked() -> (OwnedFd, Duplex<[u8]>) {
    let (raw, end) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    (raw, Duplex::try_from(end).unwrap())
}

fn head(magic: u32, kind: u32, body_len: u64, fds: u32, flags: u32) -> Vec<u8> {
    let mut head = Vec::new();
    head.extend(magic.to_ne_bytes());
    head.extend(kind.to_ne_bytes());
    head.extend(body_len.to_ne_bytes());
    head.extend(fds.to_ne_bytes());
    head.extend(flags.to_ne_bytes());
    head
}

fn write(raw: &OwnedFd, packet: &[u8], fds: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(fds)));
    }
    sendmsg(raw, &[IoSlice::new(packet)], &mut control, SendFlags::NOSIGNAL).unwrap();
}

/// Receives garbage in every way, then a good message, and returns the sentence.
fn refused(packet: &[u8], fds: &[BorrowedFd<'_>]) -> String {
    let (raw, end) = attacked();
    write(&raw, packet, fds);
    let error = end.recv().unwrap_err();
    assert!(matches!(error, RecvError::Decode(_)), "{error:?}");
    let sentence = error.source().unwrap().to_string();
    write(&raw, packet, fds);
    let mut buf = [0; 64];
    let error = end.recv_into(&mut buf).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), sentence);
    let mut good = head(MAGIC, 0, 2, 0, 0);
    good.extend(b"ok");
    write(&raw, &good, &[]);
    assert_eq!(end.recv().unwrap(), b"ok");
    sentence
}

fn memfd(bytes: &[u8], seals: SealFlags) -> OwnedFd {
    let fd = memfd_create(c"test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    assert_eq!(rustix::io::pwrite(&fd, bytes, 0).unwrap(), bytes.len());
    fcntl_add_seals(&fd, seals).unwrap();
    fd
}

fn sealed(bytes: &[u8]) -> OwnedFd {
    memfd(bytes, SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE)
}

#[test]
fn short_and_empty_packets() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    assert!(refused(&[0], &[]).contains("1 bytes, shorter than its head of 24"));
    assert!(refused(&head(MAGIC, 0, 0, 0, 0)[..23], &[]).contains("23 bytes"));
    assert_eq!(refused(&[], &[]), "an empty packet");
}

#[test]
fn wrong_magic_flags_and_kind() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    assert!(refused(&head(0xdead_beef, 0, 0, 0, 0), &[]).contains("0xdeadbeef"));
    assert!(refused(&head(MAGIC, 0, 0, 0, 2), &[]).contains("unknown flags 0x2"));
    assert_eq!(refused(&head(MAGIC, 77, 0, 0, 0), &[]), "a packet of kind 77 came");
    assert_eq!(refused(&head(MAGIC, 1, 0, 0, 0), &[]), "an encoded value came");
}

#[test]
fn lengths_that_lie() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let mut packet = head(MAGIC, 0, 5, 0, 0);
    packet.extend(b"1234");
    assert!(refused(&packet, &[]).contains("announces 5 bytes and carries 4"));
    packet.extend(b"56");
    assert!(refused(&packet, &[]).contains("announces 5 bytes and carries 6"));
    assert!(refused(&head(MAGIC, 0, u64::MAX, 0, 0), &[]).contains("carries 0"));
    let mut packet = head(MAGIC, 0, INLINE as u64 + 1, 0, 0);
    packet.resize(packet.len() + INLINE + 1, 0);
    assert!(refused(&packet, &[]).contains("more than 98304 bytes inline"));
}

#[test]
fn descriptors_that_are_missing_or_too_many() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let file = std::fs::File::open("/dev/null").unwrap();
    let one = head(MAGIC, 0, 0, 1, 0);
    assert!(refused(&one, &[]).contains("announces 1 descriptors and carries 0"));
    assert!(refused(&one, &[file.as_fd(); 2]).contains("announces 1 descriptors and carries 2"));
    let none = head(MAGIC, 0, 0, 0, 0);
    assert!(
        refused(&none, &[file.as_fd(); 253]).contains("announces 0 descriptors and carries 253")
    );
    let all = head(MAGIC, 0, 0, 253, 0);
    assert!(refused(&all, &[file.as_fd(); 253]).contains("253"));
    assert!(refused(&head(MAGIC, 0, 0, u32::MAX, 0), &[]).contains("4294967295"));
    assert!(refused(&one, &[file.as_fd()]).contains("1 descriptors came with them"));
}

#[test]
fn bodies_that_are_not_where_they_are_said_to_be() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let ten = |flags| head(MAGIC, 0, 10, 0, flags);
    let file = std::fs::File::open("/proc/self/exe").unwrap();
    let zero = std::fs::File::open("/dev/zero").unwrap();
    let (reader, _writer) = std::io::pipe().unwrap();
    assert!(refused(&ten(TAIL), &[]).contains("announces 1 descriptors and carries 0"));
    for fd in [file.as_fd(), zero.as_fd(), reader.as_fd()] {
        assert!(refused(&ten(TAIL), &[fd]).contains("not in a sealed memfd"));
    }
    let open = memfd(&[0; 10], SealFlags::empty());
    assert!(refused(&ten(TAIL), &[open.as_fd()]).contains("not in a sealed memfd"));
    let writable = memfd(&[0; 10], SealFlags::SHRINK | SealFlags::GROW);
    assert!(refused(&ten(TAIL), &[writable.as_fd()]).contains("not in a sealed memfd"));
    for len in [0, 9, 11] {
        let fd = sealed(&vec![0; len]);
        let sentence = refused(&ten(TAIL), &[fd.as_fd()]);
        assert!(sentence.contains(&format!("announces 10 bytes in its memfd, which holds {len}")));
    }
    let mut packet = ten(TAIL);
    packet.extend([0; 10]);
    assert!(refused(&packet, &[sealed(&[]).as_fd()]).contains("carries 10"));
}

#[test]
fn an_announced_exbibyte_is_refused_before_memory_is_asked_for() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let fd = memfd_create(c"huge", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&fd, 1 << 60).unwrap();
    fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::FUTURE_WRITE).unwrap();
    let sentence = refused(&head(MAGIC, 0, 1 << 60, 0, TAIL), &[fd.as_fd()]);
    assert!(sentence.contains("1152921504606846976") && sentence.contains("1073741824"));
}

#[test]
fn a_body_wholly_in_the_memfd_is_right() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (raw, end) = attacked();
    write(&raw, &head(MAGIC, 0, 3, 0, TAIL), &[sealed(b"abc").as_fd()]);
    assert_eq!(end.recv().unwrap(), b"abc");
    let mut packet = head(MAGIC, 0, 6, 0, TAIL);
    packet.extend(b"abc");
    write(&raw, &packet, &[sealed(b"def").as_fd()]);
    assert_eq!(end.recv().unwrap(), b"abcdef");
}

/// Every bit of a good packet flipped, and ten thousand packets of noise.
#[test]
fn noise_never_panics_hangs_or_stops_the_pipe() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (raw, end) = attacked();
    let mut good = head(MAGIC, 0, 8, 0, 0);
    good.extend(7u64.to_ne_bytes());
    for bit in 0..good.len() * 8 {
        let mut packet = good.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        write(&raw, &packet, &[]);
        match end.recv() {
            // A flipped bit of the body is another body.
            Ok(body) => assert!(bit >= 24 * 8 && body.len() == 8, "bit {bit}: {body:?}"),
            Err(error) => assert!(matches!(error, RecvError::Decode(_)), "bit {bit}: {error:?}"),
        }
    }
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..10_000 {
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        let len = (next() % 60) as usize;
        let mut packet: Vec<u8> = (0..len).map(|_| next() as u8).collect();
        if round % 2 == 0 && len >= 4 {
            packet[..4].copy_from_slice(&MAGIC.to_ne_bytes());
        }
        write(&raw, &packet, &[]);
        assert!(matches!(end.recv(), Err(RecvError::Decode(_))), "{packet:?}");
    }
    write(&raw, &good, &[]);
    assert_eq!(end.recv().unwrap(), 7u64.to_ne_bytes());
}

#[test]
fn a_listening_socket_is_a_failure_and_no_hang() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    use rustix::net::{SocketAddrUnix, bind, listen, socket};
    let fd = socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
    let name = format!("multiproc-test-{}", std::process::id());
    bind(&fd, &SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap()).unwrap();
    listen(&fd, 1).unwrap();
    let end = Duplex::<[u8]>::try_from(fd).unwrap();
    assert!(matches!(end.recv(), Err(RecvError::Failed(_))));
    assert!(end.send(b"x").is_err());
}

#[cfg(feature = "serde")]
#[test]
fn encoded_noise_is_refused() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (raw, end) = attacked();
    let values =
        Duplex::<Vec<(String, Option<bool>)>>::try_from(end.as_fd().try_clone_to_owned().unwrap())
            .unwrap();
    for body in [&[0xff; 9][..], &[1], &[1, 3, b'a'], &[1, 1, 0xff, 0], &[1, 1, b'a', 2], &[0, 0]] {
        let mut packet = head(MAGIC, 1, body.len() as u64, 0, 0);
        packet.extend(body);
        write(&raw, &packet, &[]);
        assert!(matches!(values.recv(), Err(RecvError::Decode(_))), "{body:?}");
    }
    let mut packet = head(MAGIC, 1, 5, 0, 0);
    packet.extend([1, 1, b'a', 1, 1]);
    write(&raw, &packet, &[]);
    assert_eq!(values.recv().unwrap(), [("a".to_string(), Some(true))]);
}
