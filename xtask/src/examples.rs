//! `cargo xtask examples`: runs the tutorial's examples and checks what each of them does.

mod build;
mod capture;
mod checks;
pub(crate) mod deaths;
mod family;
mod record;
mod recording;

pub(crate) use checks::EXAMPLES;

use crate::Failure;
use build::Executables;
use checks::{Example, Hold};
use clap::Args;
use comfy_table::{Table, presets};
use record::{Way, record};
use recording::Recording;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::time::Duration;

/// What `cargo xtask examples` is told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The examples to run; all of them if none is named
    names: Vec<String>,
    /// Only lists the examples, with what each has to do
    #[arg(long)]
    list: bool,
    /// Sleeps as long as the tutorial does, instead of a fifth of it
    #[arg(long)]
    real_time: bool,
    /// Kills an example that takes longer than this many seconds
    #[arg(long, default_value_t = 120)]
    limit: u64,
    /// Runs the executables in this folder, instead of building them
    #[arg(long, value_name = "FOLDER")]
    built: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let examples = select(&arguments.names)?;
    if arguments.list {
        list(&examples);
        return Ok(());
    }
    let executables = match &arguments.built {
        Some(folder) => Executables::within(folder),
        None => build::build()?,
    };
    family::adopt_orphans()?;
    let mut table = table(&["example", "shows", "result", "time"]);
    let mut failed = Vec::new();
    for example in examples {
        progress(example.name);
        let run = run_one(example, &executables, arguments)?;
        let verdict = example.judge(&run);
        let result = if verdict.is_ok() { "ok" } else { "FAILED" };
        let time = format!("{:.2} s", run.took.as_secs_f64());
        table.add_row([example.name, example.shows, result, &time]);
        failed.extend(verdict.err().map(|broken| (example, broken, run)));
    }
    progress("");
    println!("{table}");
    for (example, broken, run) in &failed {
        println!("\n{}: {broken}\nwhat it did (time, process, text):\n{run}", example.name);
    }
    let names: Vec<&str> = failed.iter().map(|(example, ..)| example.name).collect();
    if names.is_empty() { Ok(()) } else { Err(format!("failed: {}", names.join(", ")).into()) }
}

/// Returns the examples with these names, all if there are none.
fn select(names: &[String]) -> Result<Vec<&'static Example>, Failure> {
    if names.is_empty() {
        return Ok(EXAMPLES.iter().collect());
    }
    let find = |name: &String| {
        let found = EXAMPLES.iter().find(|example| example.name == *name);
        found.ok_or_else(|| format!("there is no example `{name}`; `--list` shows all").into())
    };
    names.iter().map(find).collect()
}

fn list(examples: &[&Example]) {
    for example in examples {
        println!("{}: {}", example.name, example.shows);
        for rule in example.rules() {
            println!("    {rule}");
        }
    }
}

fn run_one(
    example: &Example,
    executables: &Executables,
    arguments: &Arguments,
) -> Result<Recording, Failure> {
    let hold_for = match example.hold {
        Hold::Not => 0,
        Hold::For(processes) => processes,
        Hold::ForCpus => std::thread::available_parallelism()?.get(),
    };
    let way = Way {
        // Those that are held must not go on by themselves while they are looked at.
        real_time: arguments.real_time || hold_for > 0,
        hold_for,
        limit: Duration::from_secs(arguments.limit),
        disturbance: None,
        grace: Duration::ZERO,
    };
    Ok(record(executables.path(example.name)?, &way)?)
}

/// Says on a terminal what is being done, in a line that the next one takes.
fn progress(text: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K{text}");
    }
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_refused_by_name() {
        let error = select(&["process_basic".to_string(), "nonsense".to_string()]).unwrap_err();
        assert!(error.to_string().contains("`nonsense`"));
        assert_eq!(select(&["lock_with".to_string()]).unwrap()[0].name, "lock_with");
        assert_eq!(select(&[]).unwrap().len(), EXAMPLES.len());
    }
}
