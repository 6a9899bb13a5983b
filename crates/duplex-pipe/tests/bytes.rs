//! Bytes of every length arrive as they were sent, also straight into a buffer.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{RecvIntoError, RecvTimeoutError, TryRecvError, duplex, simplex};
use std::time::Duration;

/// What travels in the packet itself.
const INLINE: usize = 96 * 1024;

fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i % 251) as u8).collect()
}

#[test]
fn every_length_around_the_inline_limit_arrives_in_both_directions() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<[u8]>().unwrap();
    for len in [0, 1, 2, 4095, 4096, 65_536, INLINE - 1, INLINE, INLINE + 1, 10 << 20, 64 << 20] {
        let message = bytes(len);
        a.send(&message).unwrap();
        assert!(b.recv().unwrap() == message, "{len} bytes, first to second end");
        b.send(&message).unwrap();
        assert!(a.recv().unwrap() == message, "{len} bytes, second to first end");
    }
}

#[test]
fn messages_keep_their_order_and_borders() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    for len in 0..100 {
        tx.send(&bytes(len)).unwrap();
    }
    for len in 0..100 {
        assert_eq!(rx.recv().unwrap(), bytes(len));
    }
}

#[test]
fn a_buffer_is_filled_or_the_whole_message_given_back() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<[u8]>().unwrap();
    let mut buf = vec![0; INLINE + 100];
    for room in [0, 10, INLINE, INLINE + 100] {
        for len in [0, 10, 11, INLINE, INLINE + 1, INLINE + 100, INLINE + 101] {
            let message = bytes(len);
            a.send(&message).unwrap();
            match b.recv_into(&mut buf[..room]) {
                Ok(n) => {
                    assert_eq!(n, len);
                    assert!(len <= room && buf[..n] == message, "{len} bytes into {room}");
                }
                Err(RecvIntoError::TooShort(whole)) => {
                    assert!(len > room && whole == message, "{len} bytes into {room}");
                }
                Err(RecvIntoError::Recv(error)) => panic!("{error}"),
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn receiving_into_a_buffer_has_all_three_verbs_on_a_one_way_pipe() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let mut buf = [0; 8];
    assert!(matches!(rx.try_recv_into(&mut buf), Err(RecvIntoError::Recv(TryRecvError::Empty))));
    assert!(matches!(
        rx.recv_into_timeout(&mut buf, Duration::from_millis(5)),
        Err(RecvIntoError::Recv(RecvTimeoutError::TimedOut))
    ));
    for message in [b"one", b"two", b"six"] {
        tx.send(message).unwrap();
    }
    assert_eq!(rx.recv_into(&mut buf).unwrap(), 3);
    assert_eq!(&buf[..3], b"one");
    assert_eq!(rx.try_recv_into(&mut buf).unwrap(), 3);
    assert_eq!(&buf[..3], b"two");
    assert_eq!(rx.recv_into_timeout(&mut buf, Duration::from_secs(9)).unwrap(), 3);
    assert_eq!(&buf[..3], b"six");
}

#[test]
fn a_message_over_the_limit_is_refused_with_both_numbers_and_the_next_one_comes() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    assert_eq!(rx.max_message_bytes(), 1 << 30);
    let rx = rx.with_max_message_bytes(1000);
    for len in [1001, INLINE + 1] {
        tx.send(&bytes(len)).unwrap();
        let error = rx.recv().unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(matches!(error, duplex_pipe::RecvError::Decode(_)), "{error}");
        assert!(cause.contains(&len.to_string()) && cause.contains("1000"), "{cause}");
        tx.send(&bytes(1000)).unwrap();
        assert_eq!(rx.recv().unwrap(), bytes(1000));
    }
}
