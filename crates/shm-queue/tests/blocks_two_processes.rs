//! Processes that share blocks: each message arrives once, whole, and no block has two masters.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{BlockReceiver, BlockSender, Blocks, bounded_blocks};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{SharedPage, fork, watchdog};

const EACH: u64 = 5_000;

/// Notes a message in a bitmap, which must not have it yet.
fn note(seen: &SharedPage, number: u64) {
    let bit = 1 << (number % 64);
    let before = seen[(number / 64) as usize].fetch_or(bit, SeqCst);
    assert_eq!(before & bit, 0, "{number} came twice");
}

fn count(seen: &SharedPage) -> u64 {
    seen.iter().map(|word| u64::from(word.load(SeqCst).count_ones())).sum()
}

/// The length and the fill follow from the number, so a torn message shows.
fn send(tx: &BlockSender, number: u64) {
    let len = 8 + (number * 31 % 900) as usize;
    if number.is_multiple_of(7) {
        // Given up half-way.
        tx.reserve(len).unwrap().write_at(0, &[0xee; 8]);
    }
    let mut block = tx.reserve(900 + 8).unwrap();
    block.write_at(0, &number.to_ne_bytes());
    block.write_at(8, &vec![number as u8; len - 8]);
    block.truncate(len);
    block.commit().unwrap();
}

fn receive(rx: &BlockReceiver, seen: &SharedPage) {
    let message = rx.recv().unwrap();
    let look = || {
        let bytes = message.to_vec();
        let (number, rest) = bytes.split_first_chunk().unwrap();
        let number = u64::from_ne_bytes(*number);
        assert_eq!(bytes.len() as u64, 8 + number * 31 % 900, "garbage");
        assert!(rest.iter().all(|byte| *byte == number as u8), "torn");
        number
    };
    let number = look();
    if number.is_multiple_of(5) {
        std::thread::yield_now();
        assert_eq!(look(), number, "somebody else writes into a block that is read");
    }
    note(seen, number);
}

fn exchange(capacity: usize, blocks: Blocks) {
    let seen = SharedPage::new((2 * EACH / 64 + 1) as usize);
    let (tx, rx) = bounded_blocks(capacity, blocks).unwrap();
    let mut children = Vec::new();
    for sender in 0..2 {
        children.push(fork(|| (0..EACH).for_each(|i| send(&tx, sender * EACH + i))));
        children.push(fork(|| (0..EACH).for_each(|_| receive(&rx, &seen))));
    }
    for child in children {
        child.assert_ok();
    }
    assert_eq!(count(&seen), 2 * EACH);
    assert!(rx.is_empty());
}

#[test]
fn each_message_arrives_once_and_whole() {
    let _dog = watchdog(Duration::from_secs(100));
    exchange(4, Blocks::new(6, 1_000));
}

#[test]
fn one_block_is_enough() {
    let _dog = watchdog(Duration::from_secs(100));
    exchange(1, Blocks::new(1, 1_000));
}

#[test]
fn sizes_do_not_get_into_each_others_way() {
    let _dog = watchdog(Duration::from_secs(100));
    exchange(8, Blocks::new(2, 64).and(2, 300).and(2, 1_000));
}

/// Each block comes through a sleep: nobody may sleep on.
#[test]
fn who_waits_for_a_block_is_woken_every_time() {
    let _dog = watchdog(Duration::from_secs(100));
    let (tx, rx) = bounded_blocks(1, Blocks::new(1, 8)).unwrap();
    let child = fork(|| {
        for i in 0..200u64 {
            std::thread::sleep(Duration::from_micros(300));
            let message = rx.recv().unwrap();
            assert_eq!(message.to_vec(), i.to_ne_bytes());
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    for i in 0..200u64 {
        tx.send(&i.to_ne_bytes()).unwrap();
    }
    child.assert_ok();
}

/// The one that sleeps for all who wait for a block is stopped; the others go on.
#[test]
fn a_stopped_waiter_holds_nobody_up() {
    let _dog = watchdog(Duration::from_secs(100));
    let (tx, rx) = bounded_blocks(1, Blocks::new(1, 8)).unwrap();
    tx.send(b"x").unwrap();
    let mut waiters = [(); 2].map(|()| {
        let child = fork(|| drop(tx.reserve(1).unwrap()));
        testkit::until(Duration::from_secs(10), "its sleep", || testkit::is_asleep(child.pid()));
        child
    });
    waiters[0].signal(19);
    drop(rx.recv().unwrap());
    assert!(waiters[1].wait_timeout(Duration::from_secs(10)).is_some());
    waiters[0].signal(18);
    assert!(waiters[0].wait_timeout(Duration::from_secs(10)).is_some());
}
