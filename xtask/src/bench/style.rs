//! Colours, for paper and for the night.
//!
//! Plots are drawn in the colours of the day. A style sheet changes them by their values, so that the same
//! plot follows the reader's choice, in the page as well as alone.

use multiproc_benches::Kind;
use plotters::style::RGBColor;

/// Text and axes.
pub(crate) const INK: RGBColor = RGBColor(0x1B, 0x1F, 0x24);
/// Lesser text.
pub(crate) const GREY: RGBColor = RGBColor(0x5F, 0x68, 0x72);
/// Lines behind the figures.
pub(crate) const GRID: RGBColor = RGBColor(0xE3, 0xE6, 0xEA);
const OURS: RGBColor = RGBColor(0x0B, 0x5F, 0xCC);
const THREADS: RGBColor = RGBColor(0xB8, 0x55, 0x00);
const PEER: RGBColor = RGBColor(0x0E, 0x7C, 0x6B);
const PYTHON: RGBColor = RGBColor(0x8A, 0x2D, 0xA5);
const LIMIT: RGBColor = RGBColor(0x80, 0x86, 0x8E);

/// By day, and by night.
const PAIRS: [(RGBColor, &str); 8] = [
    (INK, "#e6e9ee"),
    (GREY, "#9aa4b0"),
    (GRID, "#2b313a"),
    (OURS, "#6cb0ff"),
    (THREADS, "#ffab5e"),
    (PEER, "#58cbb5"),
    (PYTHON, "#d79bea"),
    (LIMIT, "#7d8590"),
];

/// Returns the colour of those of a kind.
pub(crate) fn colour(kind: Kind) -> RGBColor {
    match kind {
        Kind::Ours => OURS,
        Kind::Threads => THREADS,
        Kind::Peer => PEER,
        Kind::Python => PYTHON,
        Kind::Limit => LIMIT,
    }
}

/// Returns a colour as plots and style sheets write it.
pub(crate) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}

/// Returns the rules that turn plots to the colours of the night.
pub(crate) fn night() -> String {
    let rules = PAIRS.map(|(day, night)| {
        let day = hex(day);
        format!("svg [fill=\"{day}\"]{{fill:{night}}}svg [stroke=\"{day}\"]{{stroke:{night}}}")
    });
    format!("@media (prefers-color-scheme: dark){{{}}}", rules.concat())
}
