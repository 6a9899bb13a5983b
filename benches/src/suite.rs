//! The whole run: how long, which rows, and where they go.

use crate::contest::Contest;
use crate::machine::Machine;
use crate::place::Place;
use crate::probe;
use crate::record::{End, Entry, Kind, Line, Row, Unit};
use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

/// How much time a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Each once, for its totals: nothing is measured.
    Smoke,
    /// A look.
    Quick,
    /// Figures to quote.
    Full,
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How much time to take.
    pub effort: Effort,
    /// Words of which a row's title has to hold one; all rows if there are none.
    pub wanted: Vec<String>,
    /// The file for the lines of JSON.
    pub json: Option<PathBuf>,
}

impl Options {
    /// Reads the arguments that `cargo bench` and `cargo test` hand on.
    ///
    /// # Errors
    ///
    /// Says what it does not know.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { effort: Effort::Full, wanted: Vec::new(), json: None };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => {}
                "--test" => options.effort = Effort::Smoke,
                "--quick" => options.effort = Effort::Quick,
                "--json" => options.json = Some(args.next().ok_or("--json: which file?")?.into()),
                other if other.starts_with('-') => return Err(format!("what is {other}?")),
                name => options.wanted.push(name.to_owned()),
            }
        }
        Ok(options)
    }
}

/// A run: its options and its rows.
#[derive(Debug)]
pub struct Suite {
    options: Options,
    file: Option<File>,
    group: String,
    failed: Vec<String>,
    rows: usize,
    start: Instant,
}

impl Suite {
    /// Begins a run: says where it is, in the file and on standard output.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn begin(options: Options) -> io::Result<Self> {
        let mut machine = Machine::here(options.effort != Effort::Full);
        say(&format!("{machine}\n"));
        if options.effort != Effort::Smoke {
            machine.distance = probe::look();
        }
        let file = options.json.as_ref().map(File::create).transpose()?;
        let mut suite = Self {
            options,
            file,
            group: String::new(),
            failed: Vec::new(),
            rows: 0,
            start: Instant::now(),
        };
        suite.write(&Line::Machine(machine))?;
        Ok(suite)
    }

    /// Returns a new row to be filled.
    pub fn contest(&mut self, group: &str, what: &str, place: Place) -> Contest<'_> {
        Contest::new(self, group, what, place)
    }

    /// Returns how much time this run takes.
    #[must_use]
    pub const fn effort(&self) -> Effort {
        self.options.effort
    }

    /// Returns whether a row of this title is wanted.
    pub(crate) fn wants(&self, title: &str) -> bool {
        let wanted = &self.options.wanted;
        wanted.is_empty() || wanted.iter().any(|word| title.contains(word.as_str()))
    }

    /// Returns how long a turn is to last.
    pub(crate) const fn turn_nanos(&self) -> u64 {
        match self.options.effort {
            Effort::Smoke => 1_000,
            Effort::Quick => 8_000_000,
            Effort::Full => 60_000_000,
        }
    }

    /// Returns how many near turns of one state are wanted, and how many are taken at most.
    pub(crate) const fn turns(&self) -> (usize, usize) {
        match self.options.effort {
            Effort::Smoke => (1, 1),
            Effort::Quick => (3, 4),
            Effort::Full => (11, 18),
        }
    }

    /// Returns how far apart the cores are now.
    pub(crate) fn probe(&self) -> Option<f64> {
        if self.options.effort == Effort::Smoke { None } else { probe::look() }
    }

    pub(crate) fn keep(&mut self, row: Row) {
        if self.group != row.group {
            say(&format!("\n## {}\n", row.group));
            self.group.clone_from(&row.group);
        }
        say(&table(&row));
        self.rows += 1;
        // Ours and threads must be able to do it; others may be missing, or hang.
        for entry in &row.entries {
            if let (Kind::Ours | Kind::Threads, Some(why)) = (entry.kind, &entry.skipped) {
                self.failed.push(format!("{}, {}: {why}", row.key(), entry.who));
            }
        }
        if let Err(error) = self.write(&Line::Row(row)) {
            self.failed.push(format!("the file: {error}"));
        }
    }

    fn write(&mut self, line: &Line) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        file.write_all(text.as_bytes())
    }

    /// Ends the run, and says what of ours failed.
    ///
    /// # Errors
    ///
    /// The names of the failed, with the reasons; or that there were no rows of that name.
    pub fn end(mut self) -> Result<(), String> {
        let end = End { distance: self.probe() };
        if let Err(error) = self.write(&Line::End(end)) {
            self.failed.push(format!("the file: {error}"));
        }
        say(&format!("\n{} rows in {:.0} s", self.rows, self.start.elapsed().as_secs_f64()));
        match (self.failed.is_empty(), self.rows) {
            (true, 0) => Err(format!("no row is called {}", self.options.wanted.join(" or "))),
            (true, _) => Ok(()),
            (false, _) => Err(self.failed.join("\n")),
        }
    }
}

