//! Whatever a peer writes into the memory of blocks: nobody crashes, panics, or reads beyond it.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{BlockReceiver, BlockSender, Blocks};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;
use testkit::{Outcome, fork, watchdog};

const BRIEFLY: Duration = Duration::from_millis(1);
const MOST: usize = 300;
/// Messages that fit.
const CAPACITY: u64 = 4;
/// Blocks of both sizes.
const BLOCKS: u64 = 5;

/// Finds the slab: its table is the only place with these two numbers.
fn slab(file: &File) -> u64 {
    let mut all = vec![0; 1 << 16];
    let len = file.read_at(&mut all, 0).unwrap();
    let table = [3u64, 100, 2, MOST as u64].map(u64::to_ne_bytes).concat();
    let at = all[..len].windows(table.len()).position(|bytes| bytes == table);
    at.expect("no table") as u64
}

/// Two messages in the ring, one that is read, and a block that is written.
fn make(path: &Path) {
    let tx =
        BlockSender::create(path, CAPACITY as usize, Blocks::new(3, 100).and(2, MOST)).unwrap();
    let rx = BlockReceiver::open(path).unwrap();
    let forgetful = fork(|| {
        tx.send(&[1; 90]).unwrap();
        tx.send(&[2; 290]).unwrap();
        tx.send(&[3; 10]).unwrap();
        std::mem::forget(rx.recv().unwrap());
        std::mem::forget(tx.reserve(20).unwrap());
    });
    forgetful.assert_ok();
}

fn open(path: &Path) -> Option<(BlockSender, BlockReceiver)> {
    Some((BlockSender::open(path).ok()?, BlockReceiver::open(path).ok()?))
}

fn work((tx, rx): (BlockSender, BlockReceiver)) {
    for i in 0..6 {
        let _ = tx.try_send(&[i; 20]);
        let _ = tx.reserve_timeout(200, BRIEFLY).map(|mut block| {
            block.write_at(0, &[i; 200]);
            let _ = block.commit_timeout(BRIEFLY);
        });
        assert!(rx.len() <= CAPACITY as usize);
        let _ = rx.try_recv().map(|message| assert!(message.to_vec().len() <= 1 << 16));
        let _ = rx.recv_timeout(BRIEFLY).map(|message| message.to_vec());
    }
    while rx.recv_timeout(BRIEFLY).is_ok() {}
}

/// Flips each bit of `bytes` bytes, before or after the queue was opened, and uses it.
fn each_flip(at: impl Fn(u64) -> u64, bytes: u64, opened_before: bool) {
    let dir = tempfile::tempdir().unwrap();
    for bit in 0..bytes * 8 {
        let path = dir.path().join(bit.to_string());
        make(&path);
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let at = at(slab(&file)) + bit / 8;
        let flip = || {
            let mut byte = [0];
            file.read_exact_at(&mut byte, at).unwrap();
            byte[0] ^= 1 << (bit % 8);
            file.write_all_at(&byte, at).unwrap();
        };
        let mut child = fork(|| {
            let before = opened_before.then(|| open(&path).unwrap());
            flip();
            if let Some(ends) = before.or_else(|| open(&path)) {
                work(ends);
            }
        });
        let end = child.wait_timeout(Duration::from_secs(20));
        assert_eq!(end, Some(Outcome::Exited(0)), "bit {bit} at {at}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn every_bit_of_the_table() {
    let _dog = watchdog(Duration::from_secs(200));
    each_flip(|slab| slab, 48, false);
}

#[test]
fn every_bit_of_the_words_of_a_size() {
    let _dog = watchdog(Duration::from_secs(200));
    each_flip(|slab| slab + 128, 16, true);
    each_flip(|slab| slab + 256, 8, true);
}

#[test]
fn every_bit_of_the_words_of_blocks() {
    let _dog = watchdog(Duration::from_secs(200));
    for block in 0..BLOCKS {
        each_flip(|slab| slab + 128 + 2 * 256 + block * 64, 8, true);
    }
}

#[test]
fn every_bit_of_the_descriptors() {
    let _dog = watchdog(Duration::from_secs(200));
    // The ring's cells end where the slab begins, or a little before.
    each_flip(|slab| slab - 128, 8 * CAPACITY, true);
}

/// A peer that keeps writing over everything while others work.
#[test]
fn a_storm_of_garbage() {
    let _dog = watchdog(Duration::from_secs(100));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("b");
    make(&path);
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    let slab = slab(&file);
    let vandal = fork(|| {
        let mut random = 5u64;
        loop {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Not the locks: taking one away from its owner is a stall, which is known.
            let at = match random >> 60 {
                cell @ 0..4 => slab - 128 + 8 * cell,
                block @ 4..9 => slab + 128 + 2 * 256 + (block - 4) * 64,
                _ => slab + 128 + (random >> 59) % 2 * 256,
            };
            file.write_all_at(&(random >> 7).to_ne_bytes(), at).unwrap();
        }
    });
    let users: Vec<_> = (0..2)
        .map(|_| {
            fork(|| {
                let (tx, rx) = open(&path).unwrap();
                for i in 0..3_000u32 {
                    let _ = tx.try_send(&[i as u8; 24]);
                    let _ = rx.try_recv().map(|message| assert!(message.to_vec().len() <= MOST));
                    if i % 64 == 0 {
                        let _ = tx.send_timeout(&[i as u8; 96], BRIEFLY);
                        let _ = rx.recv_timeout(BRIEFLY).map(|message| message.to_vec());
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
