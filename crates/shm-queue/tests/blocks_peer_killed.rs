//! Whoever is killed, the others have blocks, and each message comes once at most, whole.
//!
//! Kills at every instruction, and the proof that a broken protocol would be caught, are inside the
//! crate (`blocks/killed.rs`); here processes are killed at random, and all is counted at the end.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use shm_queue::{BlockReceiver, BlockSender, Blocks, bounded_blocks};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};
use testkit::{Child, Outcome, SharedPage, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(10);

/// The one that has all blocks is killed while another waits for one.
#[test]
fn a_sleeper_gets_the_block_of_a_killed_holder() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded_blocks(2, Blocks::new(2, 100)).unwrap();
    let page = SharedPage::new(1);
    let holder = fork(|| {
        tx.send(b"read").unwrap();
        let _one_of_each = (rx.recv().unwrap(), tx.reserve(1).unwrap());
        page[0].store(1, SeqCst);
        loop {
            std::thread::park();
        }
    });
    until(WAIT, "the holder's blocks", || page[0].load(SeqCst) == 1);
    let mut sleepers = [(); 2].map(|()| fork(|| std::mem::forget(tx.reserve(1).unwrap())));
    sleepers.iter().for_each(|child| until(WAIT, "a sleep", || is_asleep(child.pid())));
    holder.kill();
    for sleeper in &mut sleepers {
        assert_eq!(sleeper.wait_timeout(WAIT), Some(Outcome::Exited(0)));
    }
}

/// What the storm counts, shared by all its processes.
struct Count {
    /// How many messages there may be.
    most: u64,
    next: SharedPage,
    /// A bit for each message whose `commit` returned.
    sent: SharedPage,
    /// A bit for each message that was received whole.
    received: SharedPage,
}

impl Count {
    fn of(most: u64) -> Self {
        let bits = || SharedPage::new((most / 64) as usize);
        Self { most, next: SharedPage::new(1), sent: bits(), received: bits() }
    }

    fn mark(page: &[AtomicU64], number: u64) -> bool {
        let bit = 1 << (number % 64);
        page[(number / 64) as usize].fetch_or(bit, Relaxed) & bit == 0
    }

    fn send(&self, tx: &BlockSender) {
        let number = self.next[0].fetch_add(1, Relaxed);
        if number >= self.most {
            return std::thread::sleep(Duration::from_millis(1));
        }
        let len = 8 + (number * 31 % 500) as usize;
        let mut block = tx.reserve(len).unwrap();
        block.write_at(0, &number.to_ne_bytes());
        block.write_at(8, &vec![number as u8; len - 8]);
        block.commit().unwrap();
        assert!(Self::mark(&self.sent, number));
    }

    fn receive(&self, rx: &BlockReceiver) -> bool {
        let Ok(message) = rx.recv_timeout(Duration::from_millis(200)) else { return false };
        let bytes = message.to_vec();
        let (number, rest) = bytes.split_first_chunk().unwrap();
        let number = u64::from_ne_bytes(*number);
        assert_eq!(bytes.len() as u64, 8 + number * 31 % 500, "garbage");
        assert!(rest.iter().all(|byte| *byte == number as u8), "torn");
        assert!(Self::mark(&self.received, number), "{number} came twice");
        true
    }
}

/// Seconds by `STORM_SECONDS`, 3 by default.
#[test]
fn a_storm_of_kills() {
    let seconds =
        std::env::var("STORM_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3u64);
    let _dog = watchdog(Duration::from_secs(seconds + 60));
    // Faster than this it will hardly be.
    let count = Count::of((seconds * 1_920_000).min(320_000_000));
    let (tx, rx) = bounded_blocks(3, Blocks::new(2, 100).and(3, 508)).unwrap();
    let start = |which: usize| {
        fork(|| {
            loop {
                if which.is_multiple_of(2) {
                    count.send(&tx);
                } else {
                    count.receive(&rx);
                }
            }
        })
    };
    let mut workers: [Child; 4] = core::array::from_fn(start);
    let (begin, mut kills, mut random) = (Instant::now(), [0u64; 2], 7u64);
    while begin.elapsed() < Duration::from_secs(seconds) {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        std::thread::sleep(Duration::from_micros((random >> 33) % 1_600));
        let which = (random >> 62) as usize;
        workers[which].kill();
        let dead = std::mem::replace(&mut workers[which], start(which));
        assert_eq!(dead.wait(), Outcome::Signaled(9), "it failed by itself");
        kills[which % 2] += 1;
    }
    drop(workers);
    // What is left, and then every block once.
    fork(|| {
        while count.receive(&rx) {}
        let small = [(); 2].map(|()| tx.try_reserve(100).unwrap());
        let large = [(); 3].map(|()| tx.try_reserve(508).unwrap());
        assert!(tx.try_reserve(1).is_err() && tx.try_reserve(508).is_err());
        drop((small, large));
    })
    .assert_ok();
    let (mut sent, mut received, mut lost) = (0, 0, 0);
    for (s, r) in count.sent.iter().zip(count.received.iter()) {
        let (s, r) = (s.load(SeqCst), r.load(SeqCst));
        sent += u64::from(s.count_ones());
        received += u64::from(r.count_ones());
        lost += u64::from((s & !r).count_ones());
    }
    println!("kills {kills:?}, sent {sent}, received {received}, lost with their reader {lost}");
    assert!(lost <= kills[1], "{lost} messages are lost, and {} readers were killed", kills[1]);
    assert!(received > 0);
}
