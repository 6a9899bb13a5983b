//! A row: several do the same work in turns, again and again.

use crate::distance::{is_near, of_one_state};
use crate::place::Place;
use crate::record::{Axis, Entry, Kind, Row, Unit};
use crate::stats::Spread;
use crate::subject::{Amount, Subject, Turn};
use crate::suite::Suite;
use std::collections::BTreeMap;
use std::fmt;

type Setup = Box<dyn FnOnce() -> Result<Box<dyn Subject>, String>>;

/// A row to be measured.
pub struct Contest<'a> {
    suite: &'a mut Suite,
    row: Row,
    place: Place,
    setups: Vec<Setup>,
    /// In a turn at most, whatever time is left: for what is slow or leaves much behind.
    most: u64,
}

/// One that takes part, and what its turns came to.
struct Runner {
    at: usize,
    subject: Box<dyn Subject>,
    amount: u64,
    turns: Vec<Turn>,
}

impl<'a> Contest<'a> {
    pub(crate) fn new(suite: &'a mut Suite, group: &str, what: &str, place: Place) -> Self {
        let row = Row {
            group: group.to_owned(),
            what: what.to_owned(),
            axis: Axis::None,
            x: 0,
            unit: Unit::Nanos,
            place: place.words().to_owned(),
            distance: None,
            entries: Vec::new(),
        };
        Self { suite, row, place, setups: Vec::new(), most: u64::MAX }
    }

    /// Says where on which axis this row is.
    #[must_use]
    pub fn at(mut self, axis: Axis, x: u64) -> Self {
        (self.row.axis, self.row.x) = (axis, x);
        self
    }

    /// Says what the figures count.
    #[must_use]
    pub fn unit(mut self, unit: Unit) -> Self {
        self.row.unit = unit;
        self
    }

    /// Does no more than so many operations in a turn.
    #[must_use]
    pub fn at_most(mut self, most: u64) -> Self {
        self.most = most;
        self
    }

    /// Returns where the workers are to run.
    #[must_use]
    pub const fn place(&self) -> Place {
        self.place
    }

    /// Adds one that takes part; `setup` is called when the row begins.
    ///
    /// What it cannot set up is in the report as skipped, with the reason.
    #[must_use]
    pub fn with(
        mut self,
        kind: Kind,
        who: &str,
        setup: impl FnOnce() -> Result<Box<dyn Subject>, String> + 'static,
    ) -> Self {
        self.row.entries.push(Entry {
            who: who.to_owned(),
            kind,
            turns: Vec::new(),
            also: BTreeMap::new(),
            skipped: None,
        });
        self.setups.push(Box::new(setup));
        self
    }

    /// Measures the row, if it is wanted.
    pub fn run(mut self) {
        if !self.suite.wants(&self.row.title()) {
            return;
        }
        let mut runners = self.set_up();
        for runner in &mut runners {
            if let Err(why) = runner.warm_up(self.suite.turn_nanos(), self.most) {
                self.row.entries[runner.at].skipped = Some(why);
            }
        }
        let entries = &self.row.entries;
        runners.retain(|runner| entries[runner.at].skipped.is_none());
        let states = self.take_turns(&mut runners);
        let counts = self.choose(&states);
        for runner in &runners {
            let entry = &mut self.row.entries[runner.at];
            if entry.skipped.is_none() {
                runner.note(&counts, entry);
            }
        }
        drop(runners);
        self.suite.keep(self.row);
    }

    fn set_up(&mut self) -> Vec<Runner> {
        let mut runners = Vec::new();
        for (at, setup) in self.setups.drain(..).enumerate() {
            match setup() {
                Ok(subject) => runners.push(Runner { at, subject, amount: 1, turns: Vec::new() }),
                Err(why) => self.row.entries[at].skipped = Some(why),
            }
        }
        runners
    }

    /// Lets all take turns, and returns how far the cores were apart before and after each.
    fn take_turns(&mut self, runners: &mut [Runner]) -> Vec<Option<(f64, f64)>> {
        let (turns, most) = self.suite.turns();
        let mut states = Vec::new();
        let crosses = self.row.crosses_cores();
        let probe = |suite: &Suite| if crosses { suite.probe() } else { None };
        let mut before = probe(self.suite);
        while states.len() < most && self.near(&states) < turns {
            for runner in &mut *runners {
                if self.row.entries[runner.at].skipped.is_some() {
                    continue;
                }
                match runner.subject.turn(runner.amount) {
                    Ok(turn) => runner.turns.push(turn),
                    Err(why) => self.row.entries[runner.at].skipped = Some(why),
                }
            }
            let after = probe(self.suite);
            states.push(before.zip(after));
            before = after;
        }
        states
    }

