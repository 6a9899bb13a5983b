//! The figures that are quoted: both sides in one run, turn by turn, medians and the ratio of each turn.
//!
//! `cargo bench -p multiproc-benches --bench figures [-- WORD]`. Compare the ratios, not the times: on a
//! shared or virtual machine the cores drift apart and together again within seconds.

#![allow(clippy::print_stdout, reason = "a program that prints a table")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

mod contended;
mod lock;
mod pool;
mod queue;
mod semaphore;
mod start;
mod table;

fn main() {
    table::head();
    queue::rows();
    lock::rows();
    contended::rows();
    semaphore::rows();
    start::rows();
    pool::rows();
}
