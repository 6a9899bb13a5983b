//! Waits with a timeout last as long as they should, and the `try` forms do not wait.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{
    RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError, duplex, simplex,
};
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(60);

#[test]
fn receiving_times_out_after_the_timeout() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (_a, b) = duplex::<[u8]>().unwrap();
    let start = Instant::now();
    assert!(matches!(b.recv_timeout(WAIT), Err(RecvTimeoutError::TimedOut)));
    assert!(start.elapsed() >= WAIT);
    assert!(matches!(b.recv_timeout(Duration::ZERO), Err(RecvTimeoutError::TimedOut)));
    assert!(matches!(b.try_recv(), Err(TryRecvError::Empty)));
}

#[test]
fn sending_times_out_while_the_pipe_is_full_and_nothing_is_sent() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let mut count = 0;
    while tx.try_send(&[7; 500]).is_ok() {
        count += 1;
    }
    assert!(count > 50, "only {count} messages of 500 bytes fit");
    for size in [10, 1 << 20] {
        let message = vec![8; size];
        assert!(matches!(tx.try_send(&message), Err(TrySendError::Full)));
        let start = Instant::now();
        assert!(matches!(tx.send_timeout(&message, WAIT), Err(SendTimeoutError::TimedOut)));
        assert!(start.elapsed() >= WAIT);
    }
    for _ in 0..count {
        assert_eq!(rx.try_recv().unwrap(), [7; 500]);
    }
    assert!(matches!(rx.try_recv(), Err(TryRecvError::Empty)));
    tx.try_send(b"room again").unwrap();
    assert_eq!(rx.recv_timeout(WAIT).unwrap(), b"room again");
}

#[test]
fn what_comes_in_time_is_received() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let sender = std::thread::spawn(move || {
        std::thread::sleep(WAIT);
        tx.send_timeout(b"late but in time", Duration::from_secs(60)).unwrap();
    });
    assert_eq!(rx.recv_timeout(Duration::from_secs(60)).unwrap(), b"late but in time");
    sender.join().unwrap();
}

#[test]
fn a_sender_waits_until_there_is_room() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let mut sent = 0_usize;
    while tx.try_send(&[1; 2000]).is_ok() {
        sent += 1;
    }
    let receiver = std::thread::spawn(move || {
        std::thread::sleep(WAIT);
        rx.iter().map(|message| message.unwrap().len()).collect::<Vec<_>>()
    });
    let start = Instant::now();
    tx.send_timeout(&[1; 2000], Duration::from_secs(60)).unwrap();
    tx.send(&vec![1; 3 << 20]).unwrap();
    tx.send(&vec![1; 3 << 20]).unwrap();
    assert!(start.elapsed() >= WAIT / 2);
    drop(tx);
    let lens = receiver.join().unwrap();
    assert_eq!(lens.len(), sent + 3);
    assert_eq!(lens[sent..], [2000, 3 << 20, 3 << 20]);
}

#[test]
fn an_endless_timeout_is_none() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    tx.send_timeout(b"x", Duration::MAX).unwrap();
    assert_eq!(rx.recv_timeout(Duration::MAX).unwrap(), b"x");
}
