//! The table: each row in a process of its own, as many at once as there are CPUs.

mod job;
mod table;

use crate::Failure;
use crate::row::{Plan, Row};
use crate::scenes;
use clap::Args;
use job::Verdict;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use job::{RowArguments, run_row};

/// What the command takes.
#[derive(Args, Debug)]
#[command(after_help = table::MISSED)]
pub(crate) struct Arguments {
    /// Only rows with one of these in their name
    names: Vec<String>,
    /// Kill at every how many instructions; 1 for all. If not given, wherever anything has changed that
    /// another process or the kernel could tell
    #[arg(long)]
    stride: Option<usize>,
    /// How many victims at each of these places, for what others do then goes one way or the other; not
    /// with `--stride`
    #[arg(long, default_value_t = 3)]
    times: usize,
    /// About how many double kills in each row that has any; 0 for all
    #[arg(long, default_value_t = 400)]
    pairs: usize,
    /// How many rows at once; twice the number of CPUs, if not given, for half of them wait
    #[arg(long)]
    jobs: Option<usize>,
    /// Names the rows and does nothing
    #[arg(long)]
    list: bool,
}

impl Arguments {
    fn plan(&self, row: &Row) -> Plan {
        // A control is to be found out, whatever is left out elsewhere.
        let stride = self.stride.map(|stride| if row.wanted.is_some() { 1 } else { stride.max(1) });
        let times = if row.wanted.is_some() { self.times.max(10) } else { self.times.max(1) };
        Plan { stride, times, pairs: self.pairs, patience: Duration::from_secs(10) }
    }
}

/// Runs the rows that are meant and prints the table.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let rows: Vec<(usize, &Row)> =
        scenes::rows().enumerate().filter(|(_, row)| row.is_meant_by(&arguments.names)).collect();
    if rows.is_empty() {
        return Err("no row has such a name: see `--list`".into());
    }
    if arguments.list {
        rows.iter().for_each(|(_, row)| println!("{}", row.name()));
        return Ok(());
    }
    let start = Instant::now();
    let cpus = || thread::available_parallelism().map_or(1, Into::into);
    let jobs = arguments.jobs.unwrap_or_else(|| 2 * cpus()).max(1);
    let verdicts = run_all(&rows, arguments, jobs)?;
    let plans: Vec<Plan> = rows.iter().map(|(_, row)| arguments.plan(row)).collect();
    table::print(&rows, &plans, &verdicts, start.elapsed());
    let bad = rows.iter().zip(&verdicts).filter(|((_, row), verdict)| !verdict.is_as_wanted(row));
    match bad.count() {
        0 => Ok(()),
        bad => Err(format!("{bad} of {} rows are not as they must be", rows.len()).into()),
    }
}

fn run_all(
    rows: &[(usize, &Row)],
    arguments: &Arguments,
    jobs: usize,
) -> Result<Vec<Verdict>, Failure> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                // Relaxed: nothing but the number itself is shared through it.
                while let Some((number, row)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = job::run(*number, arguments.plan(row));
                    table::progress(row, &verdict);
                    done.lock().unwrap().push((*number, verdict));
                }
            });
        }
    });
    let mut done = done.into_inner()?;
    done.sort_by_key(|(number, _)| *number);
    Ok(done.into_iter().map(|(_, verdict)| verdict).collect())
}
