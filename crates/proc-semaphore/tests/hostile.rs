//! Whatever a peer writes into the memory: nobody crashes, panics, or hangs beyond a timeout.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_semaphore::{BoundedSemaphore, PermitPool, Semaphore};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use testkit::{Outcome, fork, watchdog};

const BRIEFLY: Duration = Duration::from_millis(1);
const DOG: Duration = Duration::from_secs(200);
/// Where the body of a segment begins.
const BODY: u64 = 128;

fn flip(file: &File, at: u64, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    byte[0] ^= 1 << bit;
    file.write_all_at(&byte, at).unwrap();
}

/// Makes something by `make`, and has `used` use it in a process of its own, which must end by itself. It is
/// given what flips a bit, to be called in the middle.
fn each_flip(words: &[(u64, u64)], make: impl Fn(&Path), used: impl Fn(&Path, &dyn Fn())) {
    let _dog = watchdog(DOG);
    let dir = tempfile::tempdir().unwrap();
    for (at, bytes) in words {
        for bit in 0..bytes * 8 {
            let path = dir.path().join(format!("{at}-{bit}"));
            make(&path);
            let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
            let user = fork(|| used(&path, &|| flip(&file, BODY + at + bit / 8, bit % 8)));
            assert_eq!(user.wait(), Outcome::Exited(0), "bit {bit} of the word at {at}");
            std::fs::remove_file(&path).unwrap();
        }
    }
}

/// Value and turnstile.
const SEMAPHORE: [(u64, u64); 2] = [(0, 8), (64, 16)];

#[test]
fn a_semaphore_of_nonsense() {
    each_flip(
        &SEMAPHORE,
        |path| drop(Semaphore::create(path, 3).unwrap()),
        |path, flip| {
            let semaphore = Semaphore::open(path).unwrap();
            let _ = semaphore.try_acquire();
            flip();
            for n in [1, 2, 5, 3_000] {
                let _ = semaphore.acquire_many_timeout(n, BRIEFLY);
                let _ = semaphore.try_acquire_many(n);
                let _ = semaphore.release_many(n);
                let _ = semaphore.acquire_timeout(BRIEFLY);
                let _ = semaphore.release();
            }
        },
    );
}

#[test]
fn a_bounded_semaphore_of_nonsense() {
    each_flip(
        &SEMAPHORE,
        |path| drop(BoundedSemaphore::create(path, 3).unwrap()),
        |path, flip| {
            let semaphore = BoundedSemaphore::open(path).unwrap();
            let _ = semaphore.try_acquire();
            flip();
            for n in [1, 2, 3, 5] {
                let _ = semaphore.acquire_many_timeout(n, BRIEFLY);
                let _ = semaphore.release_many(n);
                let _ = semaphore.acquire_timeout(BRIEFLY);
                let _ = semaphore.release();
            }
        },
    );
}

/// Sleepers, hurry, turnstile; the owners of two permits; how many places were used, and the first three lives
/// at the end of their page. Not the lock of those who come: held by one who lives, it would hold them up.
const POOL: [(u64, u64); 7] =
    [(0, 4), (4, 4), (64, 16), (128, 8), (192, 8), (264, 4), (2 * 4_096 - BODY - 24, 24)];

#[test]
fn a_pool_of_nonsense() {
    each_flip(
        &POOL,
        |path| drop(PermitPool::create(path, 2).unwrap()),
        |path, flip| {
            let pool = PermitPool::open(path).unwrap();
            let one = pool.try_acquire().unwrap();
            flip();
            let two = pool.acquire_timeout(BRIEFLY);
            let many = pool.acquire_many_timeout(2, BRIEFLY);
            drop((one, two, many));
            for _ in 0..2 {
                assert!(pool.available() <= 2);
                drop(pool.acquire_timeout(BRIEFLY));
                drop(pool.try_acquire_many(2));
                drop(pool.acquire_many_timeout(2, BRIEFLY));
            }
            // A newcomer may find its place taken, and has to be told.
            let newcomer = || drop(pool.acquire_timeout(BRIEFLY));
            std::thread::scope(|scope| scope.spawn(newcomer).join()).unwrap();
        },
    );
}

#[test]
fn a_header_of_nonsense_is_refused() {
    let _dog = watchdog(DOG);
    let dir = tempfile::tempdir().unwrap();
    for bit in 0..BODY * 8 {
        let path = dir.path().join("p");
        let made = PermitPool::create(&path, 2).unwrap();
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        flip(&file, bit / 8, bit % 8);
        let user = fork(|| {
            // What is opened all the same is a pool of some size that its memory has room for.
            if let Ok(pool) = PermitPool::open(&path) {
                assert_eq!(pool.available(), pool.capacity());
                drop(pool.acquire_many_timeout(pool.capacity(), BRIEFLY));
            }
        });
        user.assert_ok();
        drop(made);
        PermitPool::unlink(&path).unwrap();
    }
}
