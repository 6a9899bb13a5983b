//! `cargo xtask bench`: measures what IPC costs, and makes a report of it.

mod against;
mod chart;
mod charts;
mod cores;
mod jobs;
mod model;
mod page;
mod readme;
mod run;
mod scale;
mod style;
mod summary;
mod tables;

use crate::{Failure, workspace};
use clap::Args;
use run::Run;
use std::fs;
use std::path::{Path, PathBuf};

/// The file of a run, in the report's folder; the next run writes it anew.
const RUN: &str = "run.jsonl";

/// What `cargo xtask bench` is told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Words of which a row's title has to hold one: `queue`, `round trip`, `pool apply`; all rows if none
    names: Vec<String>,
    /// Takes a look in little more than a minute, instead of figures to quote
    #[arg(long)]
    quick: bool,
    /// Makes the report of a run that was saved before, and measures nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "names"])]
    from: Option<PathBuf>,
    /// Compares with a saved run, a copy of `target/ipc-cost/run.jsonl`, and fails if something of ours got
    /// worse or is gone
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Puts the summary and a plot into README.md
    #[arg(long)]
    readme: bool,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = workspace::target().join("ipc-cost");
    fs::create_dir_all(&folder)?;
    let before = arguments.against.as_deref().map(Run::read).transpose()?;
    let run = match &arguments.from {
        Some(file) => Run::read(file)?,
        None => measure(&arguments.names, arguments.quick, &folder.join(RUN))?,
    };
    report(&run, &folder)?;
    print!("\n{}", summary::text(&run));
    for job in jobs::advice(&run) {
        println!("{job}");
    }
    println!("\nthe report: {}", folder.join("index.html").display());
    if arguments.from.is_none() {
        let file = folder.join(RUN);
        println!("the run: {}; a copy of it is what --from and --against read", file.display());
    }
    if arguments.readme {
        readme::write(&run, &workspace::root())?;
    }
    match before {
        Some(before) => against::compare(&before.only(&arguments.names), &run, |names| {
            let again = || measure(&names, arguments.quick, &folder.join("again.jsonl"));
            arguments.from.is_none().then(again).transpose()
        }),
        None => Ok(()),
    }
}

/// Builds the bench as users run it, and lets it run.
fn measure(names: &[String], quick: bool, file: &Path) -> Result<Run, Failure> {
    let mut command = workspace::cargo();
    command.args(["bench", "--quiet", "--package", "multiproc-benches", "--bench", "cost", "--"]);
    command.args(quick.then_some("--quick"));
    command.arg("--json").arg(std::path::absolute(file)?).args(names);
    let status = command.status()?;
    if !status.success() {
        return Err(format!("bench: {status}; what it measured is in {}", file.display()).into());
    }
    Run::read(file)
}

/// Writes all files of the report.
fn report(run: &Run, folder: &Path) -> Result<(), Failure> {
    fs::write(folder.join("index.html"), page::html(run)?)?;
    fs::write(folder.join("tables.md"), tables::markdown(run))?;
    fs::write(folder.join("tables.csv"), tables::csv(run)?)?;
    for chart in charts::all(run)? {
        fs::write(folder.join(format!("{}.svg", chart.name)), chart.standalone())?;
    }
    Ok(())
}
