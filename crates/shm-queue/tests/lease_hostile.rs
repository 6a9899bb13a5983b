//! Whatever a peer writes into the words of the leases: nobody crashes, panics, or reads beyond them.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{ByteLeaseReceiver, ByteSender, LeaseReceiver, Sender};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use testkit::{Outcome, fork, watchdog};

const BRIEFLY: Duration = Duration::from_millis(1);
/// Where the body of a segment begins.
const BODY: u64 = 128;
/// Where in it the leases begin: behind words, cells and arena.
const NUMBERS: u64 = 896;
const BYTES: u64 = 1_024;

/// Where their words are: the news; who wants them and who joins; hints and the limit; three records.
const WORDS: [(u64, u64); 6] = [(0, 4), (128, 16), (256, 16), (384, 24), (448, 24), (512, 24)];

fn flip(file: &File, at: u64, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, at).unwrap();
}

fn each_flip(leases: u64, make: impl Fn(&Path), used: impl Fn(&Path)) {
    let _dog = watchdog(Duration::from_secs(200));
    let dir = tempfile::tempdir().unwrap();
    for (at, bytes) in WORDS {
        for bit in 0..bytes * 8 {
            let path = dir.path().join(format!("{at}-{bit}"));
            make(&path);
            let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
            flip(&file, BODY + leases + at + bit / 8, bit % 8);
            let user = fork(|| used(&path)).wait();
            assert_eq!(user, Outcome::Exited(0), "bit {bit} of the word at {at}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// One message is in the queue, one was given back, and two have died with their holder.
fn some_numbers(path: &Path) {
    let rx = LeaseReceiver::<u64>::create(path, 4, 4).unwrap();
    let tx = Sender::<u64>::open(path).unwrap();
    tx.send_many(&[1, 2, 3, 4]).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(rx.lease_many(2).unwrap()));
    });
    drop(rx.lease().unwrap());
}

fn use_numbers(path: &Path) {
    let tx = Sender::<u64>::open(path).unwrap();
    let rx = LeaseReceiver::<u64>::open(path).unwrap();
    for i in 0..8 {
        let _ = tx.try_send(i);
        let held = rx.try_lease();
        let _ = rx.lease_timeout(BRIEFLY).map(|lease| lease.ack());
        let _ = rx.lease_many_timeout(3, BRIEFLY).map(|window| window.ack());
        drop(held);
    }
    let _ = rx.take_poisoned();
    let _ = tx.unfinished();
    let _ = tx.join_timeout(BRIEFLY);
    while rx.lease_timeout(BRIEFLY).map(|lease| lease.ack()).is_ok() {}
}

fn some_bytes(path: &Path) {
    let rx = ByteLeaseReceiver::create(path, 4, 100, 4).unwrap();
    let tx = ByteSender::open(path).unwrap();
    for i in 0..4 {
        tx.send(&[i; 20]).unwrap();
    }
    std::thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(rx.lease_many(2).unwrap()));
    });
    drop(rx.lease().unwrap());
}

fn use_bytes(path: &Path) {
    let tx = ByteSender::open(path).unwrap();
    let rx = ByteLeaseReceiver::open(path).unwrap();
    for i in 0..8 {
        let _ = tx.try_send(&[i; 40]);
        let held = rx.try_lease();
        let _ = rx.lease_timeout(BRIEFLY).map(|lease| assert!(lease.ack().len() <= 104));
        let _ = rx.lease_many_timeout(3, BRIEFLY).map(|window| window.ack());
        drop(held);
    }
    let _ = tx.join_timeout(BRIEFLY);
    while rx.lease_timeout(BRIEFLY).map(|lease| lease.ack()).is_ok() {}
}

#[test]
fn every_bit_of_the_words_of_leased_numbers() {
    each_flip(NUMBERS, some_numbers, use_numbers);
}

#[test]
fn every_bit_of_the_words_of_leased_bytes() {
    each_flip(BYTES, some_bytes, use_bytes);
}

/// The flips above hit what they are meant to hit.
#[test]
fn the_words_are_where_they_are_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let word = |path: &Path, at: u64| {
        let mut word = [0; 8];
        File::open(path).unwrap().read_exact_at(&mut word, BODY + at).unwrap();
        u64::from_ne_bytes(word)
    };
    let (numbers, bytes) = (dir.path().join("numbers"), dir.path().join("bytes"));
    some_numbers(&numbers);
    some_bytes(&bytes);
    for (path, leases) in [(numbers, NUMBERS), (bytes, BYTES)] {
        let holder = |record: u64| word(&path, leases + 384 + 64 * record);
        let name = holder(0);
        assert!((1..=124).contains(&(name & 0xff)) && name >> 8 > 0, "{name:#x}");
        let given_back = (2..4).filter(|at| holder(*at) == 0x7f).count();
        assert_eq!((holder(1), given_back), (name, 1));
        assert_eq!(word(&path, leases), 1, "the news of what was given back");
    }
}
