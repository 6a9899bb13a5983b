//! Whether something got worse than it was in a saved run.
//!
//! Ratios are compared, never times: what ours took by what another took in the same turns. Of a row's
//! others each has moods of its own, so ours got worse only if it did against *every* one of them; and by
//! more than the noise, which is how far the ratios of one run lie apart. What seems worse is measured once
//! more: a moment in which the machine had other things to do does not come twice at the same row.
//!
//! What cannot be compared is named, with the reason; what of ours is gone is as bad as what got worse.

use super::run::Run;
use super::tables::title;
use crate::Failure;
use multiproc_benches::{Entry, Kind, Row, Spread};
use std::collections::BTreeMap;

/// What is less is not worth a look, however quiet the machine was.
const LEAST: f64 = 1.05;

/// One of ours that got worse.
#[derive(Clone, Debug, PartialEq)]
struct Worse {
    /// The row's title.
    title: String,
    what: String,
    /// By how much, against the one against whom it is the least.
    times: f64,
    /// That one, with the ratios before and now.
    than: String,
    before: f64,
    now: f64,
}

/// What two runs say about each other.
#[derive(Default)]
struct Comparison {
    worse: Vec<Worse>,
    /// The figures of ours that were compared, of all that the saved run has.
    compared: Vec<String>,
    all: usize,
    /// What of ours the saved run has and this one has not, with the reason.
    gone: Vec<String>,
    /// Why something was not compared, and what.
    aside: BTreeMap<String, Vec<String>>,
}

/// Compares two runs, says what changed and what was not compared, and fails if something of ours got worse
/// or is gone; `again` measures rows once more.
pub(crate) fn compare(
    before: &Run,
    now: &Run,
    again: impl FnOnce(Vec<String>) -> Result<Option<Run>, Failure>,
) -> Result<(), Failure> {
    let Comparison { mut worse, compared, all, gone, aside } = Comparison::of(before, now);
    println!("\ncompared with {}: {} of {all} figures of ours", before.machine, compared.len());
    for (why, what) in &aside {
        println!("not compared, {why}: {}", what.join("; "));
    }
    for what in &gone {
        println!("gone: {what}");
    }
    if compared.is_empty() && gone.is_empty() {
        return Err("nothing in common with the saved run, or never at the same distance".into());
    }
    if !worse.is_empty() {
        let titles = worse.iter().map(|worse| worse.title.clone()).collect();
        if let Some(again) = again(titles)? {
            let second = Comparison::of(before, &again);
            // What could not be compared the second time is as bad as it was the first time.
            worse.retain(|first| {
                !second.compared.contains(&first.what)
                    || second.worse.iter().any(|worse| worse.what == first.what)
            });
        }
    }
    for Worse { what, times, than, before, now, .. } in &worse {
        println!("worse: {what}: {times:.2}x (by {than}: {before:.3}, now {now:.3})");
    }
    match (worse.len(), gone.len()) {
        (0, 0) => Ok(()),
        (0, gone) => Err(format!("{gone} of {all} figures are gone").into()),
        (worse, 0) => Err(format!("{worse} of {} figures got worse", compared.len()).into()),
        (worse, gone) => Err(format!("{worse} figures got worse, and {gone} are gone").into()),
    }
}

impl Comparison {
    fn of(before: &Run, now: &Run) -> Self {
        let mut this = Self::default();
        for old in &before.rows {
            let row = now.row(&old.key());
            for was in old.entries.iter().filter(|entry| !entry.turns.is_empty()) {
                let is_ours = was.kind == Kind::Ours;
                this.all += usize::from(is_ours);
                let entry = row.and_then(|row| row.entry(&was.who));
                match (row, entry) {
                    (Some(row), Some(entry)) if is_ours => this.add(row, entry, old, was),
                    (Some(_), Some(_)) => {}
                    _ if is_ours => {
                        this.gone.push(format!("{}: {}", name(old, was), why(row, was)))
                    }
                    (Some(_), None) => this.leave(&format!("{}: {}", was.who, why(row, was)), old),
                    (None, _) => {}
                }
            }
        }
        for row in now.rows.iter().filter(|row| before.row(&row.key()).is_none()) {
            this.leave("not in the saved run", row);
        }
        this
    }

    /// Compares one of ours with what it was.
    fn add(&mut self, row: &Row, entry: &Entry, old: &Row, was: &Entry) {
        // Over another distance everything that crosses cores has other ratios.
        if !row.is_like(old) {
            let apart = |row: &Row| row.distance.unwrap_or_default();
            let why = format!("cores {:.0} ns apart then, {:.0} ns now", apart(old), apart(row));
            return self.leave(&why, old);
        }
        let what = name(row, entry);
        let changes = changes(row, entry, old, was);
        let Some(least) = changes.iter().min_by(|a, b| a.times.total_cmp(&b.times)) else {
            self.aside.entry("nobody beside it in both runs".to_owned()).or_default().push(what);
            return;
        };
        if changes.iter().all(|change| change.is_worse) {
            self.worse.push(Worse {
                title: row.title(),
                what: what.clone(),
                times: least.times,
                than: least.than.clone(),
                before: least.before.median,
                now: least.now.median,
            });
        }
        self.compared.push(what);
    }

