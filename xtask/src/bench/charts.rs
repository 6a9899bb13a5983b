//! The plots of the report.

use super::chart::{Axes, BAR, Bar, Chart, Line, NARROW_BAR, Pen, legend_height};
use super::run::{Run, median};
use super::scale::Scale;
use crate::Failure;
use multiproc_benches::{Entry, Kind, Row, Unit, amount};
use std::collections::BTreeSet;

/// Returns all plots for which there are figures.
pub(crate) fn all(run: &Run) -> Result<Vec<Chart>, Failure> {
    let charts = [
        ladder(run)?,
        throughput(run)?,
        lock_scaling(
            run,
            "lock and unlock",
            "locks",
            "Lock and unlock, nothing inside: time from one to the next",
        )?,
        lock_scaling(
            run,
            "a section of 200 ns",
            "sections",
            "200 ns inside a lock: time from one section to the next",
        )?,
        starts(run)?,
        tasks(run)?,
    ];
    Ok(charts.into_iter().flatten().collect())
}

/// Rungs: what they are called, the key of their row, and who in it.
const RUNGS: [(&str, &str, &str); 21] = [
    ("a cache line, nothing else", "queue/round trip/8", "a cache line"),
    ("shm-queue", "queue/round trip/8", "shm-queue"),
    ("shm-queue, both on one core", "queue/round trip, one core/8", "shm-queue"),
    ("crossbeam-channel, threads", "queue/round trip/8", "crossbeam-channel"),
    ("crossbeam-channel, threads, one core", "queue/round trip, one core/8", "crossbeam-channel"),
    ("std::sync::mpsc, threads", "queue/round trip/8", "std::sync::mpsc"),
    ("shaq", "queue/round trip/8", "shaq"),
    ("iceoryx2, polled", "queue/round trip/8", "iceoryx2"),
    ("proc-semaphore", "semaphore/round trip/0", "proc-semaphore"),
    ("sem_t", "semaphore/round trip/0", "sem_t"),
    ("proc-lock, event", "event/round trip/0", "proc-lock"),
    ("proc-lock, condvar", "condvar/turns/0", "proc-lock"),
    ("std::sync::Condvar, threads", "condvar/turns/0", "std::sync::Condvar"),
    ("duplex-pipe", "pipe/round trip/8", "duplex-pipe"),
    ("pipe of the kernel", "pipe/round trip/8", "pipe"),
    ("packet socket", "pipe/round trip/8", "packet socket"),
    ("stream socket", "pipe/round trip/8", "stream socket"),
    ("ipc-channel", "queue/round trip/8", "ipc-channel"),
    ("proc-pool, a task and its result", "pool/apply/0", "proc-pool"),
    ("multiprocessing.Queue, CPython", "queue/round trip/8", "multiprocessing.Queue"),
    ("multiprocessing.Pool, a task, CPython", "pool/apply/0", "multiprocessing.Pool"),
];

/// From a cache line to a socket: what it takes to reach another process and hear from it.
pub(crate) fn ladder(run: &Run) -> Result<Option<Chart>, Failure> {
    let mut bars: Vec<Bar> = RUNGS
        .iter()
        .filter_map(|(name, key, who)| {
            let row = run.row(key)?;
            let (kind, value) = (row.entry(who)?.kind, median(row, who)?);
            Some(Bar { name: (*name).to_owned(), kind, value, text: amount(value, Unit::Nanos) })
        })
        .collect();
    bars.sort_by(|a, b| a.value.total_cmp(&b.value));
    let Some(scale) = Scale::tens(bars.iter().map(|bar| bar.value)) else { return Ok(None) };
    let scale = Scale::between(scale.least.min(10.0), scale.most, 10.0);
    let count = u32::try_from(bars.len())?;
    let heights = (count * of(BAR) + 50, count * of(NARROW_BAR) + 50);
    let title = "To another process and back, 8 bytes, by the median; a core each unless said";
    let draw = |pen: &Pen<'_, '_>| pen.bars(&bars, scale, nanos);
    Chart::draw("ladder", title, heights, draw).map(Some)
}

