//! Sending at any price.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{SendBytesError, TryRecvError, bounded, bounded_bytes};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use testkit::watchdog;

#[test]
fn the_oldest_makes_room() {
    let (tx, rx) = bounded::<u32>(2).unwrap();
    let mut dropped = Vec::new();
    for i in 0..5 {
        tx.force_send(i, |old| dropped.push(old)).unwrap();
    }
    assert_eq!(dropped, [0, 1, 2]);
    assert_eq!(tx.unfinished(), 2, "what was dropped is done");
    assert_eq!(rx.try_iter().collect::<Vec<_>>(), [3, 4]);
    drop(rx);
    assert_eq!(tx.force_send(9, |_| unreachable!()).unwrap_err().into_inner(), 9);
}

#[test]
fn a_long_message_takes_the_place_of_several() {
    let (tx, rx) = bounded_bytes(8, 64).unwrap();
    for i in 0..4 {
        tx.send(&[i; 16]).unwrap();
    }
    let mut dropped = Vec::new();
    tx.force_send(&[9; 32], |old| dropped.push(old)).unwrap();
    assert_eq!(dropped, [[0; 16], [1; 16]]);
    assert_eq!(rx.len(), 3);
    tx.force_send(&[10; 64], |old| dropped.push(old)).unwrap();
    assert_eq!(dropped.len(), 5);
    assert_eq!(rx.recv().unwrap(), [10; 64]);
    let error = tx.force_send(&[0; 65], |_| unreachable!()).unwrap_err();
    assert_eq!(error, SendBytesError::TooLarge { len: 65, most: 64 });
}

#[cfg(feature = "serde")]
#[test]
fn values() {
    let (tx, rx) = shm_queue::bounded_values::<String>(1, 100).unwrap();
    tx.send("old".to_owned()).unwrap();
    let mut dropped = Vec::new();
    tx.force_send("new".to_owned(), |old| dropped.push(old.unwrap())).unwrap();
    assert_eq!((dropped, rx.recv().unwrap()), (vec!["old".to_owned()], "new".to_owned()));
}

/// Every message is received or dropped, once, whoever else sends and receives.
#[test]
fn among_others_none_is_lost_or_doubled() {
    let _dog = watchdog(Duration::from_secs(100));
    let (tx, rx) = bounded::<u64>(3).unwrap();
    let (sum, count) = (&AtomicU64::new(0), &AtomicU64::new(0));
    let note = move |message: u64| {
        sum.fetch_add(message, Relaxed);
        count.fetch_add(1, Relaxed);
    };
    const EACH: u64 = 50_000;
    std::thread::scope(|scope| {
        for sender in 0..3 {
            let tx = tx.clone();
            scope.spawn(move || {
                for i in 0..EACH {
                    match sender {
                        0 => tx.send(i).unwrap(),
                        _ => tx.force_send(i, note).unwrap(),
                    }
                }
            });
        }
        drop(tx);
        scope.spawn(move || rx.into_iter().for_each(note));
    });
    assert_eq!(count.load(Relaxed), 3 * EACH);
    assert_eq!(sum.load(Relaxed), 3 * (EACH * (EACH - 1) / 2));
}

#[test]
fn who_polls_hears_of_the_end_though_the_last_sender_went_half_way() {
    let _dog = watchdog(Duration::from_secs(60));
    // It took the oldest out, and did not put its own in.
    let (tx, rx) = bounded::<u32>(1).unwrap();
    tx.send(1).unwrap();
    let sent = catch_unwind(AssertUnwindSafe(|| tx.force_send(2, |_| panic!("on purpose"))));
    assert!(sent.is_err());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(tx);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));

    let (tx, rx) = bounded_bytes(1, 8).unwrap();
    tx.send(b"one").unwrap();
    let sent = catch_unwind(AssertUnwindSafe(|| tx.force_send(b"two", |_| panic!("on purpose"))));
    assert!(sent.is_err());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(tx);
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
}
