//! The page: everything in one file, by day and by night, on a desk and on a telephone.

use super::chart::Chart;
use super::charts;
use super::cores;
use super::jobs;
use super::model::models;
use super::run::Run;
use super::style::night;
use super::summary::{self, times};
use super::tables::{also, kind, place, title};
use crate::Failure;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use multiproc_benches::{Kind, Row, Unit, amount};

const STYLE: &str = include_str!("page.css");

const KINDS: [Kind; 5] = [Kind::Ours, Kind::Threads, Kind::Peer, Kind::Python, Kind::Limit];

/// Returns the whole page.
pub(crate) fn html(run: &Run) -> Result<String, Failure> {
    let charts = charts::all(run)?;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "What IPC costs" }
                style { (PreEscaped(STYLE)) (PreEscaped(night())) }
            }
            body {
                main {
                    (head(run))
                    (overview(run))
                    @for chart in &charts { (figure(chart)) }
                    (advice(run))
                    (costs(run))
                    (all(run))
                    (method(run))
                }
            }
        }
    };
    Ok(page.into_string())
}

fn head(run: &Run) -> Markup {
    html! {
        h1 { "What IPC costs" }
        p.lead {
            "Locks, semaphores, queues, pipes and pools between processes, beside the same work between "
            "threads of one process, beside other crates, the kernel's own means and CPython. All took turns "
            "in one run; figures are medians."
        }
        p.machine { (run.machine.to_string()) @if run.machine.quick { ". A quick look, not figures to quote." } ". " (cores::text(run)) }
        ul.legend {
            @for of in KINDS {
                li { span class=(class(of)) {} (kind(of)) }
            }
        }
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Ours => "dot ours",
        Kind::Threads => "dot threads",
        Kind::Peer => "dot peer",
        Kind::Python => "dot python",
        Kind::Limit => "dot limit",
    }
}

/// Tables may be wider than a telephone: they scroll, the page does not.
fn scrolling(table: &Markup) -> Markup {
    html! { div.scroll tabindex="0" { (table) } }
}

