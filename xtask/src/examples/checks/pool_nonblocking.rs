//! Tasks that nobody waits for.

use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;
use std::collections::BTreeMap;

const FIRST: &str = "prints `Started processes` first, from its first process";
const LAST: &str = "prints `Subprocess done.` last, from its first process";
const TASKS: &str = "starts and ends tasks 0 to 3, each in one process that is not its first";
const THREE: &str = "runs three at a time: the fourth starts when one has ended";
const SLEEPS: &str = "sleeps for three seconds in each task";

pub(super) const CHECK: Check = Check { rules: &[FIRST, LAST, TASKS, THREE, SLEEPS], judge };

fn judge(run: &Recording) -> Verdict {
    let mut lines: Vec<_> = run.out().collect();
    let last = lines.pop();
    let done = last.is_some_and(|line| line.text == "Subprocess done." && run.is_mains(line));
    rule(done, LAST, || format!("the last line was {last:?}"))?;
    let first = lines.first();
    let started = first.is_some_and(|line| line.text == "Started processes" && run.is_mains(line));
    rule(started, FIRST, || format!("the first line was {first:?}"))?;
    lines.remove(0);

    // Task to worker, and whether it has ended.
    let mut tasks: BTreeMap<u32, (Option<u32>, bool)> = BTreeMap::new();
    let (mut running, mut most) = (0, 0);
    for line in &lines {
        let start = line.text.strip_prefix("Start process: ").and_then(|text| text.parse().ok());
        let end = line.text.strip_prefix("End process ").and_then(|text| text.parse().ok());
        let fits = match (start, end) {
            (Some(task), None) => {
                running += 1;
                tasks.insert(task, (line.writer(), false)).is_none()
            }
            (None, Some(task)) => {
                running -= 1;
                tasks.insert(task, (line.writer(), true)) == Some((line.writer(), false))
            }
            _ => false,
        };
        rule(fits && !run.is_mains(line), TASKS, || line.to_string())?;
        most = most.max(running);
        rule(most <= 3, THREE, || format!("four were running: {line}"))?;
        let turns = if end.is_none() {
            0
        } else if running == 0 {
            2
        } else {
            1
        };
        let slept = line.at >= run.seconds(f64::from(3 * turns));
        rule(slept, SLEEPS, || format!("too early: {line}"))?;
    }
    let all = tasks.keys().copied().eq(0..4) && tasks.values().all(|(_, ended)| *ended);
    rule(all, TASKS, || format!("tasks, workers, ended: {tasks:?}"))?;
    let first_three = lines[..3].iter().map(|line| line.writer());
    rule(most == 3 && distinct(first_three), THREE, || format!("{most} were running at most"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (MAIN, 5, "Started processes"),
            (101, 205, "Start process: 0"),
            (103, 205, "Start process: 2"),
            (102, 206, "Start process: 1"),
            (101, 806, "End process 0"),
            (101, 806, "Start process: 3"),
            (103, 807, "End process 2"),
            (102, 807, "End process 1"),
            (101, 1406, "End process 3"),
            (MAIN, 1410, "Subprocess done."),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (FIRST, |run| run.exchange(0, 1)),
                (FIRST, |run| run.by(0, 101)),
                (LAST, |run| drop(run.lines.pop())),
                (LAST, |run| run.by(9, 101)),
                (TASKS, |run| run.by(4, 102)),
                (TASKS, |run| run.by(1, MAIN)),
                (TASKS, |run| run.say(5, "Start process: 0")),
                (TASKS, |run| drop(run.lines.remove(8))),
                (TASKS, |run| run.say(3, "something else")),
                (THREE, |run| run.exchange(4, 5)),
                (THREE, |run| {
                    run.by(2, 101);
                    run.by(6, 101);
                }),
                (THREE, |run| {
                    // One after the other.
                    let order = [0, 1, 4, 2, 6, 3, 7, 5, 8, 9];
                    run.lines = order.into_iter().map(|line| run.lines[line].clone()).collect();
                    for (number, line) in (0..).zip(&mut run.lines) {
                        line.at = std::time::Duration::from_millis(number * 1400);
                    }
                }),
                (SLEEPS, |run| run.hurry()),
                (SLEEPS, |run| run.lines[8].at = run.lines[4].at),
            ],
        );
    }
}
