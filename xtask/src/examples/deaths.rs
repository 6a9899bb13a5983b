//! `cargo xtask deaths`: kills and interrupts the examples while they run.
//!
//! Whatever is done to one process of an example, the others have to end: nobody hangs, no process is
//! left, and nothing is left in `/dev/shm`.

use super::build::{self, Executables};
use super::checks::Example;
use super::family::{self, Member, descendants};
use super::record::{Way, record};
use super::recording::{Ending, Recording};
use super::{progress, select, table};
use crate::Failure;
use clap::Args;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What `cargo xtask deaths` is told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The examples to run; all of them if none is named
    names: Vec<String>,
    /// How often each death is tried, at another moment each time
    #[arg(long, default_value_t = 3)]
    rounds: u32,
}

/// How long it may take until everybody has ended. In real time, so generous.
const LIMIT: Duration = Duration::from_secs(60);

/// How long the processes may outlive one that was killed: the kernel tells them by a signal.
const GRACE: Duration = Duration::from_secs(5);

/// Something that happens to an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    /// One of its processes is killed, not the first.
    ChildKilled,
    /// Its first process is killed.
    ParentKilled,
    /// Ctrl-C in a terminal: all of its processes get the signal.
    Interrupted,
    /// Only its first process gets that signal.
    ParentInterrupted,
}

const DEATHS: [(Death, &str); 4] = [
    (Death::ChildKilled, "a child killed"),
    (Death::ParentKilled, "the parent killed"),
    (Death::Interrupted, "Ctrl-C"),
    (Death::ParentInterrupted, "SIGINT to the parent"),
];

/// Runs the command.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let examples = select(&arguments.names)?;
    let executables = build::build()?;
    family::adopt_orphans()?;
    let header: Vec<&str> =
        ["example"].into_iter().chain(DEATHS.iter().map(|(_, name)| *name)).collect();
    let mut table = table(&header);
    let mut failures = Vec::new();
    for example in examples {
        let mut row = vec![example.name.to_string()];
        for (death, name) in DEATHS {
            progress(&format!("{}: {name}", example.name));
            let mut seen: BTreeMap<&str, Duration> = BTreeMap::new();
            for round in 0..arguments.rounds {
                let (hit, run) = suffer(example, &executables, death, round)?;
                let verdict = judge(death, hit.is_some(), &run);
                let longest =
                    seen.entry(verdict.as_ref().map_or("FAILED", |ending| ending)).or_default();
                *longest =
                    hit.map_or(Duration::ZERO, |at| run.gone.saturating_sub(at)).max(*longest);
                if let Err(fault) = verdict {
                    failures.push(format!("{}, {name}: {fault}\n{run}", example.name));
                }
            }
            let cell = |(what, longest): (&&str, &Duration)| match *what {
                "ends" => format!("ends in {} ms", longest.as_millis()),
                _ => (*what).to_string(),
            };
            row.push(seen.iter().map(cell).collect::<Vec<_>>().join(", "));
        }
        table.add_row(row);
    }
    progress("");
    println!("{table}");
    for failure in &failures {
        println!("\n{failure}");
    }
    if failures.is_empty() { Ok(()) } else { Err(format!("{} failed", failures.len()).into()) }
}

/// Runs an example, and lets `death` come over it as soon as it has a child, or a little later.
fn suffer(
    example: &Example,
    executables: &Executables,
    death: Death,
    round: u32,
) -> Result<(Option<Duration>, Recording), Failure> {
    let start = Instant::now();
    let first_seen: Cell<Option<Duration>> = Cell::new(None);
    let hit = Cell::new(None);
    let disturb = |main: u32| {
        let Ok(children) = descendants(main) else { return false };
        let running: Vec<&Member> = children.iter().filter(|child| child.state != 'Z').collect();
        if running.is_empty() {
            return false;
        }
        let seen = first_seen.get().unwrap_or_else(|| start.elapsed());
        first_seen.set(Some(seen));
        // 0, 47, 188, 423 ms after its first child was seen.
        if start.elapsed() < seen + Duration::from_millis(u64::from(47 * round * round)) {
            return false;
        }
        let now = start.elapsed();
        let victim = running[round as usize % running.len()];
        let number = if death == Death::ChildKilled { victim.pid } else { main };
        let Some(pid) = i32::try_from(number).ok().and_then(Pid::from_raw) else { return false };
        // The first process is not reaped yet; a child may be, and then the number is nobody's.
        let done = match death {
            Death::ChildKilled | Death::ParentKilled => kill_process(pid, Signal::KILL),
            Death::Interrupted => kill_process_group(pid, Signal::INT),
            Death::ParentInterrupted => kill_process(pid, Signal::INT),
        };
        hit.set(done.ok().map(|()| now));
        hit.get().is_some()
    };
    let way = Way {
        real_time: false,
        hold_for: 0,
        limit: LIMIT,
        disturbance: Some(&disturb),
        grace: GRACE,
    };
    let run = record(executables.path(example.name)?, &way)?;
    Ok((hit.get(), run))
}

/// Says how the example took it, or what it did wrong.
fn judge(death: Death, hit: bool, run: &Recording) -> Result<&'static str, String> {
    if !run.survivors.is_empty() || !run.litter.is_empty() {
        return Err("something was left behind".to_string());
    }
    match (death, run.ending) {
        (_, Ending::Late) => Err("somebody hung".to_string()),
        (_, Ending::Code(0)) if !hit => Ok("was faster"),
        (_, ending) if !hit => Err(format!("undisturbed, {ending}")),
        (Death::ChildKilled, Ending::Code(0)) => Ok("goes on"),
        (Death::ChildKilled, Ending::Code(1)) => Ok("says so"),
        (Death::ParentKilled, Ending::Signal(9)) => Ok("ends"),
        (Death::Interrupted | Death::ParentInterrupted, Ending::Signal(2)) => Ok("ends"),
        // The signal came while it was ending anyway.
        (Death::ParentKilled | Death::Interrupted | Death::ParentInterrupted, Ending::Code(0)) => {
            Ok("was faster")
        }
        (_, ending) => Err(format!("it ended in another way: {ending}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::run as written;

    #[test]
    fn a_hang_and_a_survivor_are_failures() {
        let mut run = written(&[]);
        assert_eq!(judge(Death::ChildKilled, true, &run), Ok("goes on"));
        run.ending = Ending::Late;
        assert!(judge(Death::ChildKilled, true, &run).is_err());
        run.ending = Ending::Signal(2);
        assert!(judge(Death::Interrupted, true, &run).is_ok());
        assert!(judge(Death::Interrupted, false, &run).is_err());
        assert!(judge(Death::ParentKilled, true, &run).is_err());
        assert!(judge(Death::ChildKilled, true, &run).is_err());
        run.survivors.push("process 7".to_string());
        assert!(judge(Death::Interrupted, true, &run).is_err());
    }
}
