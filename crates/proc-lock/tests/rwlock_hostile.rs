//! Whatever a peer writes into the words of a read-write lock: nobody crashes, panics, or reads beyond
//! it.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::RwLock;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use testkit::{Outcome, fork, watchdog};

const BRIEFLY: Duration = Duration::from_millis(1);

/// Where in the file the words are: gate and data, the way to the places, the flags of two places and
/// the lives of three, and the lock at the end.
fn words(bytes: u64) -> [(u64, u64); 7] {
    let page = 4_096;
    [
        (128, 8),
        (392, 4),
        (page, 12),
        (page + 1_280, 12),
        (2 * page - 24, 24),
        (bytes - 32, 8),
        (bytes - 24, 4),
    ]
}

fn flip(file: &File, at: u64, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at + bit / 8).unwrap();
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, at + bit / 8).unwrap();
}

/// Uses the lock every way, with errors and timeouts as they come; `flips` while it reads, or writes.
fn use_it(path: &Path, flips: impl Fn(), while_it_writes: bool) {
    let lock = RwLock::<u64>::open(path).unwrap();
    let other = || {
        drop(lock.try_read());
        drop(lock.try_write());
        drop(lock.read_timeout(BRIEFLY));
        drop(lock.write_timeout(BRIEFLY));
    };
    other();
    if while_it_writes {
        let guard = lock.write_timeout(BRIEFLY);
        flips();
        std::thread::scope(|scope| drop(scope.spawn(other)));
        drop(guard);
    } else {
        let guard = lock.read_timeout(BRIEFLY);
        flips();
        std::thread::scope(|scope| drop(scope.spawn(other)));
        drop(guard);
    }
    other();
    std::thread::scope(|scope| drop(scope.spawn(other)));
}

#[test]
fn any_bit() {
    let _dog = watchdog(Duration::from_secs(100));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    for while_it_writes in [false, true] {
        drop(RwLock::create(&path, 0u64).unwrap());
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let words = words(file.metadata().unwrap().len());
        RwLock::unlink(&path).unwrap();
        for (at, bytes) in words {
            for bit in 0..bytes * 8 {
                drop(RwLock::create(&path, 0u64).unwrap());
                let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
                let user = fork(|| use_it(&path, || flip(&file, at, bit), while_it_writes));
                assert_eq!(user.wait(), Outcome::Exited(0), "bit {bit} of the word at {at}");
                RwLock::unlink(&path).unwrap();
            }
        }
    }
}

#[test]
fn a_flag_that_a_peer_raised_for_a_thread_that_reads_another_lock_is_nothing() {
    let _dog = watchdog(Duration::from_secs(20));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let (lock, other) = (RwLock::create(&path, 0u64).unwrap(), RwLock::new(0u64).unwrap());
    // The thread's place is the first, and its flag lies at the beginning of it.
    drop(lock.read().unwrap());
    let reads = other.read().unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(&1u32.to_ne_bytes(), 4_096 + 8).unwrap();
    *lock.write().unwrap() += 1;
    drop(reads);
}
