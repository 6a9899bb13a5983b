//! From the SIGKILL of a holder to the next owner, beside the time in which the kernel kills.

use crate::Failure;
use crate::scenes::Robust;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use proc_lock::Mutex;
use proc_semaphore::PermitPool;
use shm_queue::bounded;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::{Child, SharedPage, fork, is_asleep, until};

/// What the command takes.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How many deaths of each kind
    #[arg(long, default_value_t = 200)]
    rounds: usize,
}

const LIMIT: Duration = Duration::from_secs(60);

/// Holds something, and somebody sleeps for it: what the two do is given the words to tell of it.
type Pair = fn(&SharedPage) -> [Child; 2];

// The words of the page.
const HELD: usize = 0;
const TAKEN_AT: usize = 1;

/// Measures all, and prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let kinds: [(&str, Pair); 4] = [
        ("Mutex", mutex),
        ("PermitPool, last permit", permit),
        ("queue, last sender: Disconnected", sender),
        ("pthread robust mutex", pthread),
    ];
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["us from SIGKILL to", "median", "p90", "p99", "most"]);
    let (mut kernel, mut rows) = (Vec::new(), Vec::new());
    for (name, pair) in kinds {
        let mut took: Vec<f64> = (0..arguments.rounds).map(|_| death(pair)).collect();
        rows.push((name, quantiles(&mut took)));
        // In turns, for the machine may change its pace.
        kernel.extend((0..arguments.rounds).map(|_| kernel_alone()));
    }
    rows.insert(0, ("pidfd readable (the kernel alone)", quantiles(&mut kernel)));
    for (name, quantiles) in rows {
        let numbers = quantiles.map(|micros| format!("{micros:.0}"));
        table.add_row([vec![name.to_owned()], numbers.to_vec()].concat());
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    Ok(())
}

fn quantiles(took: &mut [f64]) -> [f64; 4] {
    took.sort_by(f64::total_cmp);
    let at = |share: f64| took[((took.len() - 1) as f64 * share).round() as usize];
    [at(0.5), at(0.9), at(0.99), at(1.0)]
}

/// Kills the holder when the other sleeps, and returns the microseconds until that one has it.
fn death(pair: Pair) -> f64 {
    let page = SharedPage::new(2);
    let [holder, next] = pair(&page);
    until(LIMIT, "the sleep of the next", || is_asleep(next.pid()));
    let killed_at = now();
    holder.kill();
    next.assert_ok();
    (page[TAKEN_AT].load(SeqCst) - killed_at) as f64 / 1e3
}

/// Kills a process that holds nothing, and returns the microseconds until its pidfd says so.
fn kernel_alone() -> f64 {
    let child = fork(|| {
        nix::unistd::pause();
    });
    until(LIMIT, "the child's sleep", || is_asleep(child.pid()));
    let start = Instant::now();
    child.kill();
    let mut fds = [PollFd::new(child.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::NONE).unwrap();
    start.elapsed().as_secs_f64() * 1e6
}

/// Nanoseconds of the clock that all processes share.
fn now() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    Duration::from(now).as_nanos() as u64
}

fn hold(held: &AtomicU64) {
    held.store(1, SeqCst);
    loop {
        nix::unistd::pause();
    }
}

/// Forks both; the second begins when the first has it.
fn pair(page: &SharedPage, holder: impl FnOnce(), next: impl FnOnce()) -> [Child; 2] {
    let holder = fork(|| {
        holder();
    });
    until(LIMIT, "the holder", || page[HELD].load(SeqCst) == 1);
    let next = fork(|| {
        next();
        page[TAKEN_AT].store(now(), SeqCst);
    });
    [holder, next]
}

fn mutex(page: &SharedPage) -> [Child; 2] {
    let mutex = Mutex::new(0u64).unwrap();
    let holder = || {
        let _held = mutex.lock();
        hold(&page[HELD]);
    };
    pair(page, holder, || drop(mutex.lock()))
}

fn pthread(page: &SharedPage) -> [Child; 2] {
    let mutex = Robust::new();
    let holder = || {
        mutex.lock();
        hold(&page[HELD]);
    };
    pair(page, holder, || mutex.lock())
}

fn permit(page: &SharedPage) -> [Child; 2] {
    let pool = PermitPool::new(1).unwrap();
    let holder = || {
        let _permit = pool.acquire().unwrap();
        hold(&page[HELD]);
    };
    pair(page, holder, || drop(pool.acquire().unwrap()))
}

fn sender(page: &SharedPage) -> [Child; 2] {
    let (sender, receiver) = bounded::<u64>(4).unwrap();
    let holder = fork(|| hold(&page[HELD]));
    until(LIMIT, "the holder", || page[HELD].load(SeqCst) == 1);
    // The holder has the only one now.
    drop(sender);
    let next = fork(|| {
        assert!(receiver.recv().is_err());
        page[TAKEN_AT].store(now(), SeqCst);
    });
    [holder, next]
}
