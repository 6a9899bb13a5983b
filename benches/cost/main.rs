//! What IPC costs: every primitive between processes, beside the same work between threads and its peers.
//!
//! `cargo bench --bench cost -- [--quick] [--json FILE] [WORD...]`: only rows whose title holds a WORD.
//! `-- --test` does everything once, and looks whether the totals are right. `cargo xtask bench` makes
//! the report of it.

#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

mod bare;
mod barrier;
mod condvar;
mod critical;
mod ends;
mod event;
mod kernel;
mod libc_sync;
mod lock;
mod payload;
mod pipe;
mod pool;
mod python;
mod queue;
mod rwlock;
mod semaphore;
mod start;
mod threads_pool;
mod turns;

use multiproc_benches::{Options, Suite};
use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(start::NOTHING) {
        return ExitCode::SUCCESS;
    }
    // Its processes are this program again: caught here, before any row begins.
    procspawn::init();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut suite = Suite::begin(options).map_err(|error| error.to_string())?;
    let all: [fn(&mut Suite); 10] = [
        // First: forks are of a process that has done nothing else yet.
        start::rows,
        queue::rows,
        pipe::rows,
        lock::rows,
        rwlock::rows,
        semaphore::rows,
        condvar::rows,
        event::rows,
        barrier::rows,
        pool::rows,
    ];
    all.into_iter().for_each(|rows| rows(&mut suite));
    queue::crates::tidy_up();
    suite.end()
}

#[expect(clippy::print_stderr, reason = "a program says why it fails")]
fn complain(why: &str) {
    eprintln!("cost: {why}");
}
