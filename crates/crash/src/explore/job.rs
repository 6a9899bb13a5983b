//! One row, run by a process of its own: forks are cheap in a small process, and a row that fails in a
//! new way takes only itself along.

use crate::Failure;
use crate::fault::Fault;
use crate::row::{Plan, Row, Seen};
use crate::scenes;
use clap::Args;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long a row may take, however it goes wrong.
const LONGEST: Duration = Duration::from_secs(900);

/// How a row ended.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// What was seen, or the fault and what was said about it.
    pub(crate) result: Result<Seen, (Fault, String)>,
    pub(crate) seconds: f64,
    /// What the processes of the row said.
    pub(crate) noise: String,
}

impl Verdict {
    pub(crate) fn is_as_wanted(&self, row: &Row) -> bool {
        self.result.as_ref().err().map(|(fault, _)| *fault) == row.wanted
    }
}

/// What the process of a row is told.
#[derive(Args, Debug)]
pub(crate) struct RowArguments {
    number: usize,
    /// 0 is [`Plan::stride`]'s `None`.
    stride: usize,
    times: usize,
    pairs: usize,
    /// In milliseconds.
    patience: u64,
}

/// Runs a row in a process of its own.
pub(crate) fn run(number: usize, plan: Plan) -> Verdict {
    let start = Instant::now();
    let output = call(number, plan);
    let seconds = start.elapsed().as_secs_f64();
    match output {
        Ok(output) => {
            let noise = String::from_utf8_lossy(&output.stderr).into_owned();
            Verdict { result: parse(&output), seconds, noise }
        }
        Err(error) => {
            let why = format!("failed to start the row's process: {error}");
            Verdict { result: Err((Fault::Incomplete, why)), seconds, noise: String::new() }
        }
    }
}

fn call(number: usize, plan: Plan) -> std::io::Result<Output> {
    // Also when the file was built anew meanwhile.
    Command::new("/proc/self/exe")
        .arg("row")
        .args(
            [number, plan.stride.unwrap_or(0), plan.times, plan.pairs]
                .map(|value| value.to_string()),
        )
        .arg(plan.patience.as_millis().to_string())
        .stdin(Stdio::null())
        .output()
}

/// Reads the line that [`run_row`] printed.
fn parse(output: &Output) -> Result<Seen, (Fault, String)> {
    let text = String::from_utf8_lossy(&output.stdout);
    if let Some(numbers) = text.strip_prefix("seen ") {
        let numbers: Vec<usize> = numbers.split_whitespace().flat_map(str::parse).collect();
        if let [points, asleep, missed, pairs, stride] = numbers[..] {
            return Ok(Seen { points, asleep, missed, pairs, stride });
        }
    }
    match text.strip_prefix("fault ") {
        Some(message) => Err((Fault::of(message), message.trim().to_owned())),
        // The watchdog ends a row that waits for ever, and says so.
        None => Err((Fault::Hangs, format!("the row itself ended early: {}", output.status))),
    }
}

/// What the row's own process does.
pub(crate) fn run_row(arguments: &RowArguments) -> Result<(), Failure> {
    set_pdeathsig(Signal::SIGKILL)?;
    let _dog = testkit::watchdog(LONGEST);
    multiproc_core::deadline::without_slices();
    let row = scenes::rows().nth(arguments.number).ok_or("there is no such row")?;
    let mut patience = Duration::from_millis(arguments.patience);
    if row.wanted.is_some() {
        // A hang is what we look for.
        patience = patience.min(Duration::from_secs(1));
    }
    let stride = Some(arguments.stride).filter(|stride| *stride > 0);
    let plan = Plan { stride, times: arguments.times, pairs: arguments.pairs, patience };
    match catch_unwind(AssertUnwindSafe(|| (row.run)(&plan))) {
        Ok(Seen { points, asleep, missed, pairs, stride }) => {
            println!("seen {points} {asleep} {missed} {pairs} {stride}");
        }
        Err(payload) => {
            let text = payload.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
            println!("fault {}", text.unwrap_or("a panic without a message"));
        }
    }
    Ok(())
}