fn overview(run: &Run) -> Markup {
    let lines = summary::lines(run);
    html! {
        @if !lines.is_empty() {
            h2 { "In short" }
            (scrolling(&html! {
                table {
                    thead { tr { @for name in summary::HEADER { th { (name) } } } }
                    tbody {
                        @for line in &lines {
                            tr {
                                th { (line.what) }
                                td.ours { (line.ours) }
                                @for cell in &line.others {
                                    td {
                                        @if let Some(cell) = cell {
                                            b { (times(cell.times)) } " "
                                            small { (cell.figure) br; (cell.who) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }))
            p.note { "2x: takes twice as much as these crates, turn by turn. Below 1x it takes less than they do." }
        }
    }
}

fn figure(chart: &Chart) -> Markup {
    html! {
        figure {
            figcaption { (chart.title) }
            div.wide { (PreEscaped(&chart.wide)) }
            div.narrow { (PreEscaped(&chart.narrow)) }
        }
    }
}

fn advice(run: &Run) -> Markup {
    let advice = jobs::advice(run);
    html! {
        @if !advice.is_empty() {
            h2 { "Which primitive for which job" }
            (scrolling(&html! {
                table {
                    thead { tr { th { "job" } th { "cheapest here" } th { "takes" } th { "the others" } } }
                    tbody {
                        @for job in &advice {
                            @let (best, cost) = job.ways[0];
                            tr {
                                th { (job.job) }
                                td { code { (best) } }
                                td.figure { (amount(cost, Unit::Nanos)) }
                                td.words { (job.others()) }
                            }
                        }
                    }
                }
            }))
        }
    }
}

fn costs(run: &Run) -> Markup {
    let models = models(run);
    html! {
        @if !models.is_empty() {
            h2 { "What a message costs, by its size" }
            p {
                "Lines fitted to the medians, so much for each message and so much for each byte; and from which "
                "payload on a process costs a tenth more than the quickest threads."
            }
            (scrolling(&html! {
                table {
                    thead { tr { th { "" } th { "who" } th { "cost" } th { "off by at most" } th { "a tenth dearer than threads" } } }
                    tbody {
                        @for model in &models {
                            tr {
                                th { (model.what) }
                                td.figure { span class=(class(model.kind)) {} (model.who) }
                                td.figure { (model.cost.formula()) }
                                td { (format!("{:.0} %", model.cost.off * 100.0)) }
                                td.figure { @if let Some(dearer) = &model.dearer { (dearer.to_string()) } }
                            }
                        }
                    }
                }
            }))
        }
    }
}

fn all(run: &Run) -> Markup {
    html! {
        h2 { "All figures" }
        @for group in run.groups() {
            details {
                summary { (group) }
                @for row in run.rows.iter().filter(|row| row.group == group) { (table(row)) }
            }
        }
    }
}

fn table(row: &Row) -> Markup {
    let ours = row.ours();
    html! {
        h3 { (title(row)) }
        p.note { (place(row)) }
        (scrolling(&html! {
            table {
                thead { tr { th { "who" } th { "median" } th { "least - most" } th { "times ours" } th { "" } } }
                tbody {
                    @for entry in &row.entries {
                        tr {
                            th { span class=(class(entry.kind)) {} (entry.who) }
                            @if let Some(spread) = entry.spread() {
                                td.figure { (amount(spread.median, row.unit)) }
                                td.figure { (amount(spread.least, row.unit)) " - " (amount(spread.most, row.unit)) }
                                td.figure {
                                    @if let Some(ratio) = ours.and_then(|ours| entry.times(ours)) {
                                        (format!("{:.2}x", ratio.median))
                                        small { (format!(" {:.2} - {:.2}", ratio.least, ratio.most)) }
                                    }
                                }
                                td { small { (also(entry)) } }
                            } @else {
                                td colspan="4" { "skipped: " (entry.skipped.as_deref().unwrap_or("no turn counts")) }
                            }
                        }
                    }
                }
            }
        }))
    }
}

fn method(run: &Run) -> Markup {
    let skipped = run.skipped();
    html! {
        h2 { "How it was measured" }
        ul {
            li { "All who take part in a row take turns, again and again, and are idle in between. What the machine does meanwhile is done to all of them; ratios pair turns." }
            li { "Workers of one row are at the same places: pinned to a core each, all to one core, or wherever the scheduler puts them, as each table says." }
            li { "The way of a cache line between the cores is measured before and after each turn. On virtual machines it jumps; of each row only turns at one distance count, with near cores where there are enough of them, and the distance stands above the table." }
            li { "A round trip's figure is its median; the mean beside it is ruled by the few that sleep." }
            li { "Small messages go by value. Large ones are copied in and out by ours, copied in once by blocks and iceoryx2, and between threads the pointer to a new heap block is passed: that is one copy, too." }
            li { "Totals are checked after every turn: nothing lost, nothing doubled, no two in a lock at once." }
            li { "iceoryx2, shaq's sender and the bare ring look again and again instead of sleeping; iceoryx2 gives every message to every subscriber, so it has no row with two receivers." }
        }
        @if !skipped.is_empty() {
            p { "Skipped:" }
            ul { @for (who, why, places) in &skipped { li { (who) ": " (why) " (" (places) ")" } } }
        }
        p.note { "Made by " code { "cargo xtask bench" } ". The same as tables: " code { "tables.md" } ", " code { "tables.csv" } "." }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn the_page_needs_nothing_else() {
        let page = html(&small(1.0)).unwrap();
        for part in [
            "<!DOCTYPE html>",
            "prefers-color-scheme",
            "class=\"narrow\"",
            "In short",
            "skipped: not here",
        ] {
            assert!(page.contains(part), "no {part}");
        }
        for outside in ["src=", "href=", "url(", "@import"] {
            assert!(!page.contains(outside), "{outside} reaches for another file");
        }
    }
}
