//! Batches: in order, as many as fit, and whole.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{
    Item, Receiver, RecvTimeoutError, SendBytesError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, bounded_bytes,
};
use std::fmt::Debug;
use std::time::Duration;
use testkit::{fork, watchdog};

const BRIEFLY: Duration = Duration::from_millis(5);

#[test]
fn as_many_as_fit() {
    let (tx, rx) = bounded::<u32>(5).unwrap();
    assert_eq!(tx.send_many(&[]), Ok(0));
    assert_eq!(tx.send_many(&[0, 1, 2]), Ok(3));
    assert_eq!(tx.try_send_many(&[3, 4, 5]), Ok(2));
    assert_eq!(tx.try_send_many(&[5]), Err(TrySendError::Full(())));
    assert_eq!(tx.send_many_timeout(&[5], BRIEFLY), Err(SendTimeoutError::Timeout(())));
    let mut got = vec![7];
    assert_eq!(rx.recv_many(&mut got, 0), Ok(0));
    assert_eq!(rx.recv_many(&mut got, 2), Ok(2));
    assert_eq!(rx.try_recv_many(&mut got, 9), Ok(3));
    assert_eq!(got, [7, 0, 1, 2, 3, 4]);
    assert_eq!(rx.try_recv_many(&mut got, 9), Err(TryRecvError::Empty));
    assert_eq!(rx.recv_many_timeout(&mut got, 9, BRIEFLY), Err(RecvTimeoutError::Timeout));
    drop(tx);
    assert!(rx.recv_many(&mut got, 9).is_err());
}

/// Batches of all lengths, across the end of the cells, single messages in between.
fn every_length<T: Item + PartialEq + Debug>(make: impl Fn(u32) -> T) {
    let (tx, rx) = bounded::<T>(6).unwrap();
    let (mut sent, mut received) = (0, 0);
    for round in 0..500u32 {
        let batch: Vec<_> = (sent..sent + round % 9 + 1).map(&make).collect();
        sent += tx.send_many(&batch).unwrap() as u32;
        let mut got = Vec::new();
        if round % 3 == 0 {
            got.push(rx.recv().unwrap());
        } else {
            let _ = rx.try_recv_many(&mut got, round as usize % 7 + 1);
        }
        if rx.is_full() {
            rx.recv_many(&mut got, 1).unwrap();
        }
        let expected: Vec<_> = (received..received + got.len() as u32).map(&make).collect();
        assert_eq!(got, expected);
        received += got.len() as u32;
    }
    assert_eq!(rx.len() as u32, sent - received);
}

#[test]
fn every_length_of_every_size() {
    every_length(|i| i as u8);
    every_length(u64::from);
    every_length(|i| [i as u8; 3]);
    every_length(|i| [u64::from(i); 9]); // Cells with gaps between them.
    every_length(|i| [i; 32]);
    every_length(|_| ());
}

/// More than one system call can publish, to one who sleeps.
#[test]
fn a_large_batch_to_a_sleeper() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx): (Sender<u32>, Receiver<u32>) = bounded(20_000).unwrap();
    let child = fork(|| {
        let mut all = Vec::new();
        while all.len() < 10_000 {
            rx.recv_many(&mut all, 20_000).unwrap();
        }
        assert!(all.into_iter().eq(0..10_000));
    });
    testkit::until(Duration::from_secs(10), "its sleep", || testkit::is_asleep(child.pid()));
    let all: Vec<_> = (0..10_000).collect();
    assert_eq!(tx.send_many(&all), Ok(10_000));
    child.assert_ok();
}

#[test]
fn bytes_of_every_length() {
    let (tx, rx) = bounded_bytes(6, 200).unwrap();
    let message = |i: u32| vec![i as u8; (i * 7 % 61) as usize];
    let (mut sent, mut received) = (0, 0);
    for round in 0..2_000u32 {
        let batch: Vec<_> = (sent..sent + round % 9 + 1).map(message).collect();
        let batch: Vec<_> = batch.iter().map(Vec::as_slice).collect();
        sent += tx.try_send_many(&batch).map_or(0, |sent| sent as u32);
        let mut got = Vec::new();
        if let Ok(n) = rx.try_recv_many(&mut got, round as usize % 7) {
            assert_eq!(n, got.len());
        }
        for got in got {
            assert_eq!(got, message(received));
            received += 1;
        }
    }
    assert!(received > 2_000, "{received}");
    assert_eq!(rx.len() as u32, sent - received);
}

#[test]
fn what_can_never_be_sent_ends_a_batch_and_is_reported_next() {
    let (tx, rx) = bounded_bytes(6, 64).unwrap();
    let long = [0; 65];
    let batch: [&[u8]; 3] = [b"a", b"b", &long];
    assert_eq!(tx.send_many(&[]), Ok(0));
    assert_eq!(tx.send_many(&batch), Ok(2));
    let refused = SendBytesError::TooLarge { len: 65, most: 64 };
    assert_eq!(tx.send_many(&batch[2..]), Err(refused));
    let mut got = Vec::new();
    assert_eq!(rx.recv_many(&mut got, 9), Ok(2));
    assert_eq!(got, [b"a", b"b"]);
}

#[cfg(feature = "serde")]
#[test]
fn values_and_what_is_none() {
    let (tx, rx) = shm_queue::bounded_values::<Option<String>>(6, 64).unwrap();
    let values = [None, Some("x".to_owned()), Some("y".repeat(100)), None];
    assert_eq!(tx.send_many(&values).unwrap(), 2);
    assert!(matches!(tx.send_many(&values[2..]), Err(shm_queue::SendValueError::TooLarge { .. })));
    assert_eq!(tx.send_many(&values[3..]).unwrap(), 1);
    let mut got = Vec::new();
    assert_eq!(rx.recv_many(&mut got, 9).unwrap(), 3);
    let got: Result<Vec<_>, _> = got.into_iter().collect();
    assert_eq!(got.unwrap(), [None, Some("x".to_owned()), None]);
    assert!(rx.try_recv_many(&mut Vec::new(), 9).is_err());
}

#[test]
fn a_batch_wakes_who_sleeps() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded_bytes(4, 1_000).unwrap();
    let child = fork(|| {
        let mut all = Vec::new();
        while all.len() < 100 {
            rx.recv_many(&mut all, 3).unwrap();
        }
        assert!(all.into_iter().eq((0..100u8).map(|i| vec![i])));
    });
    let all: Vec<_> = (0..100u8).map(|i| [i]).collect();
    let all: Vec<_> = all.iter().map(<[_; 1]>::as_slice).collect();
    let mut sent = 0;
    while sent < all.len() {
        sent += tx.send_many(&all[sent..]).unwrap();
    }
    child.assert_ok();
}
