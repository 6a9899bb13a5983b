//! Readers and writers of several processes never meet inside, with all the reordering that the machine
//! does.
//!
//! Under single step there is none; so here they run at full speed, for as many milliseconds as
//! `STRESS_MS` says.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::RwLock;
use std::hint::black_box;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::{Duration, Instant};
use testkit::{Child, SharedPage, fork, until, watchdog};

const DOG: Duration = Duration::from_secs(100);

fn span() -> Duration {
    let millis = std::env::var("STRESS_MS").ok().and_then(|millis| millis.parse().ok());
    Duration::from_millis(millis.unwrap_or(700))
}

/// What all processes count in: how many are inside, and how often they were.
struct Census(SharedPage);

impl Census {
    fn readers(&self) -> &AtomicU64 {
        &self.0[0]
    }

    fn writers(&self) -> &AtomicU64 {
        &self.0[16]
    }

    fn reads(&self) -> &AtomicU64 {
        &self.0[32]
    }

    fn writes(&self) -> &AtomicU64 {
        &self.0[48]
    }
}

/// Reads as often as it can, without a locked instruction of the test's: what it looks at is the data
/// alone.
fn read_much(lock: &RwLock<[u64; 8]>, census: &Census, end: Instant) {
    let mut reads = 0;
    while Instant::now() < end {
        for _ in 0..200 {
            let data = lock.read().unwrap();
            let first = black_box(&data[0]);
            for word in &*data {
                // SAFETY is the lock's: a torn row is what a writer inside would show.
                assert_eq!(black_box(word), first, "a writer is inside");
            }
            reads += 1;
        }
    }
    census.reads().fetch_add(reads, Relaxed);
}

fn write_often(lock: &RwLock<[u64; 8]>, census: &Census, end: Instant, pause: u32) {
    let mut writes = 0;
    while Instant::now() < end {
        let mut data = lock.write().unwrap();
        let next = data[0] + 1;
        for word in data.iter_mut() {
            *black_box(word) = next;
        }
        drop(data);
        writes += 1;
        for _ in 0..pause {
            std::hint::spin_loop();
        }
    }
    census.writes().fetch_add(writes, Relaxed);
}

fn all_end(children: Vec<Child>) {
    for child in children {
        child.assert_ok();
    }
}

#[test]
fn no_reader_sees_half_a_write() {
    let _dog = watchdog(DOG);
    for (readers, writers, pause) in [(1, 1, 0), (1, 1, 300), (1, 1, 1_000), (2, 2, 50)] {
        let lock = RwLock::new([0u64; 8]).unwrap();
        let census = Census(SharedPage::new(64));
        let end = Instant::now() + span();
        let readers = (0..readers).map(|_| fork(|| read_much(&lock, &census, end)));
        let children = readers.collect::<Vec<_>>().into_iter();
        let children = children
            .chain((0..writers).map(|_| fork(|| write_often(&lock, &census, end, pause))))
            .collect();
        all_end(children);
        let (reads, writes) = (census.reads().load(SeqCst), census.writes().load(SeqCst));
        assert!(reads > 0 && writes > 0, "{reads} reads, {writes} writes: one side starved");
        assert_eq!(lock.read().unwrap()[7], writes, "a write was lost");
    }
}

#[test]
fn the_count_of_those_inside_is_never_mixed() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(()).unwrap();
    let census = Census(SharedPage::new(64));
    let end = Instant::now() + span();
    let children = (0..4).map(|i| {
        fork(|| {
            let mut turns = i;
            while Instant::now() < end {
                turns += 1;
                if turns % 4 == 0 {
                    let _writing = lock.write().unwrap();
                    assert_eq!(census.writers().fetch_add(1, SeqCst), 0);
                    assert_eq!(census.readers().load(SeqCst), 0);
                    census.writers().fetch_sub(1, SeqCst);
                } else {
                    let _reading = lock.read().unwrap();
                    census.readers().fetch_add(1, SeqCst);
                    assert_eq!(census.writers().load(SeqCst), 0);
                    census.readers().fetch_sub(1, SeqCst);
                }
            }
        })
    });
    all_end(children.collect());
    drop(lock.try_write().unwrap());
}

#[test]
fn a_copy_of_a_guard_in_a_forked_child_unlocks_nothing() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(0u32).unwrap();
    let mut held = Some(lock.read().unwrap());
    fork(|| {
        drop(held.take());
        assert!(lock.try_write().is_err(), "the parent still reads");
        drop(lock.try_read().unwrap());
    })
    .assert_ok();
    fork(|| assert!(lock.try_write().is_err())).assert_ok();
    drop(held);
    let mut held = Some(lock.write().unwrap());
    fork(|| {
        drop(held.take());
        assert!(lock.try_read().is_err(), "the parent still writes");
    })
    .assert_ok();
    drop(held);
    fork(|| drop(lock.try_write().unwrap())).assert_ok();
}

#[test]
fn a_reader_in_another_process_keeps_a_writer_out_until_it_goes() {
    let _dog = watchdog(DOG);
    let lock = RwLock::new(0u32).unwrap();
    let page = SharedPage::new(2);
    let reader = fork(|| {
        let reading = lock.read().unwrap();
        page[0].store(1, SeqCst);
        until(DOG, "the word to go", || page[1].load(SeqCst) == 1);
        assert_eq!(*reading, 0);
    });
    until(DOG, "the reader", || page[0].load(SeqCst) == 1);
    assert!(lock.try_write().is_err());
    page[1].store(1, SeqCst);
    *lock.write().unwrap() = 1;
    reader.assert_ok();
}
