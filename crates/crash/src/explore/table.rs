//! The table as it is printed.

use super::job::Verdict;
use crate::row::{Plan, Row, Seen};
use comfy_table::{CellAlignment, Table, presets};
use std::time::Duration;

/// What the column of that name tells, which is no verdict.
pub(super) const MISSED: &str = "missed: with --stride, addresses that a victim passed and at which none was killed: all between two \
    kills, or because the next victim went another way, e.g. in malloc; without, changes after the first in which a \
    victim that was stepped all the way differed from the others, which yield more often or less";

/// One line as soon as a row is done; all that is known when it is not as it must be.
pub(crate) fn progress(row: &Row, verdict: &Verdict) {
    let Verdict { result, seconds, noise } = verdict;
    eprintln!("{seconds:7.1} s  {}: {}", row.name(), short(row, verdict));
    if !verdict.is_as_wanted(row) {
        if let Err((_, message)) = result {
            eprintln!("{message}");
        }
        eprint!("{noise}");
    }
}

/// All rows and the sums.
pub(crate) fn print(rows: &[(usize, &Row)], plans: &[Plan], verdicts: &[Verdict], took: Duration) {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header([
        "operation",
        "scenario",
        "every",
        "points",
        "asleep",
        "missed",
        "pairs",
        "verdict",
        "s",
    ]);
    let mut sum = Seen::default();
    for (((_, row), plan), verdict) in rows.iter().zip(plans).zip(verdicts) {
        let seen = verdict.result.as_ref().ok();
        if let Some(seen) = seen {
            sum.points += seen.points;
            sum.asleep += seen.asleep;
            sum.missed += seen.missed;
            sum.pairs += seen.pairs;
        }
        let number = |get: fn(&Seen) -> usize| match seen.map(get) {
            Some(0) | None => String::new(),
            Some(number) => number.to_string(),
        };
        table.add_row([
            row.operation.to_owned(),
            row.scenario.to_owned(),
            every(plan, seen.map_or(0, |seen| seen.stride)),
            number(|seen| seen.points),
            number(|seen| seen.asleep),
            number(|seen| seen.missed),
            number(|seen| seen.pairs),
            short(row, verdict),
            format!("{:.1}", verdict.seconds),
        ]);
    }
    for column in
        table.column_iter_mut().filter(|column| [2, 3, 4, 5, 6, 8].contains(&column.index))
    {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    let Seen { points, asleep, missed, pairs, .. } = sum;
    println!(
        "{} rows: {points} points ({asleep} asleep, {missed} missed), {pairs} double kills, {:.0} s",
        rows.len(),
        took.as_secs_f64()
    );
    if missed > 0 {
        println!("{MISSED}");
    }
}

/// What lies between two kills of a row, or of each of its pairs.
fn every(plan: &Plan, of_a_pair: usize) -> String {
    match (plan.stride, of_a_pair) {
        (None, 0 | 1) => "change".to_owned(),
        (None, changes) => format!("{changes} changes"),
        (Some(stride), 0) | (Some(_), stride) => stride.to_string(),
    }
}

fn short(row: &Row, verdict: &Verdict) -> String {
    match (&verdict.result, row.wanted) {
        (Ok(_), None) => "holds".to_owned(),
        (Ok(_), Some(wanted)) => format!("PASSES, and must be caught: {wanted}"),
        (Err((fault, _)), wanted) if Some(*fault) == wanted => format!("{fault}, as it must"),
        (Err((fault, message)), _) => {
            let point = message.split("after a kill at ").nth(1);
            let point = point.and_then(|rest| rest.split(',').next());
            format!("{} {}", fault.to_string().to_uppercase(), point.unwrap_or_default())
        }
    }
}