fn of(pixels: i32) -> u32 {
    pixels.unsigned_abs()
}

fn nanos(value: f64) -> String {
    trimmed(amount(value, Unit::Nanos))
}

fn bytes(value: f64) -> String {
    trimmed(amount(value, Unit::Bytes))
}

/// A round number without its noughts.
fn trimmed(text: String) -> String {
    text.replace(".00 ", " ").replace(".0 ", " ")
}

/// Returns the lines of all who took part in rows, `value` by the number of the row.
fn lines(rows: &[&Row], value: impl Fn(&Row, f64) -> f64, at: impl Fn(&Row) -> f64) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for row in rows {
        for entry in &row.entries {
            let Some(spread) = Entry::spread(entry) else { continue };
            let point = (at(row), value(row, spread.median));
            match lines.iter_mut().find(|line| line.name == entry.who) {
                Some(line) => line.points.push(point),
                None => {
                    let (name, kind) = (entry.who.clone(), entry.kind);
                    lines.push(Line { name, kind, points: vec![point] });
                }
            }
        }
    }
    lines
}

fn y_scale(lines: &[Line]) -> Option<Scale> {
    Scale::tens(lines.iter().flat_map(|line| &line.points).map(|&(_, y)| y))
}

/// Draws lines; the narrow form is higher, for their names.
fn draw(
    name: &'static str,
    title: &str,
    lines: &[Line],
    axes: &Axes<'_>,
) -> Result<Chart, Failure> {
    let narrow = 340 + of(legend_height(lines));
    Chart::draw(name, title, (460, narrow), |pen| pen.lines(lines, axes))
}

/// Bytes in a second, by the size of a message.
fn throughput(run: &Run) -> Result<Option<Chart>, Failure> {
    let rows = run.series("queue", "one to one");
    let mut lines = lines(&rows, |row, nanos| row.x as f64 / nanos * 1e9, |row| row.x as f64);
    // One limit after the other: a ring of small messages, and copies of large ones.
    // And those whose lines lie on others': they are in the tables.
    let among = |line: &Line| {
        ["packet socket", "std::sync::mpsc", "shm-queue, leased"].contains(&&*line.name)
    };
    lines.retain(|line| line.kind != Kind::Limit && !among(line));
    for who in ["bare ring", "memcpy"] {
        let points = rows
            .iter()
            .filter_map(|row| Some((row.x as f64, row.x as f64 / median(row, who)? * 1e9)));
        let points: Vec<(f64, f64)> = points.collect();
        if !points.is_empty() {
            lines.push(Line { name: format!("limit: {who}"), kind: Kind::Limit, points });
        }
    }
    // A batch has one size here: a point, and no line.
    lines.retain(|line| line.points.len() > 1);
    let Some(y) = y_scale(&lines) else { return Ok(None) };
    let at: Vec<f64> = rows.iter().map(|row| row.x as f64).collect();
    let axes = Axes {
        x: Scale::between(8.0, 1_048_576.0, 2.0),
        y,
        x_title: "bytes of a message",
        y_title: "bytes per second",
        x_tick: &bytes,
        y_tick: &|value| bytes_by_tens(value),
        at: &at,
    };
    let title = "One to one through a queue: bytes per second, by the size of a message";
    draw("throughput", title, &lines, &axes).map(Some)
}

