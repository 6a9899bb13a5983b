//! What is measured: something that does a given amount of work, and says what it took.

use std::collections::BTreeMap;
use std::time::Instant;

/// What the amount of a turn counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Operations; how many fill a turn is found out beforehand.
    Count,
    /// Nanoseconds to work.
    Nanos,
    /// Nothing: the figure is there to be read.
    Once,
}

/// What a turn came to.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// How long it took, in nanoseconds.
    pub nanos: f64,
    /// The row's figure.
    pub value: f64,
    /// Other figures.
    pub also: BTreeMap<String, f64>,
}

/// Something that takes turns with others of its kind, and is idle in between.
pub trait Subject {
    /// Returns what the amounts count.
    fn amount(&self) -> Amount {
        Amount::Count
    }

    /// Does so much, and says what it took.
    ///
    /// # Errors
    ///
    /// Says what went wrong; it gets no further turn.
    fn turn(&mut self, amount: u64) -> Result<Turn, String>;
}

/// A function of this process that does a number of operations.
struct Called<F>(F);

impl<F: FnMut(u64) -> Result<(), String>> Subject for Called<F> {
    fn turn(&mut self, amount: u64) -> Result<Turn, String> {
        let start = Instant::now();
        (self.0)(amount)?;
        let nanos = start.elapsed().as_secs_f64() * 1e9;
        Ok(Turn { nanos, value: nanos / amount as f64, also: BTreeMap::new() })
    }
}

/// Makes a subject of a function that does `amount` operations.
pub fn called(work: impl FnMut(u64) -> Result<(), String> + 'static) -> Box<dyn Subject> {
    Box::new(Called(work))
}

/// A function that measures by itself.
struct Measuring<F>(Amount, F);

impl<F: FnMut(u64) -> Result<Turn, String>> Subject for Measuring<F> {
    fn amount(&self) -> Amount {
        self.0
    }

    fn turn(&mut self, amount: u64) -> Result<Turn, String> {
        (self.1)(amount)
    }
}

/// Makes a subject of a function that measures by itself.
pub fn measuring(
    amount: Amount,
    work: impl FnMut(u64) -> Result<Turn, String> + 'static,
) -> Box<dyn Subject> {
    Box::new(Measuring(amount, work))
}
