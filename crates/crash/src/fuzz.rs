//! Records as no sender writes them: random bytes over a good queue, then everything is read.
//!
//! What [`crate::hostile`] does bit by bit under running processes, this does wholesale to records, lengths
//! and encoded values. Any answer is right that is an answer: no signal, no panic, no end of time. A run
//! is given by its seed, so what was found can be had again (`--seed N --runs 1`). Each target is a
//! function of bytes, as fuzzers want them.

use crate::Failure;
use clap::Args;
use serde::{Deserialize, Serialize};
use shm_queue::{
    BlockReceiver, BlockSender, Blocks, ByteLeaseReceiver, ByteReceiver, ByteSender, LeaseReceiver,
    Receiver, Sender, ValueReceiver, ValueSender,
};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use testkit::{Outcome, SharedPage, fork};

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many inputs each target gets
    #[arg(long, default_value_t = 20_000)]
    runs: u64,
    /// The first input's number
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// How many inputs one process reads.
const BATCH: u64 = 2_000;
const PATIENCE: Duration = Duration::from_secs(60);
/// Where the body of a segment begins: handles read the header once, when they are opened.
const BODY: usize = 128;

/// A queue with something in it, and how all of it is taken out and something put in again.
struct Target {
    name: &'static str,
    make: fn(&Path) -> Box<dyn FnMut()>,
}

const TARGETS: &[Target] = &[
    Target { name: "queue of items", make: items },
    Target { name: "queue of bytes", make: bytes },
    Target { name: "queue of values", make: values },
    Target { name: "blocks", make: blocks },
    Target { name: "leases of items", make: leases },
    Target { name: "leases of bytes", make: byte_leases },
];

/// How many messages there are room for.
const MESSAGES: usize = 4;
/// Words that contradict each other may make some messages come twice, but there is an end.
const MOST: usize = 1_000;

fn items(path: &Path) -> Box<dyn FnMut()> {
    let tx = Sender::<[u32; 5]>::create(path, MESSAGES).unwrap();
    let rx = Receiver::<[u32; 5]>::open(path).unwrap();
    (0..3).for_each(|i| tx.send([i; 5]).unwrap());
    Box::new(move || {
        let _ = tx.try_send([9; 5]);
        assert!(rx.len() <= MESSAGES);
        assert!((0..MOST).take_while(|_| rx.try_recv().is_ok()).count() < MOST, "no end of it");
    })
}

fn bytes(path: &Path) -> Box<dyn FnMut()> {
    const ARENA: usize = 256;
    let tx = ByteSender::create(path, MESSAGES, ARENA).unwrap();
    let rx = ByteReceiver::open(path).unwrap();
    [1, 60, 130].iter().for_each(|len| tx.send(&vec![7; *len]).unwrap());
    Box::new(move || {
        let _ = tx.try_send(&[9; 40]);
        let all = (0..MOST).map_while(|_| rx.try_recv().ok());
        let count = all.inspect(|message| assert!(message.len() <= ARENA)).count();
        assert!(count < MOST, "no end of it");
    })
}

/// A value with everything that has a length or a tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Order {
    Empty,
    Named(String, Option<u64>),
    Table(HashMap<String, Vec<(char, f64)>>),
    Mixed { list: Vec<Box<str>>, flag: bool, big: i128 },
}

fn values(path: &Path) -> Box<dyn FnMut()> {
    let tx = ValueSender::<Order>::create(path, MESSAGES, 512).unwrap();
    let rx = ValueReceiver::<Order>::open(path).unwrap();
    let table = HashMap::from([("key".to_string(), vec![('x', 0.5), ('\u{1F600}', 1e9)])]);
    let orders = [
        Order::Named("a name".into(), Some(3)),
        Order::Table(table),
        Order::Mixed { list: vec!["".into(), "long enough".into()], flag: true, big: -1 },
    ];
    orders.into_iter().for_each(|order| tx.send(order).unwrap());
    Box::new(move || {
        let _ = tx.try_send(Order::Empty);
        for _ in 0..MESSAGES + 1 {
            let _ = rx.try_recv();
        }
    })
}

