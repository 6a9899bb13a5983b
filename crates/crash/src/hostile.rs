//! A peer that writes what it likes into the memory, while others work in it.
//!
//! Such a peer may garble messages and make others wait. It must not crash them, make them panic, or keep
//! an operation that was given a timeout from returning. So for each type some processes use it with
//! timeouts, over and over, while bit after bit of its words is flipped and flipped back; newcomers open it
//! meanwhile. A process that ends by a signal or a panic, or does not go on, is a fault.

mod subjects;

use crate::Failure;
use clap::Args;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use subjects::{CONTROL, SUBJECTS};
use testkit::{Child, Outcome, SharedPage, fork};

/// The bytes at the start of a file of which every bit is flipped: the header, and all control words.
const FRONT: u64 = 1_024;
/// The same at its end: the lock word, and life cells.
const BACK: u64 = 64;
/// How many bits in between are flipped, at random.
const BETWEEN: u64 = 2_000;
/// How long a flip lasts: until each process has begun and ended an operation, but no longer than this.
const LASTS: Duration = Duration::from_millis(10);
/// And no shorter than this, so that those who sleep or time out find it, too.
const AT_LEAST: Duration = Duration::from_micros(100);
/// A newcomer comes at every so many flips.
const NEWCOMER: usize = 499;
/// How long a process may take for one operation with a timeout of milliseconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a type is used by somebody who expects the worst.
struct Subject {
    name: &'static str,
    make: fn(&Path),
    /// What each of the processes does, over and over; every wait in it has a timeout.
    roles: &'static [Role],
}

/// Opens what is at the path, unless that fails, and returns what is to be done over and over.
type Role = fn(&Path) -> Option<Box<dyn FnMut()>>;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Only types whose name holds one of these words
    names: Vec<String>,
    /// Only every so many bits
    #[arg(long, default_value_t = 1)]
    stride: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut table = comfy_table::Table::new();
    table.load_preset(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["type", "flips", "newcomers", "operations meanwhile", "seconds"]);
    let meant = |subject: &&Subject| {
        let name = subject.name.to_lowercase();
        arguments.names.is_empty()
            || arguments.names.iter().any(|word| name.contains(&word.to_lowercase()))
    };
    for subject in SUBJECTS.iter().filter(meant) {
        eprintln!("{} ...", subject.name);
        let start = Instant::now();
        let seen = attack(subject, arguments.stride)?;
        table.add_row([
            subject.name.to_string(),
            seen.flips.to_string(),
            seen.newcomers.to_string(),
            seen.operations.to_string(),
            format!("{:.1}", start.elapsed().as_secs_f64()),
        ]);
    }
    println!("{table}");
    match attack(&CONTROL, 1) {
        Err(failure) => println!("as it should be: {failure}"),
        Ok(_) => return Err(format!("{} was not found out", CONTROL.name).into()),
    }
    Ok(())
}

#[derive(Default)]
struct Seen {
    flips: usize,
    newcomers: usize,
    operations: u64,
}

/// One process at its work.
struct Worker<'p> {
    child: Child,
    done: &'p AtomicU64,
    seen: u64,
    since: Instant,
}

impl Worker<'_> {
    /// Fails when it has ended, or has done nothing for long.
    fn look(&mut self, name: &str) -> Result<(), Failure> {
        if let Some(outcome) = self.child.try_wait() {
            return Err(format!("{name}: a process {outcome}").into());
        }
        let now = self.done.load(Relaxed);
        if now != self.seen {
            (self.seen, self.since) = (now, Instant::now());
        } else if self.since.elapsed() > PATIENCE {
            return Err(format!("{name}: a process hangs in an operation with a timeout").into());
        }
        Ok(())
    }
}

fn attack(subject: &Subject, stride: usize) -> Result<Seen, Failure> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("it");
    (subject.make)(&path);
    let file = OpenOptions::new().read(true).write(true).open(&path)?;
    let page = SharedPage::new(subject.roles.len());
    let mut workers: Vec<Worker<'_>> = Vec::new();
    for (role, done) in subject.roles.iter().zip(&page[..]) {
        let child = fork(|| {
            let mut work = role(&path).unwrap();
            loop {
                work();
                done.fetch_add(1, Relaxed);
                std::thread::yield_now();
            }
        });
        workers.push(Worker { child, done, seen: 0, since: Instant::now() });
    }
    while page.iter().any(|done| done.load(Relaxed) == 0) {
        workers.iter_mut().try_for_each(|worker| worker.look(subject.name))?;
    }
    let mut seen = Seen::default();
    for bit in bits(file.metadata()?.len() * 8).step_by(stride.max(1)) {
        flip(&file, bit)?;
        let start = Instant::now();
        let before: Vec<u64> = page.iter().map(|done| done.load(Relaxed)).collect();
        if seen.flips % NEWCOMER == 0 {
            newcomers(subject, &path)?;
            seen.newcomers += subject.roles.len();
        }
        let used =
            || page.iter().zip(&before).all(|(done, before)| done.load(Relaxed) > before + 1);
        while (!used() && start.elapsed() < LASTS) || start.elapsed() < AT_LEAST {
            std::thread::yield_now();
        }
        for worker in &mut workers {
            worker.look(subject.name).map_err(|failure| {
                format!("{failure}, bit {} of byte {} flipped", bit % 8, bit / 8)
            })?;
        }
        flip(&file, bit)?;
        seen.flips += 1;
    }
    seen.operations = page.iter().map(|done| done.load(Relaxed)).sum();
    for worker in workers {
        worker.child.kill();
        worker.child.wait();
    }
    Ok(seen)
}

/// Who comes now gets an error, or something to work with.
fn newcomers(subject: &Subject, path: &Path) -> Result<(), Failure> {
    for role in subject.roles {
        let mut child = fork(|| {
            if let Some(mut work) = role(path) {
                work();
            }
        });
        match child.wait_timeout(PATIENCE) {
            Some(Outcome::Exited(0)) => {}
            Some(outcome) => return Err(format!("{}: a newcomer {outcome}", subject.name).into()),
            None => return Err(format!("{}: a newcomer hangs", subject.name).into()),
        }
    }
    Ok(())
}

/// Every bit of the front and the back, and some of those between.
fn bits(all: u64) -> impl Iterator<Item = u64> {
    let front = (FRONT * 8).min(all);
    let back = all.saturating_sub(BACK * 8).max(front);
    let between = back - front;
    // The same ones at every run.
    let some = (0..BETWEEN.min(between)).scan(1u64, move |random, _| {
        *random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some(front + (*random >> 16) % between)
    });
    (0..front).chain(some).chain(back..all)
}

fn flip(file: &File, bit: u64) -> io::Result<()> {
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8)?;
    byte[0] ^= 1 << (bit % 8);
    file.write_all_at(&byte, bit / 8)
}
