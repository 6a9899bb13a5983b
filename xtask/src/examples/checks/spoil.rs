//! Runs that were not recorded but written, and spoiled, to test the checks.

use super::{Check, Recording};
use crate::examples::recording::{Ending, Line, Stream};
use std::collections::BTreeSet;
use std::time::Duration;

/// The process that was started, in every written run.
pub(crate) const MAIN: u32 = 100;

/// Makes a faultless run of these lines: writer, milliseconds, text.
pub(crate) fn run(lines: &[(u32, u64, &str)]) -> Recording {
    let line = |&(writer, at, text): &(u32, u64, &str)| Line {
        at: Duration::from_millis(at),
        stream: Stream::Out,
        writers: vec![writer],
        text: text.to_string(),
    };
    Recording {
        pace: 0.2,
        cpus: 2,
        main: MAIN,
        lines: lines.iter().map(line).collect(),
        held: BTreeSet::new(),
        ending: Ending::Code(0),
        gone: Duration::ZERO,
        took: lines.last().map_or(Duration::ZERO, |line| Duration::from_millis(line.1)),
        survivors: Vec::new(),
        litter: Vec::new(),
    }
}

/// A rule, and what breaks it.
type Spoiling<'a> = (&'a str, fn(&mut Recording));

/// Asserts that `good` passes, and that each spoiling breaks the rule it is meant for; every rule of
/// the check must have one.
pub(crate) fn proves(check: &Check, good: &Recording, spoilings: &[Spoiling<'_>]) {
    assert_eq!((check.judge)(good), Ok(()));
    for (number, (rule, spoil)) in spoilings.iter().enumerate() {
        let mut spoiled = good.clone();
        spoil(&mut spoiled);
        let broken = (check.judge)(&spoiled).expect_err(&format!("spoiling {number}: {rule}"));
        assert_eq!(broken.rule, *rule, "spoiling {number}, which gave: {}", broken.detail);
        assert!(!broken.detail.is_empty());
    }
    for rule in check.rules {
        assert!(spoilings.iter().any(|(spoiled, _)| spoiled == rule), "nothing spoils: {rule}");
    }
}

impl Recording {
    /// Replaces the text of a line.
    pub(crate) fn say(&mut self, line: usize, text: &str) {
        self.lines[line].text = text.to_string();
    }

    /// Lets a line come from another process.
    pub(crate) fn by(&mut self, line: usize, writer: u32) {
        self.lines[line].writers = vec![writer];
    }

    /// Exchanges what is said in two places.
    pub(crate) fn exchange(&mut self, a: usize, b: usize) {
        let (at_a, at_b) = (self.lines[a].at, self.lines[b].at);
        self.lines.swap(a, b);
        (self.lines[a].at, self.lines[b].at) = (at_a, at_b);
    }

    /// Lets everything happen in no time.
    pub(crate) fn hurry(&mut self) {
        for line in &mut self.lines {
            line.at = Duration::from_millis(1);
        }
    }
}
