//! All figures, as CSV and as Markdown.

use super::cores;
use super::jobs;
use super::model::models;
use super::run::Run;
use super::summary::{self, at};
use crate::Failure;
use multiproc_benches::{Axis, Kind, Row, Unit, amount};
use std::fmt::Write as _;

/// Returns a kind in words.
pub(crate) fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "processes, these crates",
        Kind::Threads => "threads",
        Kind::Peer => "processes, others",
        Kind::Python => "CPython",
        Kind::Limit => "the limit",
    }
}

/// Returns all figures, a line for each who took part in a row.
pub(crate) fn csv(run: &Run) -> Result<Vec<u8>, Failure> {
    let mut to = csv::Writer::from_writer(Vec::new());
    to.write_record([
        "group",
        "what",
        "axis",
        "x",
        "place",
        "cores_apart_ns",
        "near",
        "who",
        "kind",
        "unit",
        "median",
        "least",
        "most",
        "times_ours",
        "turns",
        "mean",
        "p99",
        "most_by_least",
        "skipped",
    ])?;
    for row in &run.rows {
        for entry in &row.entries {
            let spread = entry.spread();
            let number =
                |value: Option<f64>| value.map_or(String::new(), |value| format!("{value:.3}"));
            let ratio = row.ours().and_then(|ours| entry.times(ours)).map(|times| times.median);
            to.write_record([
                row.group.clone(),
                row.what.clone(),
                axis(row.axis).to_owned(),
                row.x.to_string(),
                row.place.clone(),
                number(row.distance),
                row.is_near().to_string(),
                entry.who.clone(),
                kind(entry.kind).to_owned(),
                unit(row.unit).to_owned(),
                number(spread.map(|spread| spread.median)),
                number(spread.map(|spread| spread.least)),
                number(spread.map(|spread| spread.most)),
                number(ratio),
                entry.turns.len().to_string(),
                number(entry.also.get("mean").copied()),
                number(entry.also.get("p99").copied()),
                number(entry.also.get("most/least").copied()),
                entry.skipped.clone().unwrap_or_default(),
            ])?;
        }
    }
    Ok(to.into_inner().map_err(|error| error.to_string())?)
}

fn axis(axis: Axis) -> &'static str {
    match axis {
        Axis::None => "",
        Axis::Payload => "payload, bytes",
        Axis::Workers => "workers",
        Axis::TaskNanos => "length of a task, ns",
        Axis::Parent => "memory of the parent, bytes",
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Nanos => "ns",
        Unit::Bytes => "bytes",
    }
}

/// Returns a row's title.
pub(crate) fn title(row: &Row) -> String {
    match at(row.axis, row.x).as_str() {
        "" => row.what.clone(),
        at => format!("{}, {at}", row.what),
    }
}

/// Returns where a row was measured, in words.
pub(crate) fn place(row: &Row) -> String {
    match row.distance {
        Some(distance) if row.is_near() => format!("{}, {distance:.0} ns apart", row.place),
        Some(distance) => format!("{}, far: {distance:.0} ns apart", row.place),
        None => row.place.clone(),
    }
}

/// Returns the summary as a table of Markdown.
pub(crate) fn summary_markdown(run: &Run) -> String {
    let mut text = format!("| {} |\n|---|---|---|---|---|\n", summary::HEADER.join(" | "));
    for line in summary::lines(run) {
        let cells = line.others.map(|cell| cell.map_or(String::new(), |cell| cell.text()));
        let _ = writeln!(text, "| {} | {} | {} |", line.what, line.ours, cells.join(" | "));
    }
    text
}

/// Returns everything as Markdown.
pub(crate) fn markdown(run: &Run) -> String {
    let mut text = format!(
        "# What IPC costs\n\n{}. {}\n\n{}",
        run.machine,
        cores::text(run),
        summary_markdown(run)
    );
    text +=
        "\n## Which primitive for which job\n\n| job | cheapest | | others |\n|---|---|---|---|\n";
    for advice in jobs::advice(run) {
        let (best, cost) = advice.ways[0];
        let cost = amount(cost, Unit::Nanos);
        let _ = writeln!(text, "| {} | `{best}` | {cost} | {} |", advice.job, advice.others());
    }
    text += "\n## Costs as lines\n\n| | who | | off by at most | a tenth dearer than threads |\n|---|---|---|---|---|\n";
    for model in models(run) {
        let dearer = model.dearer.map_or(String::new(), |dearer| dearer.to_string());
        let off = format!("{:.0} %", model.cost.off * 100.0);
        let formula = model.cost.formula();
        let _ = writeln!(text, "| {} | {} | {formula} | {off} | {dearer} |", model.what, model.who);
    }
    for group in run.groups() {
        let _ = write!(text, "\n## {group}\n");
        for row in run.rows.iter().filter(|row| row.group == group) {
            let _ = write!(text, "\n### {} ({})\n\n", title(row), place(row));
            text += "| who | kind | median | least - most | times ours | |\n|---|---|---|---|---|---|\n";
            for entry in &row.entries {
                let who = format!("| {} | {}", entry.who, kind(entry.kind));
                let Some(spread) = entry.spread() else {
                    let why = entry.skipped.as_deref().unwrap_or("no turn counts");
                    let _ = writeln!(text, "{who} | skipped: {why} | | | |");
                    continue;
                };
                let [median, least, most] =
                    [spread.median, spread.least, spread.most].map(|value| amount(value, row.unit));
                let times = row.ours().and_then(|ours| entry.times(ours));
                let times = times.map_or(String::new(), |ratio| format!("{:.2}x", ratio.median));
                let _ = writeln!(
                    text,
                    "{who} | {median} | {least} - {most} | {times} | {} |",
                    also(entry)
                );
            }
        }
    }
    text
}

/// Returns the other figures of an entry in words.
pub(crate) fn also(entry: &multiproc_benches::Entry) -> String {
    let also = entry.also.iter().map(|(name, value)| match name.as_str() {
        "most/least" => format!("luckiest/unluckiest {value:.1}"),
        _ => format!("{name} {}", amount(*value, Unit::Nanos)),
    });
    also.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn everything_is_in_both() {
        let run = small(1.0);
        let text = String::from_utf8(csv(&run).unwrap()).unwrap();
        assert_eq!(
            text.lines().count(),
            1 + 5 * 4,
            "a header, and four who took part in five rows"
        );
        assert!(text.contains("\"shm-queue, bytes\""), "{text}");
        let text = markdown(&run);
        for part in ["### one to one, 1 KiB", "skipped: not here", "at every payload", "0.50x"] {
            assert!(text.contains(part), "no {part} in {text}");
        }
    }
}
