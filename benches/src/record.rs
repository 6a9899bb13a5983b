//! What a run says: one line of JSON for the machine, one for each row, and one for the end.

use crate::distance;
use crate::machine::Machine;
use crate::place::Place;
use crate::stats::Spread;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A line of the file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// Where and when: the first line.
    Machine(Machine),
    /// The same work, done by several.
    Row(Row),
    /// The last line.
    End(End),
}

/// What is known once all is measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct End {
    /// How far apart the cores were then, in nanoseconds.
    pub distance: Option<f64>,
}

/// What a figure counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Nanoseconds for one of what the row does.
    Nanos,
    /// Bytes of memory.
    Bytes,
}

/// What a row's number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// Nothing: there is one row.
    None,
    /// Bytes of a message.
    Payload,
    /// How many work at once.
    Workers,
    /// Nanoseconds that each task takes.
    TaskNanos,
    /// Bytes that the parent has in memory.
    Parent,
}

/// Who did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// These crates, between processes.
    Ours,
    /// Another crate or the standard library, between threads of one process.
    Threads,
    /// Others between processes: crates, libc, the kernel.
    Peer,
    /// CPython's `multiprocessing`.
    Python,
    /// What the machine allows, with nothing around it.
    Limit,
}

/// The same work, done by several in turns.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The primitive: `queue`, `lock`, ...
    pub group: String,
    /// What is done.
    pub what: String,
    /// What `x` stands for.
    pub axis: Axis,
    /// Where on the axis this row is.
    pub x: u64,
    /// What the figures count.
    pub unit: Unit,
    /// Where the workers ran, in words.
    pub place: String,
    /// The way of a cache line there and back between the cores in these turns, in nanoseconds.
    ///
    /// All turns that count are of one [state](distance). `None` where nothing crosses cores.
    pub distance: Option<f64>,
    /// Who took part; ours first.
    pub entries: Vec<Entry>,
}

/// One that took part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub who: String,
    /// What it is.
    pub kind: Kind,
    /// The figure of each turn that counts; the same index is the same time in all entries of a row.
    pub turns: Vec<f64>,
    /// Other figures, medians: `mean`, `p99`, `most/least`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, f64>,
    /// Why there are no figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skipped: Option<String>,
}

impl Row {
    /// Returns what tells this row from all others.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.group, self.what, self.x)
    }

    /// Returns what the row is called on a command line.
    #[must_use]
    pub fn title(&self) -> String {
        match self.axis {
            Axis::None => format!("{} {}", self.group, self.what),
            _ => format!("{} {} {}", self.group, self.what, self.x),
        }
    }

    /// Says whether something is done on more than one core, so that their distance matters.
    #[must_use]
    pub fn crosses_cores(&self) -> bool {
        self.place != Place::OneCore.words() && (self.axis, self.x) != (Axis::Workers, 1)
    }

    /// Says whether the cores were neighbours in the turns that count, or that does not matter.
    #[must_use]
    pub fn is_near(&self) -> bool {
        !self.crosses_cores() || self.distance.is_none_or(distance::is_near)
    }

    /// Says whether figures of these two rows, of two runs, can be compared: nothing in them crosses
    /// cores, or it does over the same distance.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        match (self.distance, other.distance) {
            (Some(a), Some(b)) if self.crosses_cores() => distance::alike(a, b),
            _ => true,
        }
    }

    /// Returns the entry of this name, if it has figures.
    #[must_use]
    pub fn entry(&self, who: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.who == who && !entry.turns.is_empty())
    }

    /// Returns the first of ours.
    #[must_use]
    pub fn ours(&self) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.kind == Kind::Ours && !entry.turns.is_empty())
    }
}

impl Entry {
    /// Returns the median of its turns, with least and most.
    #[must_use]
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(&self.turns)
    }

    /// Returns how many times as much as `other` it took, turn by turn.
    #[must_use]
    pub fn times(&self, other: &Self) -> Option<Spread> {
        Spread::of_ratios(&self.turns, &other.turns)
    }
}
