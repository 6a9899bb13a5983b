//! One row of the table: an operation in a scenario.

use crate::fault::{Fault, demand};
use std::time::Duration;
use testkit::{End, Limits, PairReport, Report};

/// An operation, the state in which it is killed, and what must come of it.
pub(crate) struct Row {
    pub(crate) operation: &'static str,
    pub(crate) scenario: &'static str,
    /// The fault that must be found: a control. `None` for what must have none.
    pub(crate) wanted: Option<Fault>,
    pub(crate) run: fn(&Plan) -> Seen,
}

/// A row that must have no fault.
pub(crate) const fn row(
    operation: &'static str,
    scenario: &'static str,
    run: fn(&Plan) -> Seen,
) -> Row {
    Row { operation, scenario, wanted: None, run }
}

/// A row in which the explorer must find this fault.
pub(crate) const fn control(
    operation: &'static str,
    scenario: &'static str,
    fault: Fault,
    run: fn(&Plan) -> Seen,
) -> Row {
    Row { operation, scenario, wanted: Some(fault), run }
}

impl Row {
    pub(crate) fn name(&self) -> String {
        format!("{}: {}", self.operation, self.scenario)
    }

    /// Says whether one of the words is in the name, in any case; no words mean all rows.
    pub(crate) fn is_meant_by(&self, words: &[String]) -> bool {
        let name = self.name().to_lowercase();
        words.is_empty() || words.iter().any(|word| name.contains(&word.to_lowercase()))
    }
}

/// How thoroughly a row is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Every how many instructions there is a kill; `None` is after each that changed anything.
    pub(crate) stride: Option<usize>,
    /// About how many double kills a row has that has any; 0 for all there are.
    pub(crate) pairs: usize,
    /// How many victims are killed at each place, where only changes count.
    pub(crate) times: usize,
    /// How long those are given that have something to do.
    pub(crate) patience: Duration,
}

impl Plan {
    /// The limits of most explorations: from where the victim says so, without an end.
    pub(crate) fn limits<'h, S>(&self) -> Limits<'h, S> {
        // Shorter than the 25 ms after which who waits at a queue first looks for its peers.
        let nap = Duration::from_millis(10);
        let default = Limits::default();
        let times = if self.stride.is_none() { self.times } else { 1 };
        Limits {
            from_mark: true,
            times,
            stride: self.stride.unwrap_or(1),
            changes_only: self.stride.is_none(),
            max_points: 50_000,
            nap,
            ..default
        }
    }
}

/// What was done in a row without a fault.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Places at which a victim was killed (the first one, of a pair).
    pub(crate) points: usize,
    /// How many of these were in a sleep.
    pub(crate) asleep: usize,
    /// Addresses that were passed, and at which none was killed.
    pub(crate) missed: usize,
    /// Double kills.
    pub(crate) pairs: usize,
    /// Every how many instructions or changes each of a pair was killed; 0 where there are no pairs.
    pub(crate) stride: usize,
}

impl From<Report> for Seen {
    fn from(report: Report) -> Self {
        demand!(report.end == End::Finished, Incomplete, "the victim never returned: {report}");
        let Report { points, asleep, missed, .. } = report;
        Self { points, asleep, missed, ..Self::default() }
    }
}

impl From<PairReport> for Seen {
    fn from(report: PairReport) -> Self {
        Self { points: report.firsts, pairs: report.pairs, ..Self::default() }
    }
}
