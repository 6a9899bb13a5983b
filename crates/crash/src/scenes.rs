//! The rows, as data: an operation, a scenario, and who runs it.

mod barrier;
mod blocks;
mod by_path;
mod condvar;
mod control;
mod lease;
mod lock;
mod over;
mod pipe;
mod queue;
mod semaphore;

use crate::row::Row;
pub(crate) use control::Robust;

/// How an operation waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Block,
    Try,
    Timeout,
}

/// All rows, in the order of the table.
pub(crate) fn rows() -> impl Iterator<Item = &'static Row> {
    [
        lock::ROWS,
        condvar::ROWS,
        barrier::ROWS,
        semaphore::ROWS,
        queue::ROWS,
        blocks::ROWS,
        over::ROWS,
        lease::ROWS,
        pipe::ROWS,
        by_path::ROWS,
        control::ROWS,
    ]
    .into_iter()
    .flatten()
}