/// The free blocks are a list of the slab's own, and a message is a block's number, its length and its place.
fn blocks(path: &Path) -> Box<dyn FnMut()> {
    const LEN: usize = 64;
    let tx = BlockSender::create(path, MESSAGES, Blocks::new(3, LEN).and(2, 4 * LEN)).unwrap();
    let rx = BlockReceiver::open(path).unwrap();
    [1, LEN, 3 * LEN].iter().for_each(|len| tx.send(&vec![7; *len]).unwrap());
    Box::new(move || {
        let most = tx.max_len();
        assert!(rx.len() <= MESSAGES);
        if let Ok(mut block) = tx.try_reserve(LEN) {
            block.write_at(0, &[9; LEN]);
            let _ = block.try_commit();
        }
        drop(tx.try_reserve(2 * LEN));
        let all = (0..MOST).map_while(|_| rx.try_recv().ok());
        let count = all.inspect(|block| assert!(block.to_vec().len() <= most)).count();
        assert!(count < MOST, "no end of it");
    })
}

/// Some lie in the queue, and one was given back.
fn leases(path: &Path) -> Box<dyn FnMut()> {
    let tx = Sender::<[u32; 5]>::create_leased(path, MESSAGES, MESSAGES).unwrap();
    let rx = LeaseReceiver::<[u32; 5]>::open(path).unwrap();
    (0..3).for_each(|i| tx.send([i; 5]).unwrap());
    drop(rx.try_lease());
    Box::new(move || {
        let _ = tx.try_send([9; 5]);
        assert!(rx.len() <= MESSAGES);
        drop(rx.try_lease());
        drop(rx.try_lease_many(2));
        drop(rx.take_poisoned());
        let acknowledged = |_: &usize| rx.try_lease().map(|lease| lease.ack()).is_ok();
        assert!((0..MOST).take_while(acknowledged).count() < MOST, "no end of it");
        let _ = tx.join_timeout(Duration::ZERO);
    })
}

fn byte_leases(path: &Path) -> Box<dyn FnMut()> {
    const ARENA: usize = 256;
    let tx = ByteSender::create_leased(path, MESSAGES, ARENA, MESSAGES).unwrap();
    let rx = ByteLeaseReceiver::open(path).unwrap();
    [1, 60, 130].iter().for_each(|len| tx.send(&vec![7; *len]).unwrap());
    drop(rx.try_lease());
    Box::new(move || {
        let _ = tx.try_send(&[9; 40]);
        drop(rx.try_lease_many(2));
        drop(rx.take_poisoned());
        let acknowledged = |_: usize| rx.try_lease().map(|lease| lease.ack()).ok();
        let all = (0..MOST).map_while(acknowledged);
        let count = all.inspect(|message| assert!(message.len() <= ARENA)).count();
        assert!(count < MOST, "no end of it");
    })
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["target", "inputs", "seconds"]);
    for target in TARGETS {
        eprintln!("{} ...", target.name);
        let start = Instant::now();
        let mut next = arguments.seed;
        while next < arguments.seed + arguments.runs {
            let end = (next + BATCH).min(arguments.seed + arguments.runs);
            batch(target, next, end)?;
            next = end;
        }
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        table.add_row([target.name.to_string(), arguments.runs.to_string(), seconds]);
    }
    println!("{table}");
    Ok(())
}

/// Reads the inputs from `first` to before `end` in a process of its own.
fn batch(target: &Target, first: u64, end: u64) -> Result<(), Failure> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("it");
    let at = SharedPage::new(1);
    let mut child = fork(|| {
        let mut work = (target.make)(&path);
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let good = std::fs::read(&path).unwrap();
        for seed in first..end {
            at[0].store(seed, Relaxed);
            spoil(&file, &good, seed);
            work();
        }
    });
    let why = match child.wait_timeout(PATIENCE) {
        Some(Outcome::Exited(0)) => return Ok(()),
        Some(outcome) => outcome.to_string(),
        None => "hangs".to_string(),
    };
    Err(format!("{}: the process {why}, --seed {} --runs 1", target.name, at[0].load(Relaxed))
        .into())
}

/// Writes the good memory back, but for some words and bytes.
fn spoil(file: &File, good: &[u8], seed: u64) {
    let mut spoilt = good[BODY..].to_vec();
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % below
    };
    let interesting = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX];
    // Where something is: nobody reads the rest.
    let used = spoilt.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 8);
    let used = used.min(spoilt.len() - 4);
    for _ in 0..=random(8) {
        let at = random(used);
        match random(3) {
            0 => spoilt[at] ^= 1 << random(8),
            1 => spoilt[at] = random(256) as u8,
            _ => {
                let word = interesting[random(interesting.len())].to_le_bytes();
                let at = at & !3;
                spoilt[at..at + 4].copy_from_slice(&word);
            }
        }
    }
    file.write_all_at(&spoilt, BODY as u64).unwrap();
}
