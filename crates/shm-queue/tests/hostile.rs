//! Whatever a peer writes into the memory: nobody crashes, panics, or reads beyond it.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{ByteReceiver, ByteSender, Receiver, Sender};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use testkit::{Outcome, fork, watchdog};

const BRIEFLY: Duration = Duration::from_millis(1);
/// Where the body of a segment begins.
const BODY: u64 = 128;
/// Control words and, behind them, cells.
const CONTROL: u64 = 768;

/// Where the words are: both ends' indices, locks, hints, marks and turnstiles; who came and went, and
/// whether it is closed; what is done.
const WORDS: [(u64, u64); 12] = [
    (0, 4),
    (128, 8),
    (136, 4),
    (140, 4),
    (144, 8),
    (256, 4),
    (384, 8),
    (392, 4),
    (396, 4),
    (400, 8),
    (512, 20),
    (640, 4),
];

fn flip(file: &File, at: u64, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, at).unwrap();
}

/// Makes a queue by `make`, flips a bit, and has `used` use it in a process of its own, which may see
/// errors and timeouts, and must end by itself.
fn each_flip(words: &[(u64, u64)], make: impl Fn(&Path), used: impl Fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    for (at, bytes) in words {
        for bit in 0..bytes * 8 {
            let path = dir.path().join(format!("{at}-{bit}"));
            make(&path);
            let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
            flip(&file, BODY + at + bit / 8, bit % 8);
            let user = fork(|| used(&path)).wait();
            assert_eq!(user, Outcome::Exited(0), "bit {bit} of the word at {at}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}

fn use_fixed(path: &Path) {
    let (tx, rx) = (Sender::<u64>::open(path).unwrap(), Receiver::<u64>::open(path).unwrap());
    for i in 0..8 {
        let _ = tx.try_send(i);
        let _ = tx.send_timeout(i, BRIEFLY);
        assert!(rx.len() <= 4);
        let _ = rx.try_recv();
        let _ = rx.recv_timeout(BRIEFLY);
    }
    while rx.recv_timeout(BRIEFLY).is_ok() {}
}

fn use_bytes(path: &Path) {
    let (tx, rx) = (ByteSender::open(path).unwrap(), ByteReceiver::open(path).unwrap());
    for i in 0..8 {
        let _ = tx.try_send(&[i; 20]);
        let _ = tx.send_timeout(&[i; 40], BRIEFLY);
        let _ = rx.try_recv().map(|message| assert!(message.len() <= 104));
        let _ = rx.recv_timeout(BRIEFLY).map(|message| assert!(message.len() <= 104));
    }
    while rx.recv_timeout(BRIEFLY).is_ok() {}
}

fn half_full(path: &Path) {
    let tx = Sender::<u64>::create(path, 4).unwrap();
    let rx = Receiver::<u64>::open(path).unwrap();
    for i in 0..5 {
        tx.send(i).unwrap();
        if i < 3 {
            rx.recv().unwrap();
        }
    }
}

/// Three messages, the last of which went back to the arena's start.
fn wrapped(path: &Path) {
    let tx = ByteSender::create(path, 4, 100).unwrap();
    let rx = ByteReceiver::open(path).unwrap();
    tx.send(&[1; 48]).unwrap();
    tx.send(&[2; 24]).unwrap();
    tx.send(&[3; 24]).unwrap();
    rx.recv().unwrap();
    tx.send(&[4; 40]).unwrap();
}

#[test]
fn every_bit_of_the_words_of_a_queue_of_numbers() {
    let _dog = watchdog(Duration::from_secs(200));
    each_flip(&WORDS, half_full, use_fixed);
}

#[test]
fn every_bit_of_the_words_of_a_queue_of_bytes() {
    let _dog = watchdog(Duration::from_secs(200));
    each_flip(&WORDS, wrapped, use_bytes);
}

#[test]
fn every_bit_of_the_descriptors() {
    let _dog = watchdog(Duration::from_secs(200));
    let cells: Vec<_> = (0..4).map(|cell| (CONTROL + 8 * cell, 8)).collect();
    each_flip(&cells, wrapped, use_bytes);
}

/// A peer that keeps writing over everything while others work.
#[test]
fn a_storm_of_garbage() {
    let _dog = watchdog(Duration::from_secs(100));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    wrapped(&path);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let vandal = fork(|| {
        let mut random = 5u64;
        loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Not the locks: taking one away from its owner is a stall, which is known.
            let (at, bytes) = match random >> 61 {
                0 => (0, 4),
                1 => (256, 4),
                2 => (136, 4),
                3 => (392, 4),
                cell => (CONTROL + 8 * (cell - 4), 8),
            };
            let garbage = (random >> 13).to_ne_bytes();
            file.write_all_at(&garbage[..bytes], BODY + at).unwrap();
        }
    });
    let users: Vec<_> = (0..2)
        .map(|_| {
            fork(|| {
                let tx = ByteSender::open(&path).unwrap();
                let rx = ByteReceiver::open(&path).unwrap();
                for i in 0..3_000u32 {
                    let _ = tx.try_send(&[i as u8; 24]);
                    let _ = rx.try_recv().map(|message| assert!(message.len() <= 104));
                    if i % 64 == 0 {
                        let _ = tx.send_timeout(&[i as u8; 96], BRIEFLY);
                        let _ = rx.recv_timeout(BRIEFLY);
                    }
                }
            })
        })
        .collect();
    for user in users {
        user.assert_ok();
    }
    drop(vandal);
}
