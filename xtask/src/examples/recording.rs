//! What was seen of one run of an example: all that its check may look at.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

/// One run, from the start of the program until everything that it started was gone.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    /// How many seconds one second of the tutorial took.
    pub(crate) pace: f64,
    /// How many CPUs there are for us.
    pub(crate) cpus: usize,
    /// The process that was started.
    pub(crate) main: u32,
    /// What was written, in the order of arrival.
    pub(crate) lines: Vec<Line>,
    /// The processes that the program had when its first line was held back, if it was.
    pub(crate) held: BTreeSet<u32>,
    /// How the started process ended.
    pub(crate) ending: Ending,
    /// How long that took.
    pub(crate) took: Duration,
    /// When all of its processes were gone, by themselves or by force.
    pub(crate) gone: Duration,
    /// What was left of its processes when it had ended: pid, name and state of each.
    pub(crate) survivors: Vec<String>,
    /// What is in `/dev/shm` since.
    pub(crate) litter: Vec<String>,
}

/// A line of output. A last line without its newline is one, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// When it had arrived, counted from the start of the program.
    pub(crate) at: Duration,
    pub(crate) stream: Stream,
    /// Who wrote it, as the kernel knows; more than one if they wrote into each other's.
    pub(crate) writers: Vec<u32>,
    pub(crate) text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Code(i32),
    Signal(i32),
    /// It was killed because its time was over.
    Late,
}

impl Recording {
    /// Returns the lines of standard output.
    pub(crate) fn out(&self) -> impl DoubleEndedIterator<Item = &Line> {
        self.lines.iter().filter(|line| line.stream == Stream::Out)
    }

    /// Returns the texts of standard output's lines.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.out().map(|line| line.text.as_str()).collect()
    }

    /// Returns the lines that begin with `prefix`, each with the rest of it.
    pub(crate) fn starting<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a Line, &'a str)> {
        self.out().filter_map(move |line| Some((line, line.text.strip_prefix(prefix)?)))
    }

    /// Returns the place of a line among those of standard output.
    pub(crate) fn position(&self, text: &str) -> Option<usize> {
        self.out().position(|line| line.text == text)
    }

    /// Returns the last line of standard output.
    pub(crate) fn last(&self) -> Option<&Line> {
        self.out().next_back()
    }

    /// Says whether a line was written by the started process alone.
    pub(crate) fn is_mains(&self, line: &Line) -> bool {
        line.writers == [self.main]
    }

    /// Returns how long `seconds` of the tutorial took at least.
    pub(crate) fn seconds(&self, seconds: f64) -> Duration {
        // The clocks of two processes are one; rounding is all that is forgiven.
        Duration::from_secs_f64((seconds * self.pace - 0.001).max(0.0))
    }
}

impl Line {
    /// Returns who wrote it; none if several did.
    pub(crate) fn writer(&self) -> Option<u32> {
        match self.writers[..] {
            [writer] => Some(writer),
            _ => None,
        }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let writers: Vec<String> = self.writers.iter().map(u32::to_string).collect();
        let err = if self.stream == Stream::Err { " (stderr)" } else { "" };
        write!(f, "{:8.3} s {:>7}{err}  {}", self.at.as_secs_f64(), writers.join("+"), self.text)
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "it ended with code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal} ended it"),
            Self::Late => f.write_str("it had not ended by then, and was killed"),
        }
    }
}

impl fmt::Display for Recording {
    /// Everything, for the one who has to find out what went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "process {}, {}, after {:.3} s",
            self.main,
            self.ending,
            self.took.as_secs_f64()
        )?;
        for survivor in &self.survivors {
            writeln!(f, "left behind: {survivor}")?;
        }
        for name in &self.litter {
            writeln!(f, "left behind: /dev/shm/{name}")?;
        }
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}