/// Powers of ten of bytes.
fn bytes_by_tens(value: f64) -> String {
    let (scale, name) = [(1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B")]
        .into_iter()
        .find(|(scale, _)| value >= scale * 0.999)
        .unwrap_or((1.0, "B"));
    format!("{:.0} {name}", value / scale)
}

/// Nanoseconds from one section to the next, by how many want it.
fn lock_scaling(
    run: &Run,
    what: &str,
    name: &'static str,
    title: &str,
) -> Result<Option<Chart>, Failure> {
    let rows = run.series("lock", what);
    let mut lines = lines(&rows, |_, nanos| nanos, |row| row.x as f64);
    lines.retain(|line| line.points.len() > 1);
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
    let (least, most) = (first.x as f64, last.x as f64);
    if what.contains("200") && !lines.is_empty() {
        let points = vec![(least, 200.0), (most, 200.0)];
        lines.push(Line { name: "limit: the section itself".into(), kind: Kind::Limit, points });
    }
    let (Some(y), true) = (y_scale(&lines), most > least) else { return Ok(None) };
    let at: Vec<f64> = rows.iter().map(|row| row.x as f64).collect();
    let axes = Axes {
        x: Scale::between(least, most, 2.0),
        y,
        x_title: "workers, on two cores",
        y_title: "time for one",
        x_tick: &|value| format!("{value:.0}"),
        y_tick: &nanos,
        at: &at,
    };
    draw(name, title, &lines, &axes).map(Some)
}

/// A start, by what the parent has in memory.
fn starts(run: &Run) -> Result<Option<Chart>, Failure> {
    let rows = run.series("start", "start and join");
    // A parent without ballast has some, too: about a megabyte.
    let size = |row: &Row| (row.x as f64).max(1_048_576.0);
    let lines = lines(&rows, |_, nanos| nanos, size);
    let (Some(y), Some(last)) = (y_scale(&lines), rows.last()) else { return Ok(None) };
    if rows.len() < 2 {
        return Ok(None);
    }
    let at: Vec<f64> = rows.iter().map(|row| size(row)).collect();
    let axes = Axes {
        x: Scale::between(1_048_576.0, size(last), 2.0),
        y,
        x_title: "memory of the parent",
        y_title: "time until joined",
        x_tick: &|value| if value < 1_100_000.0 { "small".to_owned() } else { bytes(value) },
        y_tick: &nanos,
        at: &at,
    };
    let title = "Start and join, by what the parent has in memory";
    draw("start", title, &lines, &axes).map(Some)
}

/// What a pool adds to a task, by how long it takes.
fn tasks(run: &Run) -> Result<Option<Chart>, Failure> {
    let rows = run.series("pool", "tasks by length");
    let mut lines = lines(&rows, |_, nanos| nanos, |row| row.x as f64);
    for line in lines.iter_mut().filter(|line| line.kind == Kind::Limit) {
        line.name = format!("limit: {}", line.name);
    }
    let lengths: BTreeSet<u64> = rows.iter().map(|row| row.x).collect();
    let (Some(first), Some(last)) = (lengths.first(), lengths.last()) else { return Ok(None) };
    let (Some(y), true) = (y_scale(&lines), last > first) else { return Ok(None) };
    let at: Vec<f64> = lengths.iter().map(|length| *length as f64).collect();
    let axes = Axes {
        x: Scale::between(*first as f64, *last as f64, 10.0),
        y,
        x_title: "length of a task",
        y_title: "time for one, with two workers",
        x_tick: &nanos,
        y_tick: &nanos,
        at: &at,
    };
    let title = "Tasks handed to a pool of two, one by one: time for each, by its length";
    draw("tasks", title, &lines, &axes).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn what_was_measured_is_drawn() {
        let charts = all(&small(1.0)).unwrap();
        let names: Vec<&str> = charts.iter().map(|chart| chart.name).collect();
        assert_eq!(names, ["throughput"], "there are no other rows");
        for who in ["shm-queue, bytes", "crossbeam-channel", "pipe", "1 MiB", "64 KiB"] {
            assert!(charts[0].wide.contains(who) && charts[0].narrow.contains(who), "{who}");
        }
        assert!(!charts[0].wide.contains("gone"), "who did not take part has no line");
    }

    #[test]
    fn ticks() {
        assert_eq!((nanos(1000.0), nanos(100.0)), ("1 us".to_owned(), "100 ns".to_owned()));
        assert_eq!(
            (bytes_by_tens(1e8), bytes_by_tens(1e10)),
            ("100 MB".to_owned(), "10 GB".to_owned())
        );
    }
}
