//! The end of the stream is told from a broken pipe, and comes after the last message.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{RecvError, SendError, TryRecvError, TrySendError, duplex, simplex};
use std::time::Duration;

#[test]
fn what_was_sent_comes_first_and_then_the_end_again_and_again() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<[u8]>().unwrap();
    a.send(b"1").unwrap();
    a.send(b"2").unwrap();
    drop(a);
    assert_eq!(b.recv().unwrap(), b"1");
    assert_eq!(b.recv().unwrap(), b"2");
    for _ in 0..3 {
        assert!(matches!(b.recv(), Err(RecvError::Disconnected)));
        assert!(matches!(b.try_recv(), Err(TryRecvError::Disconnected)));
        assert!(b.poll(Duration::ZERO).unwrap());
    }
}

#[test]
fn sending_to_nobody_is_a_broken_pipe_and_no_signal() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<[u8]>().unwrap();
    drop(b);
    assert!(matches!(a.send(b"x"), Err(SendError::BrokenPipe)));
    assert!(matches!(a.try_send(b"x"), Err(TrySendError::BrokenPipe)));
    assert!(matches!(a.send(&vec![0; 1 << 20]), Err(SendError::BrokenPipe)));
}

#[test]
fn messages_that_the_peer_never_read_do_not_hide_what_it_sent() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (a, b) = duplex::<[u8]>().unwrap();
    a.send(b"from a").unwrap();
    b.send(b"unread").unwrap();
    drop(a);
    assert!(matches!(b.send(b"x"), Err(SendError::BrokenPipe)));
    assert_eq!(b.recv().unwrap(), b"from a");
    assert!(matches!(b.recv(), Err(RecvError::Disconnected)));

    let (a, b) = duplex::<[u8]>().unwrap();
    a.send(b"from a").unwrap();
    b.send(b"unread").unwrap();
    drop(a);
    assert_eq!(b.recv().unwrap(), b"from a");
    assert!(matches!(b.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_one_way_pipe_ends_at_either_side() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    tx.send(b"last").unwrap();
    drop(tx);
    assert_eq!(rx.recv().unwrap(), b"last");
    assert!(matches!(rx.recv(), Err(RecvError::Disconnected)));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    drop(rx);
    assert!(matches!(tx.send(b"x"), Err(SendError::BrokenPipe)));
}

#[test]
fn a_clone_keeps_the_stream_open_until_it_is_dropped() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let second = tx.clone();
    drop(tx);
    assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
    second.send(b"still here").unwrap();
    drop(second);
    assert_eq!(rx.recv().unwrap(), b"still here");
    assert!(matches!(rx.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn a_waiting_receiver_is_woken_by_the_end() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let receiver = std::thread::spawn(move || matches!(rx.recv(), Err(RecvError::Disconnected)));
    std::thread::sleep(Duration::from_millis(20));
    drop(tx);
    assert!(receiver.join().unwrap());
}

#[test]
fn a_waiting_sender_is_woken_by_the_end() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    while tx.try_send(&[0; 4096]).is_ok() {}
    let sender =
        std::thread::spawn(move || matches!(tx.send(&[0; 4096]), Err(SendError::BrokenPipe)));
    std::thread::sleep(Duration::from_millis(20));
    drop(rx);
    assert!(sender.join().unwrap());
}

#[test]
fn iterating_ends_with_the_stream() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    for message in [b"a", b"b", b"c"] {
        tx.send(message).unwrap();
    }
    drop(tx);
    assert_eq!(rx.iter().take(1).map(Result::unwrap).collect::<Vec<_>>(), [b"a"]);
    let mut rest = rx.into_iter();
    assert_eq!(rest.next().unwrap().unwrap(), b"b");
    assert_eq!(rest.next().unwrap().unwrap(), b"c");
    assert!(rest.next().is_none());
    assert!(rest.next().is_none());
}

#[test]
fn the_words_of_the_outcomes_say_which_it_is() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    assert_eq!(
        SendError::BrokenPipe.to_string(),
        "broken pipe: every copy of the other end is closed"
    );
    assert_eq!(
        RecvError::Disconnected.to_string(),
        "end of stream: every copy of the other end is closed"
    );
}
