//! Results, each as soon as there is one.

use super::pool_blocking::{tasks_in_workers, tasks_sleep};
use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const ORDER: &str = "prints each task's start, its end and its result, then the next one's";
const WORKERS: &str = "runs each task in a process of the pool, and prints the rest from its first";
const SLEEPS: &str = "sleeps for three seconds in each task";

pub(super) const CHECK: Check = Check { rules: &[ORDER, WORKERS, SLEEPS], judge };

fn judge(run: &Recording) -> Verdict {
    let mut wanted: Vec<String> = (0..4)
        .flat_map(|task| {
            [format!("Start process: {task}"), format!("End process {task}"), task.to_string()]
        })
        .collect();
    wanted.extend(["Started processes", "Subprocess done."].map(String::from));
    rule(run.texts() == wanted, ORDER, || format!("it printed {:?}", run.texts()))?;
    tasks_in_workers(run, WORKERS)?;
    tasks_sleep(run, SLEEPS)
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
            (MAIN, 606, "0"),
            (102, 606, "Start process: 1"),
            (102, 1206, "End process 1"),
            (MAIN, 1207, "1"),
            (101, 1207, "Start process: 2"),
            (101, 1807, "End process 2"),
            (MAIN, 1808, "2"),
            (103, 1808, "Start process: 3"),
            (103, 2408, "End process 3"),
            (MAIN, 2409, "3"),
            (MAIN, 2409, "Started processes"),
            (MAIN, 2410, "Subprocess done."),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (ORDER, |run| run.say(5, "0")),
                (ORDER, |run| run.exchange(2, 3)),
                (ORDER, |run| drop(run.lines.remove(11))),
                (WORKERS, |run| run.by(2, 101)),
                (WORKERS, |run| run.by(3, MAIN)),
                (SLEEPS, |run| run.hurry()),
            ],
        );
    }
}
