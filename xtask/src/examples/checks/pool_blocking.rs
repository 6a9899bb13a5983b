//! Tasks one after the other.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const ORDER: &str =
    "starts and ends tasks 0 to 3 strictly in turn, then prints that it has started them";
const WORKERS: &str = "runs each task in a process of the pool, and prints the rest from its first";
const SLEEPS: &str = "sleeps for three seconds in each task";

pub(super) const CHECK: Check = Check { rules: &[ORDER, WORKERS, SLEEPS], judge };

fn judge(run: &Recording) -> Verdict {
    let mut wanted: Vec<String> = (0..4)
        .flat_map(|task| [format!("Start process: {task}"), format!("End process {task}")])
        .collect();
    wanted.extend(["Started processes", "Subprocess done."].map(String::from));
    rule(run.texts() == wanted, ORDER, || format!("it printed {:?}", run.texts()))?;
    tasks_in_workers(run, WORKERS)?;
    tasks_sleep(run, SLEEPS)
}

/// Every task begins and ends in one process of the pool; other lines are the first process's own.
pub(super) fn tasks_in_workers(run: &Recording, name: &'static str) -> Verdict {
    let mut worker = None;
    for line in run.out() {
        let starts = line.text.starts_with("Start process: ");
        let ends = line.text.starts_with("End process ");
        let right = match (starts, ends) {
            (true, _) => !run.is_mains(line),
            (_, true) => line.writer() == worker,
            _ => run.is_mains(line),
        };
        rule(right, name, || line.to_string())?;
        worker = line.writer();
    }
    Ok(())
}

/// Tasks that wait for one another end at 3, 6, 9 and 12 seconds at the earliest.
pub(super) fn tasks_sleep(run: &Recording, name: &'static str) -> Verdict {
    for (number, (line, _)) in (1..).zip(run.starting("End process ")) {
        let slept = line.at >= run.seconds(f64::from(3 * number));
        rule(slept, name, || format!("too early: {line}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (101, 5, "Start process: 0"),
            (101, 605, "End process 0"),
            (102, 606, "Start process: 1"),
            (102, 1206, "End process 1"),
            (101, 1207, "Start process: 2"),
            (101, 1807, "End process 2"),
            (103, 1808, "Start process: 3"),
            (103, 2408, "End process 3"),
            (MAIN, 2409, "Started processes"),
            (MAIN, 2410, "Subprocess done."),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (ORDER, |run| run.exchange(1, 2)),
                (ORDER, |run| run.exchange(7, 8)),
                (ORDER, |run| drop(run.lines.pop())),
                (WORKERS, |run| run.by(1, 102)),
                (WORKERS, |run| run.by(0, MAIN)),
                (WORKERS, |run| run.by(9, 103)),
                (SLEEPS, |run| run.hurry()),
            ],
        );
    }
}
