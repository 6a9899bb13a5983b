//! Pipe ends travel inside pipe messages.
#![allow(clippy::unwrap_used, reason = "a test")]
#![cfg(feature = "serde")]

use duplex_pipe::{Duplex, PipeReceiver, PipeSender, RecvError, SendError, duplex, simplex};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

#[test]
fn all_kinds_of_ends_travel_and_work_afterwards() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    #[derive(Serialize, Deserialize)]
    struct Ends {
        both: Duplex<String>,
        tx: PipeSender<u32>,
        rx: PipeReceiver<[u8]>,
    }
    let (a, b) = duplex::<Ends>().unwrap();
    let (both, other) = duplex::<String>().unwrap();
    let (tx, numbers) = simplex::<u32>().unwrap();
    let (bytes, rx) = simplex::<[u8]>().unwrap();
    a.send(&Ends { both, tx, rx: rx.with_max_message_bytes(5) }).unwrap();
    let ends = b.recv().unwrap();
    ends.both.send(&"through".into()).unwrap();
    assert_eq!(other.recv().unwrap(), "through");
    ends.tx.send(&3).unwrap();
    assert_eq!(numbers.recv().unwrap(), 3);
    bytes.send(b"12345").unwrap();
    assert_eq!(ends.rx.recv().unwrap(), b"12345");
    assert_eq!(ends.rx.max_message_bytes(), 5, "the limit travels with its end");
    drop(ends);
    assert!(matches!(other.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(numbers.recv(), Err(RecvError::Disconnected)));
    assert!(matches!(bytes.send(b""), Err(SendError::BrokenPipe)));
}

#[test]
fn a_limit_that_travels_cannot_exceed_the_default() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<PipeReceiver<[u8]>>().unwrap();
    let (_tx, rx) = simplex().unwrap();
    a.send(&rx.with_max_message_bytes(usize::MAX)).unwrap();
    assert_eq!(b.recv().unwrap().max_message_bytes(), 1 << 30);
}

#[test]
fn an_end_can_go_through_its_own_pipe() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    #[derive(Serialize, Deserialize)]
    struct Own(Duplex<Own>);
    let (a, b) = duplex::<Own>().unwrap();
    a.send(&Own(b.clone())).unwrap();
    drop(b.recv().unwrap());
    assert!(matches!(b.try_recv(), Err(duplex_pipe::TryRecvError::Empty)));
}

#[test]
fn the_same_end_three_times_in_a_message_is_one_descriptor() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<Vec<PipeSender<u32>>>().unwrap();
    let (tx, rx) = simplex().unwrap();
    a.send(&vec![tx.clone(), tx.clone(), tx]).unwrap();
    let senders = b.recv().unwrap();
    let fds: Vec<_> = senders.iter().map(|tx| tx.as_fd().as_raw_fd()).collect();
    assert_eq!(fds, [fds[0]; 3]);
    for (i, tx) in (0..).zip(&senders) {
        tx.send(&i).unwrap();
    }
    drop(senders);
    assert_eq!(rx.iter().collect::<Result<Vec<_>, _>>().unwrap(), [0, 1, 2]);
}

#[test]
fn two_hundred_and_fifty_two_ends_travel_also_beside_a_large_body_and_one_more_does_not() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<(Vec<PipeReceiver<u32>>, Vec<u8>)>().unwrap();
    let (senders, mut receivers): (Vec<_>, Vec<_>) = (0..252).map(|_| simplex().unwrap()).unzip();
    for (i, tx) in (0..).zip(&senders) {
        tx.send(&i).unwrap();
    }
    let mut message = (receivers.split_off(0), vec![9; 200_000]);
    a.send(&message).unwrap();
    let (arrived, body) = b.recv().unwrap();
    assert!(body == message.1);
    for (i, rx) in (0..).zip(&arrived) {
        assert_eq!(rx.recv().unwrap(), i);
    }
    message.0.push(simplex().unwrap().1);
    let error = a.send(&message).unwrap_err();
    assert!(matches!(error, SendError::Encode(_)));
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("253") && cause.contains("252"), "{cause}");
    assert!(matches!(b.try_recv(), Err(duplex_pipe::TryRecvError::Empty)));
}

/// An end that is serialised where no descriptor can go: inside another format's bytes.
#[test]
fn an_end_outside_a_message_is_refused_with_where_it_could_go() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    #[derive(Deserialize)]
    struct Detached;
    impl Serialize for Detached {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let (tx, _rx) = simplex::<u32>().unwrap();
            let (result, _) = multiproc_core::carry::closed(|| tx.serialize(serializer));
            result
        }
    }
    let error = multiproc_core::carry::closed(|| {
        let (tx, _rx) = simplex::<u32>().unwrap();
        multiproc_core::carry::put(&std::sync::Arc::new(tx.as_fd().try_clone_to_owned().unwrap()))
    });
    assert!(error.0.unwrap_err().to_string().contains("pipe message"));
    let (a, _b) = duplex::<Detached>().unwrap();
    assert!(matches!(a.send(&Detached), Err(SendError::Encode(_))));
}

#[test]
fn a_descriptor_that_is_no_pipe_is_refused_by_name() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    use std::os::fd::OwnedFd;
    let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
    let stream = OwnedFd::from(std::os::unix::net::UnixStream::pair().unwrap().0);
    let inet = OwnedFd::from(std::net::UdpSocket::bind("127.0.0.1:0").unwrap());
    for (fd, what) in [(file, "no socket"), (stream, "another type"), (inet, "another family")] {
        let error = Duplex::<u32>::try_from(fd).unwrap_err();
        assert!(error.to_string().ends_with("as a pipe end"), "{error}");
        let cause = error.source().unwrap().to_string();
        assert!(cause.contains(what), "{cause}");
    }
}

/// Something that travels as an end does, and is none.
#[derive(Debug)]
struct Impostor(std::sync::Arc<std::os::fd::OwnedFd>);

impl Serialize for Impostor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = multiproc_core::carry::put(&self.0).map_err(serde::ser::Error::custom)?;
        (index, 1u64 << 30).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Impostor {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("never received"))
    }
}

#[test]
fn a_message_with_another_descriptor_in_place_of_an_end_keeps_its_sentence() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    let (a, b) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    let tx = PipeSender::<Impostor>::try_from(a).unwrap();
    let rx = PipeReceiver::<PipeSender<u32>>::try_from(b).unwrap();
    let file = std::fs::File::open("/dev/null").unwrap();
    tx.send(&Impostor(std::sync::Arc::new(file.into()))).unwrap();
    let error = rx.recv().unwrap_err();
    let cause = error.source().unwrap().to_string();
    assert!(cause.starts_with("descriptor 0 of the message"), "{cause}");
    assert!(cause.ends_with("this is no socket"), "{cause}");
}