fn table(row: &Row) -> String {
    let x = match row.axis {
        crate::record::Axis::None => String::new(),
        _ => format!(", {}", row.x),
    };
    let near = match row.distance {
        Some(distance) if !row.is_near() => format!(", cores FAR: {distance:.0} ns"),
        Some(distance) => format!(", cores {distance:.0} ns apart"),
        None => String::new(),
    };
    let mut lines = vec![format!("{}{x} ({}{near})", row.what, row.place)];
    let ours = row.ours();
    for entry in &row.entries {
        lines.push(match (&entry.skipped, entry.spread()) {
            (Some(why), _) => format!("  {:<28} skipped: {why}", entry.who),
            (None, None) => format!("  {:<28} no turn counts", entry.who),
            (None, Some(spread)) => {
                let times =
                    ours.and_then(|ours| entry.times(ours)).map_or(String::new(), |times| {
                        format!("{:>9.2}x ({:.2} - {:.2})", times.median, times.least, times.most)
                    });
                format!(
                    "  {:<28} {:>10}{times}{}",
                    entry.who,
                    amount(spread.median, row.unit),
                    also(entry)
                )
            }
        });
    }
    lines.join("\n")
}

fn also(entry: &Entry) -> String {
    let also: Vec<String> = entry
        .also
        .iter()
        .map(|(name, value)| match name.as_str() {
            "most/least" => format!("{name} {value:.1}"),
            _ => format!("{name} {}", amount(*value, Unit::Nanos)),
        })
        .collect();
    if also.is_empty() { String::new() } else { format!("   {}", also.join(", ")) }
}

/// Returns an amount with its unit, in three digits or so.
#[must_use]
pub fn amount(value: f64, unit: Unit) -> String {
    let scales: &[(f64, &str)] = match unit {
        Unit::Nanos => &[(1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns")],
        Unit::Bytes => {
            &[(1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB"), (1.0, "B")]
        }
    };
    let (scale, name) = scales.iter().find(|(scale, _)| value >= *scale).unwrap_or(&scales[3]);
    let value = value / scale;
    match value {
        0.0 => format!("0 {name}"),
        ..10.0 => format!("{value:.2} {name}"),
        ..100.0 => format!("{value:.1} {name}"),
        _ => format!("{value:.0} {name}"),
    }
}

#[expect(clippy::print_stdout, reason = "a bench prints")]
fn say(text: &str) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (value, text) in
            [(0.0, "0 ns"), (4.8, "4.80 ns"), (110.0, "110 ns"), (54_321.0, "54.3 us")]
        {
            assert_eq!(amount(value, Unit::Nanos), text);
        }
        assert_eq!(amount(3_500_000_000.0, Unit::Nanos), "3.50 s");
        assert_eq!(amount(28.0 * 1024.0, Unit::Bytes), "28.0 KiB");
    }

    #[test]
    fn options() {
        let parse = |args: &[&str]| Options::parse(args.iter().map(ToString::to_string));
        let options = parse(&["--bench", "--quick", "queue", "--json", "a"]).unwrap();
        assert_eq!(options.effort, Effort::Quick);
        assert_eq!((options.wanted, options.json), (vec!["queue".to_owned()], Some("a".into())));
        assert_eq!(parse(&["--test"]).unwrap().effort, Effort::Smoke);
        assert!(parse(&["--json"]).is_err() && parse(&["--what"]).is_err());
    }
}
