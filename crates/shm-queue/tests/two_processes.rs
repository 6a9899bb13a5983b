//! Four processes on one queue: each message arrives at one of them, once.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{bounded, bounded_bytes};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{SharedPage, fork, watchdog};

const EACH: u64 = 30_000;

/// Notes a message in a bitmap, which must not have it yet.
fn note(seen: &SharedPage, message: u64) {
    let bit = 1 << (message % 64);
    let before = seen[(message / 64) as usize].fetch_or(bit, SeqCst);
    assert_eq!(before & bit, 0, "{message} came twice");
}

fn count(seen: &SharedPage) -> u64 {
    seen.iter().map(|word| u64::from(word.load(SeqCst).count_ones())).sum()
}

#[test]
fn each_message_arrives_once_and_in_its_senders_order() {
    let _dog = watchdog(Duration::from_secs(100));
    for capacity in [1, 16, 1000] {
        let each = if capacity == 1 { EACH / 10 } else { EACH };
        let seen = SharedPage::new((2 * each / 64 + 1) as usize);
        let (tx, rx) = bounded::<u64>(capacity).unwrap();
        let mut children = Vec::new();
        for sender in 0..2 {
            let tx = tx.clone();
            children.push(fork(|| {
                for i in 0..each {
                    tx.send(sender * each + i).unwrap();
                }
            }));
        }
        for _ in 0..2 {
            children.push(fork(|| {
                let mut last = [None; 2];
                for _ in 0..each {
                    let message = rx.recv().unwrap();
                    note(&seen, message);
                    let last = &mut last[(message / each) as usize];
                    assert!(last.is_none_or(|last| last < message), "out of order");
                    *last = Some(message);
                }
            }));
        }
        for child in children {
            child.assert_ok();
        }
        assert_eq!(count(&seen), 2 * each);
        assert!(rx.is_empty());
    }
}

#[test]
fn byte_messages_arrive_whole() {
    let _dog = watchdog(Duration::from_secs(100));
    let seen = SharedPage::new((2 * EACH / 64 + 1) as usize);
    // Small, so that senders meet every kind of wrap.
    let (tx, rx) = bounded_bytes(20, 300).unwrap();
    let mut children = Vec::new();
    for sender in 0..2 {
        let tx = tx.clone();
        children.push(fork(|| {
            for i in 0..EACH {
                let number = sender * EACH + i;
                let mut message = number.to_ne_bytes().to_vec();
                message.resize(8 + (number * 31 % 97) as usize, number as u8);
                tx.send(&message).unwrap();
            }
        }));
    }
    for _ in 0..2 {
        children.push(fork(|| {
            let mut message = Vec::new();
            for _ in 0..EACH {
                rx.recv_into(&mut message).unwrap();
                let (number, rest) = message.split_first_chunk().unwrap();
                let number = u64::from_ne_bytes(*number);
                assert_eq!(rest.len() as u64, number * 31 % 97);
                assert!(rest.iter().all(|byte| *byte == number as u8));
                note(&seen, number);
            }
        }));
    }
    for child in children {
        child.assert_ok();
    }
    assert_eq!(count(&seen), 2 * EACH);
}

#[test]
fn a_word_goes_to_and_fro() {
    let _dog = watchdog(Duration::from_secs(60));
    let (there, at_there) = bounded::<u64>(1).unwrap();
    let (back, at_back) = bounded::<u64>(1).unwrap();
    let child = fork(|| {
        for _ in 0..5_000 {
            back.send(at_there.recv().unwrap() + 1).unwrap();
        }
    });
    for i in 0..5_000 {
        there.send(i).unwrap();
        assert_eq!(at_back.recv(), Ok(i + 1));
    }
    child.assert_ok();
}

/// Each hand-over is through a sleep: nobody may sleep on.
#[test]
fn sleepers_are_woken_every_time() {
    let _dog = watchdog(Duration::from_secs(100));
    let (tx, rx) = bounded::<u64>(2).unwrap();
    let child = fork(|| {
        for i in 0..200 {
            if i % 2 == 0 {
                std::thread::sleep(Duration::from_micros(300));
            }
            assert_eq!(rx.recv(), Ok(i));
        }
    });
    for i in 0..200 {
        if i % 50 > 25 {
            std::thread::sleep(Duration::from_micros(500));
        }
        tx.send(i).unwrap();
    }
    child.assert_ok();
}
