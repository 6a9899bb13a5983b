//! Whether something got worse than it was in a saved run.
//!
//! Ratios are compared, never times: what ours took by what another took in the same turns. Of a row's
//! others each has moods of its own, so ours got worse only if it did against *every* one of them; and by
//! more than the noise, which is how far the ratios of one run lie apart. What seems worse is measured once
//! more: a moment in which the machine had other things to do does not come twice at the same row.

use super::run::Run;
use super::tables::title;
use crate::Failure;
use multiproc_benches::{Entry, Kind, Row, Spread};

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

/// Compares two runs, says what changed, and fails if something got worse; `again` measures rows once more.
pub(crate) fn compare(
    before: &Run,
    now: &Run,
    again: impl FnOnce(Vec<String>) -> Result<Option<Run>, Failure>,
) -> Result<(), Failure> {
    let (mut found, compared) = worse(before, now);
    println!("\ncompared with {}: {compared} figures of ours", before.machine);
    if compared == 0 {
        return Err("nothing in common with the saved run, or never at the same distance".into());
    }
    if !found.is_empty() {
        let titles = found.iter().map(|worse| worse.title.clone()).collect();
        if let Some(again) = again(titles)? {
            let (still, _) = worse(before, &again);
            found.retain(|first| still.iter().any(|second| second.what == first.what));
        }
    }
    for Worse { what, times, than, before, now, .. } in &found {
        println!("worse: {what}: {times:.2}x (by {than}: {before:.3}, now {now:.3})");
    }
    match found.len() {
        0 => Ok(()),
        count => Err(format!("{count} of {compared} figures got worse").into()),
    }
}

fn worse(before: &Run, now: &Run) -> (Vec<Worse>, usize) {
    let (mut worse, mut compared) = (Vec::new(), 0);
    for row in &now.rows {
        let Some(old) = before.row(&row.key()) else { continue };
        // Over another distance everything that crosses cores has other ratios.
        if !old.is_like(row) {
            continue;
        }
        for entry in row.entries.iter().filter(|entry| entry.kind == Kind::Ours) {
            let Some(was) = old.entry(&entry.who) else { continue };
            let changes = changes(row, entry, old, was);
            compared += usize::from(!changes.is_empty());
            let least = changes.iter().min_by(|a, b| a.times.total_cmp(&b.times));
            if changes.iter().all(|change| change.is_worse) {
                worse.extend(least.map(|change| Worse {
                    title: row.title(),
                    what: format!("{} {}, {}", row.group, title(row), entry.who),
                    times: change.times,
                    than: change.than.clone(),
                    before: change.before.median,
                    now: change.now.median,
                }));
            }
        }
    }
    (worse, compared)
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
    fn near_and_far_are_not_compared() {
        let (before, mut now) = (small(1.0), small(2.0));
        now.rows.iter_mut().for_each(|row| row.distance = Some(400.0));
        assert_eq!(worse(&before, &now), (Vec::new(), 0));
        assert!(compare(&before, &now, |_| Ok(None)).is_err());
    }
}