    /// Notes that something in this row is not compared.
    fn leave(&mut self, why: &str, row: &Row) {
        let rows = self.aside.entry(why.to_owned()).or_default();
        let row = format!("{} {}", row.group, title(row));
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
}

fn name(row: &Row, entry: &Entry) -> String {
    format!("{} {}, {}", row.group, title(row), entry.who)
}

/// Returns why one who was there has no figures now.
fn why(row: Option<&Row>, was: &Entry) -> String {
    let Some(row) = row else { return "the row is gone".to_owned() };
    match row.entries.iter().find(|entry| entry.who == was.who) {
        Some(entry) => entry.skipped.clone().unwrap_or_else(|| "no turn counts".to_owned()),
        None => "gone".to_owned(),
    }
}

/// How ours changed against one of the others.
struct Change {
    than: String,
    times: f64,
    before: Spread,
    now: Spread,
    is_worse: bool,
}

fn changes(row: &Row, entry: &Entry, old: &Row, was: &Entry) -> Vec<Change> {
    let others =
        row.entries.iter().filter(|other| !matches!(other.kind, Kind::Ours | Kind::Python));
    let change = |other: &Entry| {
        let (before, now) = (was.times(old.entry(&other.who)?)?, entry.times(other)?);
        let times = now.median / before.median;
        let is_worse = times > LEAST && now.least > before.most;
        Some(Change { than: other.who.clone(), times, before, now, is_worse })
    };
    others.filter_map(change).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    fn worse(before: &Run, now: &Run) -> (Vec<Worse>, usize) {
        let comparison = Comparison::of(before, now);
        (comparison.worse, comparison.compared.len())
    }

    #[test]
    fn only_what_is_beyond_the_noise_is_worse() {
        let before = small(1.0);
        assert_eq!(worse(&before, &before), (Vec::new(), 5));
        assert!(compare(&before, &before, |_| Ok(None)).is_ok());
        // The turns of `small` lie 1 % around their median.
        assert_eq!(worse(&before, &small(1.01)).0, []);
        let (found, compared) = worse(&before, &small(1.3));
        assert_eq!((found.len(), compared), (5, 5));
        assert!((found[0].times - 1.3).abs() < 0.001, "{found:?}");
        assert!(compare(&before, &small(1.3), |_| Ok(None)).is_err());
        assert_eq!(worse(&before, &small(0.7)).0, [], "better is not worse");
    }

    #[test]
    fn what_seems_worse_is_measured_again() {
        let (before, now) = (small(1.0), small(1.3));
        let asked = std::cell::RefCell::new(Vec::new());
        let again = |factor: f64| {
            let asked = &asked;
            move |titles| {
                *asked.borrow_mut() = titles;
                Ok(Some(small(factor)))
            }
        };
        assert!(compare(&before, &now, again(1.0)).is_ok(), "it was a moment");
        assert_eq!(asked.borrow()[0], "queue one to one 8");
        assert!(compare(&before, &now, again(1.4)).is_err());
    }

    #[test]
    fn one_of_the_others_alone_proves_nothing() {
        let (before, mut now) = (small(1.0), small(1.0));
        for turn in now.rows.iter_mut().flat_map(|row| &mut row.entries[1].turns) {
            *turn /= 2.0;
        }
        assert_eq!(worse(&before, &now).0, []);
    }

    #[test]
    fn rows_at_another_distance_are_named_and_not_compared() {
        let (before, mut now) = (small(1.0), small(2.0));
        now.rows[0].distance = Some(28.0);
        let found = Comparison::of(&before, &now);
        assert_eq!((found.compared.len(), found.worse.len(), found.all), (4, 4, 5));
        let what = &found.aside["cores 90 ns apart then, 28 ns now"];
        assert_eq!(what, &["queue one to one, 8 B".to_owned()]);
        now.rows.iter_mut().for_each(|row| row.distance = Some(400.0));
        assert!(compare(&before, &now, |_| Ok(None)).is_err(), "nothing is compared");
    }

    #[test]
    fn ours_may_not_vanish() {
        let before = small(1.0);
        let mut now = small(1.0);
        now.rows.remove(1);
        assert_eq!(
            Comparison::of(&before, &now).gone,
            ["queue one to one, 64 B, shm-queue, bytes: the row is gone"]
        );
        assert!(compare(&before, &now, |_| Ok(None)).is_err());

        let mut now = small(1.0);
        now.rows[0].entries[0].turns.clear();
        now.rows[0].entries[0].skipped = Some("stuck".to_owned());
        let found = Comparison::of(&before, &now);
        assert_eq!(found.gone, ["queue one to one, 8 B, shm-queue, bytes: stuck"]);
        assert_eq!((found.compared.len(), found.all), (4, 5));
        assert!(compare(&before, &now, |_| Ok(None)).is_err());
    }

    #[test]
    fn others_may_vanish_but_not_unsaid() {
        let (before, mut now) = (small(1.0), small(1.0));
        now.rows[0].entries.retain(|entry| entry.who != "pipe");
        let found = Comparison::of(&before, &now);
        assert_eq!(found.aside["pipe: gone"], ["queue one to one, 8 B"]);
        assert!(compare(&before, &now, |_| Ok(None)).is_ok());
        now.rows[0].entries.retain(|entry| entry.kind == Kind::Ours);
        let found = Comparison::of(&before, &now);
        let alone = &found.aside["nobody beside it in both runs"];
        assert_eq!(alone, &["queue one to one, 8 B, shm-queue, bytes"]);
        assert_eq!(Comparison::of(&now, &before).compared.len(), 4);
        let wanted = ["one to one 1024".to_owned()];
        assert_eq!(Comparison::of(&before.only(&wanted), &now).all, 1);
    }

    #[test]
    fn what_is_not_compared_again_stays_worse() {
        let again = |_| {
            let mut again = small(1.0);
            again.rows.iter_mut().for_each(|row| row.distance = Some(400.0));
            Ok(Some(again))
        };
        assert!(compare(&small(1.0), &small(1.3), again).is_err());
    }
}
