//! Whatever a peer writes into the words of a barrier: nobody crashes, panics, or reads beyond it.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{Barrier, Parties};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use testkit::{Outcome, fork, watchdog};

const BRIEFLY: Duration = Duration::from_micros(300);

/// Where in the file the words are, but for the locks, which can be held for ever: leader and arrivals,
/// round and joins, the way to the places, the members and states of two places, and the lives of
/// three.
const WORDS: [(u64, u64); 8] = [
    (136, 16),
    (256, 8),
    (392, 4),
    (4_096, 12),
    (4_096 + 128, 4),
    (4_096 + 1_280, 12),
    (4_096 + 1_408, 4),
    (8_192 - 24, 24),
];

fn flip(file: &File, at: u64, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at + bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, at + bit / 8).unwrap();
}

fn use_it(path: &Path, flips: impl Fn()) {
    let barrier = Barrier::open(path).unwrap();
    let wait = || {
        let _ = barrier.wait_timeout(BRIEFLY);
        barrier.parties() + barrier.waiting()
    };
    std::thread::scope(|scope| {
        drop(scope.spawn(wait));
        wait();
        drop(scope.spawn(wait));
        flips();
        wait();
    });
    barrier.reset();
    barrier.abort();
    wait();
    barrier.reset();
    std::thread::scope(|scope| {
        drop(scope.spawn(wait));
        wait();
    });
}

#[test]
fn any_bit() {
    let _dog = watchdog(Duration::from_secs(100));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("barrier");
    for (i, parties) in [(0, Parties::from(2)), (1, Parties::shrinking(3))] {
        for (at, bytes) in WORDS {
            // The even bits of the one, the odd bits of the other.
            for bit in (i..bytes * 8).step_by(2) {
                drop(Barrier::create(&path, parties).unwrap());
                let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
                let user = fork(|| use_it(&path, || flip(&file, at, bit)));
                assert_eq!(user.wait(), Outcome::Exited(0), "bit {bit} of the word at {at}");
                Barrier::unlink(&path).unwrap();
            }
        }
    }
}