    /// Returns how many turns of one state there are that is near, or of which nothing is known.
    fn near(&self, states: &[Option<(f64, f64)>]) -> usize {
        let counts = of_one_state(states, self.enough());
        let near = |(state, counts): &(&Option<(f64, f64)>, bool)| {
            *counts && state.is_none_or(|(before, after)| is_near(before.max(after)))
        };
        states.iter().zip(counts).filter(near).count()
    }

    /// How many turns of a near state are better than more of a far one.
    fn enough(&self) -> usize {
        self.suite.turns().0.div_ceil(3)
    }

    /// Chooses the turns that count, and notes how far apart the cores were in them.
    fn choose(&mut self, states: &[Option<(f64, f64)>]) -> Vec<bool> {
        let counts = of_one_state(states, self.enough());
        let distances: Vec<f64> = states
            .iter()
            .zip(&counts)
            .filter(|(_, counts)| **counts)
            .filter_map(|(state, _)| state.map(|(before, after)| f64::midpoint(before, after)))
            .collect();
        self.row.distance = Spread::of(&distances).map(|spread| spread.median);
        counts
    }
}

impl Runner {
    /// Finds out how much fills a turn, which warms everything up.
    fn warm_up(&mut self, nanos: u64, most: u64) -> Result<(), String> {
        match self.subject.amount() {
            Amount::Once => return Ok(()),
            Amount::Nanos => {
                self.amount = nanos;
                return self.subject.turn(nanos / 2).map(drop);
            }
            Amount::Count => {}
        }
        let wanted = nanos as f64;
        loop {
            let took = self.subject.turn(self.amount)?.nanos.max(100.0);
            let factor = wanted / took;
            // The last step is from a turn that was long enough to tell.
            let enough = factor < 4.0;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "positive; what is too much is cut off"
            )]
            let next = (self.amount as f64 * factor.min(20.0)).ceil() as u64;
            self.amount = next.clamp(1, most);
            if enough || self.amount == most {
                return Ok(());
            }
        }
    }

    fn note(&self, counts: &[bool], entry: &mut Entry) {
        let turns: Vec<&Turn> = self
            .turns
            .iter()
            .zip(counts)
            .filter(|(_, counts)| **counts)
            .map(|(turn, _)| turn)
            .collect();
        entry.turns = turns.iter().map(|turn| turn.value).collect();
        for name in turns.first().map(|turn| turn.also.keys()).into_iter().flatten() {
            let values: Vec<f64> =
                turns.iter().filter_map(|turn| turn.also.get(name)).copied().collect();
            if let Some(spread) = Spread::of(&values) {
                entry.also.insert(name.clone(), spread.median);
            }
        }
    }
}

impl fmt::Debug for Contest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contest").field("row", &self.row).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use crate::{Axis, Kind, Line, Options, Place, Row, Suite, called};

    /// Runs a row with one who works, one who does not and one who is not there, and returns the file.
    fn run(wanted: &[&str]) -> (Vec<Row>, Result<(), String>) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let json = ["--test", "--json", file.path().to_str().unwrap()];
        let args = json.iter().chain(wanted).map(ToString::to_string);
        let mut suite = Suite::begin(Options::parse(args).unwrap()).unwrap();
        suite
            .contest("group", "what", Place::Free)
            .at(Axis::Payload, 8)
            .with(Kind::Ours, "works", || Ok(called(|_| Ok(()))))
            .with(Kind::Threads, "breaks", || Ok(called(|_| Err("broken".to_owned()))))
            .with(Kind::Peer, "is missing", || Err("not installed".to_owned()))
            .run();
        let end = suite.end();
        let text = std::fs::read_to_string(file.path()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let rows = lines.filter_map(|line| match line {
            Line::Row(row) => Some(row),
            Line::Machine(_) | Line::End(_) => None,
        });
        (rows.collect(), end)
    }

    #[test]
    fn a_row_says_who_took_part_and_who_did_not() {
        let (rows, end) = run(&["group what 8"]);
        let skipped =
            |who| rows[0].entries.iter().find(|entry| entry.who == who).unwrap().skipped.clone();
        assert_eq!(rows[0].entry("works").unwrap().turns.len(), 1);
        assert_eq!(skipped("breaks").as_deref(), Some("broken"));
        assert_eq!(skipped("is missing").as_deref(), Some("not installed"));
        // Peers may be missing; threads must work.
        assert_eq!(end, Err("group/what/8, breaks: broken".to_owned()));
    }

    #[test]
    fn a_row_that_is_not_wanted_is_not_measured() {
        let (rows, end) = run(&["another"]);
        assert!(rows.is_empty());
        assert_eq!(end, Err("no row is called another".to_owned()));
    }
}
