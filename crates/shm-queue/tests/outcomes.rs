//! Full, empty, late, and numbers that cannot be: each is told apart, and gives the message back.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{
    RecvTimeoutError, SendBytesError, SendBytesTimeoutError, SendTimeoutError, TryRecvError,
    TrySendBytesError, TrySendError, bounded, bounded_bytes,
};
use std::error::Error as _;
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use testkit::watchdog;

const SHORT: Duration = Duration::from_millis(30);

#[test]
fn a_full_queue_gives_the_message_back() {
    let (tx, rx) = bounded::<u32>(2).unwrap();
    tx.send(1).unwrap();
    tx.send(2).unwrap();
    assert_eq!(tx.try_send(3), Err(TrySendError::Full(3)));
    let start = Instant::now();
    assert_eq!(tx.send_timeout(4, SHORT), Err(SendTimeoutError::Timeout(4)));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(tx.try_send(5).unwrap_err().into_inner(), 5);
    assert_eq!(rx.try_iter().collect::<Vec<_>>(), [1, 2], "what was refused is not there");
    tx.send_timeout(6, SHORT).unwrap();
    assert_eq!(rx.recv(), Ok(6));
}

#[test]
fn an_empty_queue_has_nothing_and_waits_its_time() {
    let (tx, rx) = bounded::<u32>(2).unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    let start = Instant::now();
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    assert!(start.elapsed() >= SHORT);
    assert_eq!(rx.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::Timeout));
    tx.send(1).unwrap();
    assert_eq!(rx.recv_timeout(Duration::ZERO), Ok(1));
}

#[test]
fn bytes_have_the_same_outcomes() {
    let (tx, rx) = bounded_bytes(2, 16).unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    tx.send(b"0123456789").unwrap();
    assert_eq!(tx.try_send(b"x"), Err(TrySendBytesError::Full), "no bytes left");
    assert_eq!(tx.send_timeout(b"x", SHORT), Err(SendBytesTimeoutError::Timeout));
    assert_eq!(rx.recv().unwrap(), b"0123456789");
    tx.send(b"").unwrap();
    tx.send(b"").unwrap();
    assert_eq!(tx.try_send(b""), Err(TrySendBytesError::Full), "no messages left");
    let large = [0; 17];
    assert_eq!(tx.send(&large), Err(SendBytesError::TooLarge { len: 17, most: 16 }));
    assert_eq!(tx.try_send(&large), Err(TrySendBytesError::TooLarge { len: 17, most: 16 }));
    let error = tx.send_timeout(&large, SHORT).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the message has 17 bytes, and the queue takes messages of at most 16"
    );
}

/// A receiver sleeps inside; whoever only tries is not held up by it.
#[test]
fn trying_does_not_wait_behind_a_sleeper() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded::<u32>(1).unwrap();
    std::thread::scope(|scope| {
        let sleeper = scope.spawn(|| rx.recv());
        std::thread::sleep(SHORT);
        for _ in 0..1_000 {
            assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
        }
        let start = Instant::now();
        assert_eq!(rx.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert!(start.elapsed() >= SHORT, "also behind a sleeper");
        tx.send(1).unwrap();
        assert_eq!(sleeper.join().unwrap(), Ok(1));

        tx.send(2).unwrap();
        let sleeper = scope.spawn(|| tx.send(3));
        std::thread::sleep(SHORT);
        for _ in 0..1_000 {
            assert_eq!(tx.try_send(4), Err(TrySendError::Full(4)));
        }
        assert_eq!(tx.send_timeout(5, SHORT), Err(SendTimeoutError::Timeout(5)));
        assert_eq!(rx.recv(), Ok(2));
        assert_eq!(sleeper.join().unwrap(), Ok(()));
        assert_eq!(rx.recv(), Ok(3));
    });
}

#[test]
fn numbers_that_cannot_be_are_named() {
    let says = |capacity| {
        let error = bounded::<u64>(capacity).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("failed to create a queue of {capacity} messages of 8 bytes")
        );
        (error.kind(), error.source().unwrap().to_string())
    };
    let (kind, why) = says(0);
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert_eq!(why, "its capacity is 0, and a queue holds 1 to 1073741824 messages");
    assert!(says((1 << 30) + 1).1.contains("1073741825"));
    assert!(says(usize::MAX).1.contains("18446744073709551615"));

    let error = bounded::<[[u8; 1 << 20]; 1 << 20]>(1 << 30).unwrap_err();
    assert!(error.source().unwrap().to_string().contains("more than memory can hold"), "{error:?}");
    let error = bounded::<[[u8; 1 << 20]; 1 << 20]>(1 << 10).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error:?}");

    let says = |bytes| bounded_bytes(1, bytes).unwrap_err().source().unwrap().to_string();
    assert_eq!(says(0), "its capacity is 0 bytes, and a queue holds 1 to 34359738368 bytes");
    assert!(says(usize::MAX).contains("18446744073709551615 bytes"));
}

#[test]
fn outcomes_read_as_sentences() {
    assert_eq!(TrySendError::Full(0).to_string(), "the queue is full");
    assert_eq!(
        TryRecvError::Disconnected.to_string(),
        "the queue is empty, and was closed or has no sender any more"
    );
    // Nothing is asked of the message: a closure is no `Debug`.
    let debug = format!("{:?}", TrySendError::Disconnected(|| ()));
    assert_eq!(debug, "TrySendError(the queue was closed or has no receiver any more)");
}
