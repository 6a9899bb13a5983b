//! How far apart the cores were in a run, in words: without it a figure that crosses cores says little.

use super::run::Run;
use super::tables::title;
use multiproc_benches::Row;
use multiproc_benches::distance::{State, is_near, states};

/// So many rows are named; of more only the number is told.
const NAMED: usize = 6;

/// Returns the distances before and after, in how many rows they were what, and which rows are unlike most.
pub(crate) fn text(run: &Run) -> String {
    let crossing: Vec<(&Row, f64)> = run
        .rows
        .iter()
        .filter(|row| row.crosses_cores())
        .filter_map(|row| Some((row, row.distance?)))
        .collect();
    let distances: Vec<f64> = crossing.iter().map(|(_, distance)| *distance).collect();
    let states = states(&distances);
    let Some((usual, others)) = states.split_first() else {
        return "How far apart the cores were is not known.".to_owned();
    };
    let mut text = "A cache line took".to_owned();
    if let (Some(before), Some(after)) = (run.machine.distance, run.distance_after) {
        text += &format!(
            " {before:.0} ns there and back between the cores before, {after:.0} ns after,"
        );
        text += &format!(" and {} in {} of {} rows", range(usual), usual.count, crossing.len());
    } else {
        text += &format!(" {} there and back between the cores", range(usual));
        text += &format!(" in {} of {} rows", usual.count, crossing.len());
    }
    if others.is_empty() {
        return text + &format!(": {}; all turns of a row at one distance.", word(usual));
    }
    text += &format!(" ({}). Not comparable with those, only within themselves:", word(usual));
    let mut parts = Vec::new();
    for state in others {
        let rows = crossing.iter().filter(|(_, distance)| state.has(*distance));
        let names: Vec<String> =
            rows.map(|(row, _)| format!("{}: {}", row.group, title(row))).collect();
        let mut named = names[..names.len().min(NAMED)].join("; ");
        if names.len() > NAMED {
            named += &format!("; {} more", names.len() - NAMED);
        }
        parts.push(format!(" at {} ({}) {named}", range(state), word(state)));
    }
    text + &parts.join(";") + "."
}

fn range(state: &State) -> String {
    let (least, most) = (format!("{:.0}", state.least), format!("{:.0}", state.most));
    if least == most { format!("{least} ns") } else { format!("{least} to {most} ns") }
}

fn word(state: &State) -> &'static str {
    if is_near(state.most) { "near" } else { "far" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn what_all_rows_have_in_common_is_said_once() {
        let mut run = small(1.0);
        let said = "A cache line took 90 ns there and back between the cores in 5 of 5 rows: near";
        assert!(text(&run).starts_with(said), "{}", text(&run));
        (run.machine.distance, run.distance_after) = (Some(88.0), Some(91.0));
        assert!(text(&run).contains("88 ns there and back between the cores before, 91 ns after"));
    }

    #[test]
    fn rows_at_another_distance_are_named() {
        let mut run = small(1.0);
        run.rows[1].distance = Some(28.0);
        run.rows[2].distance = Some(410.0);
        let text = text(&run);
        assert!(
            text.contains("90 ns there and back between the cores in 3 of 5 rows (near)"),
            "{text}"
        );
        assert!(text.contains("at 28 ns (near) queue: one to one, 64 B"), "{text}");
        assert!(text.contains("at 410 ns (far) queue: one to one, 1 KiB."), "{text}");
    }

    #[test]
    fn one_worker_does_not_cross_cores() {
        let mut run = small(1.0);
        for row in &mut run.rows {
            (row.axis, row.x) = (multiproc_benches::Axis::Workers, 1);
        }
        assert!(text(&run).contains("not known"));
    }
}
