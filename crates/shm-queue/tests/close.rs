//! A closed queue: nothing goes in, what is there comes out, and all who wait are told.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{
    RecvError, RecvTimeoutError, SendBytesError, TryRecvError, TrySendError, bounded, bounded_bytes,
};
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(10);

#[test]
fn what_is_there_comes_out_and_nothing_goes_in() {
    let (tx, rx) = bounded::<u32>(4).unwrap();
    tx.send(1).unwrap();
    tx.send(2).unwrap();
    assert!(!rx.is_closed());
    assert!(tx.close());
    assert!(!rx.close(), "once");
    assert!(rx.is_closed() && tx.clone().is_closed());
    assert_eq!(tx.send(3).unwrap_err().into_inner(), 3);
    assert_eq!(tx.try_send(4), Err(TrySendError::Disconnected(4)));
    assert_eq!(tx.send_many(&[5, 6]).unwrap_err().into_inner(), ());
    assert_eq!(rx.recv(), Ok(1));
    assert_eq!(rx.try_recv(), Ok(2));
    assert_eq!(rx.recv(), Err(RecvError));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(rx.recv_timeout(WAIT), Err(RecvTimeoutError::Disconnected));

    let (tx, rx) = bounded_bytes(4, 100).unwrap();
    tx.send(b"last").unwrap();
    assert!(rx.close());
    assert_eq!(tx.send(b"too late"), Err(SendBytesError::Disconnected));
    assert_eq!(rx.recv().unwrap(), b"last");
    assert!(rx.recv().is_err());
}

#[test]
fn a_full_queue_says_disconnected() {
    let (tx, rx) = bounded::<u32>(1).unwrap();
    tx.send(1).unwrap();
    rx.close();
    assert_eq!(tx.try_send(2), Err(TrySendError::Disconnected(2)));
    assert!(!tx.send_timeout(2, WAIT).unwrap_err().is_timeout());
}

/// A message whose `send` has returned is received, however close the end was.
#[test]
fn no_message_is_lost_at_the_end() {
    let _dog = watchdog(Duration::from_secs(100));
    for round in 0..300 {
        let (tx, rx) = bounded::<u32>(1 << 10).unwrap();
        std::thread::scope(|scope| {
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let tx = tx.clone();
                    scope.spawn(move || (0..).take_while(|i| tx.send(*i).is_ok()).count())
                })
                .collect();
            let receiver = scope.spawn(|| rx.iter().count());
            std::thread::sleep(Duration::from_micros(round));
            tx.close();
            let sent: usize = senders.into_iter().map(|sender| sender.join().unwrap()).sum();
            assert_eq!(sent, receiver.join().unwrap());
        });
    }
}
