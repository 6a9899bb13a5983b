//! Three counters of one type, at the same time.

use super::{Check, Verdict, rule};
use crate::examples::recording::{Line, Recording};
use std::collections::BTreeMap;

const OWN_PID: &str =
    "prints `Pid: p LoopCount: c` lines only, each from the process p, not its first";
const COUNTS: &str = "has three processes that count 2, 3 and 4 times, each from 0";
const SLEEPS: &str = "sleeps for a second before each line";
const TOGETHER: &str = "runs them at the same time: their lines are interleaved";

pub(super) const CHECK: Check = Check { rules: &[OWN_PID, COUNTS, SLEEPS, TOGETHER], judge };

fn judge(run: &Recording) -> Verdict {
    let mut counts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for line in run.out() {
        let (pid, count) =
            parse(line).filter(|(pid, _)| line.writers == [*pid]).unwrap_or((run.main, 0));
        rule(pid != run.main, OWN_PID, || line.to_string())?;
        counts.entry(pid).or_default().push(count);
    }
    let mut loops: Vec<usize> = counts.values().map(Vec::len).collect();
    loops.sort_unstable();
    let rising = counts.values().all(|counts| counts.iter().copied().eq(0..counts.len() as u32));
    rule(loops == [2, 3, 4] && rising, COUNTS, || format!("they counted {counts:?}"))?;
    for line in run.out() {
        let turn = parse(line).map_or(0, |(_, count)| count + 1);
        let slept = line.at >= run.seconds(f64::from(turn));
        rule(slept, SLEEPS, || format!("too early: {line}"))?;
    }
    rule(is_interleaved(run), TOGETHER, || "each had ended before the next began".to_string())
}

/// Reads `Pid: 28116 LoopCount: 0`.
pub(super) fn parse(line: &Line) -> Option<(u32, u32)> {
    let (pid, count) = line.text.strip_prefix("Pid: ")?.split_once(" LoopCount: ")?;
    Some((pid.parse().ok()?, count.parse().ok()?))
}

/// Says whether some process wrote again after another had written.
pub(super) fn is_interleaved(run: &Recording) -> bool {
    let pids: Vec<u32> = run.out().filter_map(parse).map(|(pid, _)| pid).collect();
    let turns = pids.chunk_by(|a, b| a == b).count();
    let processes = pids.iter().collect::<std::collections::BTreeSet<_>>().len();
    turns > processes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (101, 201, "Pid: 101 LoopCount: 0"),
            (103, 202, "Pid: 103 LoopCount: 0"),
            (102, 202, "Pid: 102 LoopCount: 0"),
            (101, 402, "Pid: 101 LoopCount: 1"),
            (102, 402, "Pid: 102 LoopCount: 1"),
            (103, 402, "Pid: 103 LoopCount: 1"),
            (102, 602, "Pid: 102 LoopCount: 2"),
            (103, 603, "Pid: 103 LoopCount: 2"),
            (103, 803, "Pid: 103 LoopCount: 3"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (OWN_PID, |run| run.by(0, 102)),
                (OWN_PID, |run| run.say(0, "Process: 0")),
                (OWN_PID, |run| {
                    run.say(0, "Pid: 100 LoopCount: 0");
                    run.by(0, MAIN);
                }),
                (COUNTS, |run| drop(run.lines.pop())),
                (COUNTS, |run| run.exchange(0, 3)),
                (SLEEPS, |run| run.hurry()),
                (TOGETHER, |run| {
                    run.lines.sort_by_key(|line| line.writers[0]);
                    for (number, line) in (1..).zip(&mut run.lines) {
                        line.at = std::time::Duration::from_millis(number * 201);
                    }
                }),
            ],
        );
    }
}
