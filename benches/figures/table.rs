//! The table: two sides that take turns, and a row for them.

use std::time::Instant;

/// How often each side has its turn; a quick look with `--test`, as `.ci/run` takes it.
pub(crate) fn turns() -> usize {
    if is_quick() { 1 } else { 15 }
}

pub(crate) fn is_quick() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

pub(crate) fn fewer(count: u64) -> u64 {
    if is_quick() { count / 100 } else { count }
}

pub(crate) fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Says whether rows of this name are wanted: those that hold the first word of the command line.
pub(crate) fn is_wanted(what: &str) -> bool {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    wanted.is_none_or(|wanted| what.contains(&wanted))
}

pub(crate) fn head() {
    println!(
        "| what | ours, median | other, median | the other | ours / other, median | least - most |"
    );
    println!("|---|---|---|---|---|---|");
}

/// Lets two sides take turns, and prints a row: what each took, times `unit`, and the ratios.
pub(crate) fn row(
    what: &str,
    unit: f64,
    name: &str,
    mut ours: impl FnMut() -> f64,
    mut other: impl FnMut() -> f64,
) {
    if !is_wanted(what) {
        return;
    }
    ours();
    other();
    let pairs: Vec<_> = (0..turns()).map(|_| (ours() * unit, other() * unit)).collect();
    let us = median(pairs.iter().map(|pair| pair.0).collect());
    let them = median(pairs.iter().map(|pair| pair.1).collect());
    let ratios: Vec<_> = pairs.iter().map(|pair| pair.0 / pair.1).collect();
    let (least, most) =
        ratios.iter().fold((f64::MAX, 0f64), |(least, most), &r| (least.min(r), most.max(r)));
    let ratio = median(ratios);
    println!(
        "| {what:<42} | {us:>10.2} | {them:>10.2} | {name:<26} | {ratio:>5.2} | {least:>5.2} - {most:<5.2} |"
    );
}
