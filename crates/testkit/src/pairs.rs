//! Double kills: a victim, and then whoever comes to put right what it left.

use crate::explore::{KillPoint, Limits, explore, message};
use crate::hunt::Hunt;
use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

/// What an exploration of double kills saw. Shown as one row of a table: pairs, firsts, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairReport {
    /// How many pairs were killed and the rest checked.
    pub pairs: usize,
    /// At how many places the first of a pair was killed.
    pub firsts: usize,
    /// How long it took.
    pub seconds: f64,
}

impl fmt::Display for PairReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pairs, firsts, seconds } = self;
        write!(f, "| {pairs:>6} | {firsts:>6} | {seconds:>7.2} |")
    }
}

/// Kills a victim at every instruction, and after each of these kills a recoverer at every instruction;
/// then `check` judges what the two leave behind.
///
/// All pairs are many: 200 points each are 40,000, at a few milliseconds. The strides of the limits
/// thin them; 7 and 7 leave a fiftieth. Both are as in
/// [`kill_at_every_instruction`](crate::kill_at_every_instruction); `first.max_points` bounds the
/// places of the first kill, `second.max_points` the pairs at each of them. Each pair is killed once, whatever
/// [`Limits::times`] says.
///
/// # Panics
///
/// As there; the message names both kill points.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::SeqCst;
/// use testkit::{Limits, SharedPage, kill_pairs};
///
/// // Whoever comes does what is left to do: each step may be done twice, so it is a store.
/// let complete = |page: &SharedPage| (0..3).for_each(|at| page[at].store(7, SeqCst));
/// let thin = || Limits { stride: 400, ..Limits::default() };
/// let report = kill_pairs(thin(), thin(), || SharedPage::new(3), complete, complete, |page, [_, second]| {
///     assert!(!second.finished || page.iter().all(|cell| cell.load(SeqCst) == 7));
/// });
/// assert!(report.pairs > report.firsts);
/// ```
#[track_caller]
pub fn kill_pairs<S>(
    mut first: Limits<'_, S>,
    mut second: Limits<'_, S>,
    mut setup: impl FnMut() -> S,
    victim: impl Fn(&S),
    recoverer: impl Fn(&S),
    mut check: impl FnMut(S, [KillPoint; 2]),
) -> PairReport {
    let start = Instant::now();
    second.times = 1;
    let mut hunt = Hunt::new(&first);
    let mut report = PairReport { pairs: 0, firsts: 0, seconds: 0.0 };
    let died: Cell<Option<KillPoint>> = Cell::new(None);
    while report.firsts < first.max_points {
        let explored = catch_unwind(AssertUnwindSafe(|| {
            let after_the_first = || {
                let (state, point) = hunt.strike(&mut first, &mut setup, &victim);
                died.set(Some(point));
                state
            };
            let both = |state, second| {
                if let Some(first) = died.get() {
                    check(state, [first, second]);
                }
            };
            explore(&mut second, after_the_first, &recoverer, both)
        }));
        match (explored, died.get()) {
            (Ok(explored), Some(point)) => {
                report.firsts += 1;
                report.pairs += explored.points;
                if hunt.advance(&first, point).is_some() {
                    break;
                }
            }
            // The second may have no points, so nobody was killed.
            (Ok(_), None) => break,
            (Err(payload), point) => match (message(&*payload), point) {
                (Some(text), Some(point)) => panic!("{text}\nand before that at {point}"),
                _ => resume_unwind(payload),
            },
        }
    }
    report.seconds = start.elapsed().as_secs_f64();
    report
}
