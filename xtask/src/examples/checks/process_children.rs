//! Sleeping children, and their parent's list of them.

use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;
use std::collections::BTreeMap;

const NUMBERS: &str = "prints `Process: 0` to `Process: 4`, each from another process";
const SLEEPS: &str = "lets process n sleep for n seconds";
const CPUS: &str = "says how many CPUs there are, once";
const LIST: &str =
    "lists children by name and pid: `Process-1` is the one that prints `Process: 0`";
const ALIVE: &str = "lists every child that was alive, once";
const NO_WAIT: &str = "prints `Process Ended` before the last child's line";

pub(super) const CHECK: Check =
    Check { rules: &[NUMBERS, SLEEPS, CPUS, LIST, ALIVE, NO_WAIT], judge };

const END: &str = "Process Ended";

fn judge(run: &Recording) -> Verdict {
    // Number to pid.
    let mut children: BTreeMap<u32, u32> = BTreeMap::new();
    for (line, rest) in run.starting("Process: ") {
        if let (Ok(number), Some(writer)) = (rest.parse(), line.writer()) {
            children.insert(number, writer);
            let slept = line.at >= run.seconds(f64::from(number));
            rule(slept, SLEEPS, || format!("too early: {line}"))?;
        }
    }
    let numbers = children.keys().copied().eq(0..5) && run.starting("Process: ").count() == 5;
    let own = distinct(children.values().chain([&run.main]));
    rule(numbers && own, NUMBERS, || format!("numbers and their pids: {children:?}"))?;

    let counts: Vec<_> =
        run.starting("CPU number:").map(|(_, count)| count.parse::<usize>()).collect();
    // The standard library rounds a container's quota down, and multiproc rounds it up.
    let right = matches!(counts[..], [Ok(count)] if count == run.cpus || count == run.cpus + 1);
    rule(right, CPUS, || format!("it said {counts:?} where {} can be used", run.cpus))?;

    let mut listed = Vec::new();
    for (line, rest) in run.starting("Child process name: ") {
        let child = listed_child(rest);
        let known = child.is_some_and(|(number, pid)| children.get(&number) == Some(&pid));
        rule(known && run.is_mains(line), LIST, || line.to_string())?;
        listed.extend(child);
    }
    let Some(end) = run.position(END) else {
        return rule(false, NO_WAIT, || format!("it never printed `{END}`"));
    };
    let after: Vec<u32> = run.out().skip(end).filter_map(|line| line.writer()).collect();
    let alive = children.iter().filter(|(_, pid)| after.contains(pid));
    let missing = alive.clone().any(|(number, pid)| !listed.contains(&(*number, *pid)));
    rule(!missing && distinct(&listed), ALIVE, || {
        format!("alive were at least {:?}, listed {listed:?}", alive.collect::<Vec<_>>())
    })?;
    rule(after.iter().any(|writer| *writer != run.main), NO_WAIT, || {
        format!("`{END}` was the last line")
    })
}

/// Reads `Process-3 id: 4711` as the number that this child prints, and its pid.
fn listed_child(text: &str) -> Option<(u32, u32)> {
    let (name, pid) = text.split_once(" id: ")?;
    let number: u32 = name.strip_prefix("Process-")?.parse().ok()?;
    Some((number.checked_sub(1)?, pid.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (101, 3, "Process: 0"),
            (MAIN, 4, "CPU number:2"),
            (MAIN, 4, "Child process name: Process-2 id: 102"),
            (MAIN, 4, "Child process name: Process-4 id: 104"),
            (MAIN, 4, "Child process name: Process-5 id: 105"),
            (MAIN, 4, "Child process name: Process-3 id: 103"),
            (MAIN, 4, "Process Ended"),
            (102, 203, "Process: 1"),
            (103, 403, "Process: 2"),
            (104, 603, "Process: 3"),
            (105, 803, "Process: 4"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (NUMBERS, |run| run.say(10, "Process: 3")),
                (NUMBERS, |run| run.by(10, 104)),
                (SLEEPS, |run| run.hurry()),
                (CPUS, |run| drop(run.lines.remove(1))),
                (CPUS, |run| run.say(1, "CPU number:0")),
                (CPUS, |run| run.say(1, "CPU number:64")),
                (LIST, |run| run.say(2, "Child process name: Process-2 id: 103")),
                (LIST, |run| run.say(2, "Child process name: Process-9 id: 102")),
                (LIST, |run| run.by(2, 102)),
                (ALIVE, |run| drop(run.lines.remove(4))),
                (ALIVE, |run| run.lines.insert(4, run.lines[3].clone())),
                (NO_WAIT, |run| drop(run.lines.remove(6))),
                (NO_WAIT, |run| {
                    let end = run.lines.remove(6);
                    run.lines.push(end);
                }),
            ],
        );
    }
}
