//! A run as the bench has written it.

use crate::Failure;
use multiproc_benches::{Entry, Kind, Line, Machine, Row, Spread};
use std::fs;
use std::path::Path;

/// The machine and the rows of a run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) machine: Machine,
    pub(crate) rows: Vec<Row>,
    /// How far apart the cores were once all was measured.
    pub(crate) distance_after: Option<f64>,
}

impl Run {
    /// Reads a file with a line of JSON for each.
    pub(crate) fn read(file: &Path) -> Result<Self, Failure> {
        let text =
            fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        Self::parse(&text).map_err(|why| format!("{}: {why}", file.display()).into())
    }

    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (mut machine, mut rows, mut distance_after) = (None, Vec::new(), None);
        for (index, line) in text.lines().enumerate() {
            let line = serde_json::from_str(line);
            match line.map_err(|error| format!("line {}: {error}", index + 1))? {
                Line::Machine(here) => machine = Some(here),
                Line::Row(row) => rows.push(row),
                Line::End(end) => distance_after = end.distance,
            }
        }
        Ok(Self { machine: machine.ok_or("no line about a machine")?, rows, distance_after })
    }

    /// Returns what a run would have been in which only rows are measured that are called so; all if none.
    pub(crate) fn only(mut self, words: &[String]) -> Self {
        let wanted = |row: &Row| words.iter().any(|word| row.title().contains(word.as_str()));
        self.rows.retain(|row| words.is_empty() || wanted(row));
        self
    }

    /// Returns the rows of a group that do this, in the order of what they stand for.
    pub(crate) fn series(&self, group: &str, what: &str) -> Vec<&Row> {
        let mut rows: Vec<&Row> =
            self.rows.iter().filter(|row| row.group == group && row.what == what).collect();
        rows.sort_by_key(|row| row.x);
        rows
    }

    /// Returns the row of this key, `group/what/x`.
    pub(crate) fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.key() == key)
    }

    /// Returns the median of one in a row.
    pub(crate) fn median(&self, key: &str, who: &str) -> Option<f64> {
        self.row(key).and_then(|row| median(row, who))
    }

    /// Returns the names of the groups, in their order.
    pub(crate) fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for row in &self.rows {
            if !groups.contains(&row.group.as_str()) {
                groups.push(&row.group);
            }
        }
        groups
    }

    /// Returns who did not take part in which rows, and why.
    pub(crate) fn skipped(&self) -> Vec<(&str, &str, String)> {
        let mut skipped: Vec<(&str, &str, String)> = Vec::new();
        for row in &self.rows {
            for entry in &row.entries {
                let Some(why) = &entry.skipped else { continue };
                let place = format!("{}, {}", row.group, row.what);
                match skipped
                    .iter_mut()
                    .find(|(who, reason, _)| (*who, *reason) == (&entry.who, why))
                {
                    Some((_, _, places)) if places.contains(&place) => {}
                    Some((_, _, places)) => *places += &format!("; {place}"),
                    None => skipped.push((&entry.who, why, place)),
                }
            }
        }
        skipped
    }
}

/// Returns the median of one in a row.
pub(crate) fn median(row: &Row, who: &str) -> Option<f64> {
    row.entry(who).and_then(Entry::spread).map(|spread| spread.median)
}

/// Returns the quickest of a kind in a row, with its median.
pub(crate) fn best(row: &Row, kind: Kind) -> Option<(&Entry, Spread)> {
    let entries = row.entries.iter().filter(|entry| entry.kind == kind);
    let spreads = entries.filter_map(|entry| Some((entry, entry.spread()?)));
    spreads.min_by(|(_, a), (_, b)| a.median.total_cmp(&b.median))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A run with a queue whose messages cost 100 ns and 1 ns for 10 bytes, and threads at half of that.
    pub(crate) fn small(factor: f64) -> Run {
        let mut text = format!(
            r#"{{"machine":{}}}"#,
            serde_json::to_string(&Machine { kernel: "6.18".into(), ..Machine::default() })
                .unwrap()
        );
        for bytes in [8u64, 64, 1024, 65536, 1_048_576] {
            let cost = 100.0 + bytes as f64 / 10.0;
            let turns =
                |cost: f64| [cost * 0.99, cost, cost * 1.01].map(|x| x.to_string()).join(",");
            text += &format!(
                "\n{{\"row\":{{\"group\":\"queue\",\"what\":\"one to one\",\"axis\":\"payload\",\"x\":{bytes},\
                 \"unit\":\"nanos\",\"place\":\"pinned\",\"distance\":90.0,\"entries\":[\
                 {{\"who\":\"shm-queue, bytes\",\"kind\":\"ours\",\"turns\":[{}]}},\
                 {{\"who\":\"crossbeam-channel\",\"kind\":\"threads\",\"turns\":[{}]}},\
                 {{\"who\":\"pipe\",\"kind\":\"peer\",\"turns\":[{}]}},\
                 {{\"who\":\"gone\",\"kind\":\"peer\",\"turns\":[],\"skipped\":\"not here\"}}]}}}}",
                turns(cost * factor),
                turns(cost / 2.0),
                turns(cost * 3.0),
            );
        }
        Run::parse(&text).unwrap()
    }

    #[test]
    fn a_run_is_read() {
        let run = small(1.0);
        assert_eq!(run.groups(), ["queue"]);
        assert_eq!(run.series("queue", "one to one").len(), 5);
        let row = run.row("queue/one to one/1024").unwrap();
        assert_eq!(best(row, Kind::Peer).unwrap().0.who, "pipe");
        assert_eq!(run.median("queue/one to one/1024", "pipe"), Some(3.0 * 202.4));
        assert_eq!(run.skipped(), [("gone", "not here", "queue, one to one".to_owned())]);
        assert!(Run::parse("{}").is_err() && Run::parse("").is_err());
    }
}
