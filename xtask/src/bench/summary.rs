//! The table to be remembered: ours, threads, the best peer and Python, for each primitive's main job.

use super::cores;
use super::run::{Run, best};
use multiproc_benches::{Axis, Entry, Kind, Row, Spread, amount};

/// The rows in the summary: what they are called, their key, and which of ours (the first if none is named).
const ROWS: [(&str, &str, &str); 19] = [
    ("queue: a message of 8 bytes", "queue/one to one/8", "shm-queue"),
    ("queue: the same in batches of 32", "queue/one to one/8", "shm-queue, 32 at once"),
    ("queue: a message of 1 KiB", "queue/one to one/1024", "shm-queue"),
    ("queue: 1 MiB, copied in and out", "queue/one to one/1048576", "shm-queue, bytes"),
    ("queue: 1 MiB, read in place", "queue/one to one/1048576", "shm-queue, blocks"),
    ("queue: there and back, a core each", "queue/round trip/8", "shm-queue"),
    ("queue: there and back, one core", "queue/round trip, one core/8", "shm-queue"),
    ("pipe: there and back, one core", "pipe/round trip, one core/8", "duplex-pipe"),
    ("mutex: lock and unlock", "lock/lock and unlock/1", "proc-lock"),
    ("mutex: two workers, 200 ns inside", "lock/a section of 200 ns/2", "proc-lock"),
    ("rwlock: read", "rwlock/read/1", "proc-lock"),
    ("semaphore: acquire and release", "semaphore/acquire and release/1", "proc-semaphore"),
    ("barrier: two meet", "barrier/meeting/2", "proc-lock"),
    ("pool: one task and its result", "pool/apply/0", "proc-pool"),
    ("pool: map of tiny tasks, each", "pool/map of tiny tasks/0", "proc-pool"),
    ("pool: 1 MiB there and back", "pool/bytes there and back/1048576", "proc-pool"),
    ("start and join", "start/start and join/0", "proc-spawn"),
    ("start and join, by the fork server", "start/start and join/0", "proc-spawn, fork server"),
    ("memory of an idle pool worker", "pool/idle worker/0", "proc-pool"),
];

/// One line of the summary.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) what: &'static str,
    /// Of ours, of the quickest threads, of the best peer and of Python: the figure, and who.
    pub(crate) ours: String,
    pub(crate) others: [Option<Cell>; 3],
}

/// What somebody else took.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) figure: String,
    pub(crate) who: String,
    /// How many times as much as ours.
    pub(crate) times: f64,
}

pub(crate) const HEADER: [&str; 5] =
    ["", "processes, these crates", "threads", "processes, the best other", "CPython"];

/// Returns the lines for which there are figures.
pub(crate) fn lines(run: &Run) -> Vec<Line> {
    let line = |&(what, key, who): &(&'static str, &str, &str)| {
        let row = run.row(key)?;
        let ours = row.entry(who)?;
        let others = [Kind::Threads, Kind::Peer, Kind::Python].map(|kind| cell(row, ours, kind));
        Some(Line { what, ours: amount(ours.spread()?.median, row.unit), others })
    };
    ROWS.iter().filter_map(line).collect()
}

fn cell(row: &Row, ours: &Entry, kind: Kind) -> Option<Cell> {
    let (entry, Spread { median, .. }) = best(row, kind)?;
    let times = entry.times(ours)?.median;
    Some(Cell { figure: amount(median, row.unit), who: entry.who.clone(), times })
}

/// Returns how many times as much, in words.
pub(crate) fn times(times: f64) -> String {
    match times {
        ..0.095 => format!("{times:.2}x"),
        ..9.95 => format!("{times:.1}x"),
        _ => format!("{times:.0}x"),
    }
}

impl Cell {
    /// Returns it in one cell of a table.
    pub(crate) fn text(&self) -> String {
        format!("{} ({}, {})", times(self.times), self.figure, self.who)
    }
}

/// Returns the summary for a terminal.
pub(crate) fn text(run: &Run) -> String {
    let mut text = String::new();
    for Line { what, ours, others } in lines(run) {
        text += &format!("{what:<36} {ours:>9}");
        for (name, cell) in ["threads", "others", "CPython"].iter().zip(others) {
            if let Some(cell) = cell {
                text += &format!("   {name} {:>6}", times(cell.times));
            }
        }
        text += "\n";
    }
    text + &cores::text(run) + "\n"
}

/// Returns what the number of a row stands for, in words; nothing for rows that stand alone.
pub(crate) fn at(axis: Axis, x: u64) -> String {
    match axis {
        Axis::None => String::new(),
        Axis::Payload => amount(x as f64, multiproc_benches::Unit::Bytes)
            .replace(".0 ", " ")
            .replace(".00 ", " "),
        Axis::Workers if x == 1 => "1 worker".to_owned(),
        Axis::Workers => format!("{x} workers"),
        Axis::TaskNanos => {
            let length = amount(x as f64, multiproc_benches::Unit::Nanos);
            format!("tasks of {}", length.replace(".0 ", " ").replace(".00 ", " "))
        }
        Axis::Parent if x == 0 => "a small parent".to_owned(),
        Axis::Parent => {
            let size = amount(x as f64, multiproc_benches::Unit::Bytes);
            format!("a parent of {}", size.replace(".0 ", " ").replace(".00 ", " "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn a_line_pairs_ours_with_the_others() {
        let lines = lines(&small(1.0));
        assert_eq!(lines.len(), 1, "one of the rows is in the summary: {lines:?}");
        let [threads, peer, python] = &lines[0].others;
        assert_eq!(threads.as_ref().map(|cell| times(cell.times)).as_deref(), Some("0.5x"));
        assert_eq!(peer.as_ref().map(|cell| cell.who.as_str()), Some("pipe"));
        assert_eq!(python, &None);
        assert!(text(&small(1.0)).contains("threads   0.5x"));
    }

    #[test]
    fn places_on_axes() {
        assert_eq!(at(Axis::Payload, 65536), "64 KiB");
        assert_eq!(at(Axis::Payload, 8), "8 B");
        assert_eq!(at(Axis::TaskNanos, 10_000), "tasks of 10 us");
        assert_eq!(at(Axis::Parent, 1 << 30), "a parent of 1 GiB");
    }
}
