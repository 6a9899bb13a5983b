//! One daemon after the other.

use super::process_subclass::parse;
use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;

const END: &str = "prints `Main process Ended!` last, from its first process";
const OWN_PID: &str = "prints `Pid: p LoopCount: c` lines before that, each from the process p";
const IN_TURN: &str = "runs processes that count to 2, 3 and 4, one after the other";
const SLEEPS: &str = "sleeps for a second before each line";

pub(super) const CHECK: Check = Check { rules: &[END, OWN_PID, IN_TURN, SLEEPS], judge };

fn judge(run: &Recording) -> Verdict {
    let mut lines: Vec<_> = run.out().collect();
    let last = lines.pop();
    let ended = last.is_some_and(|line| line.text == "Main process Ended!" && run.is_mains(line));
    rule(ended, END, || format!("the last line was {last:?}"))?;
    let mut counted = Vec::new();
    for line in &lines {
        let own = parse(line).filter(|(pid, _)| line.writers == [*pid] && *pid != run.main);
        rule(own.is_some(), OWN_PID, || line.to_string())?;
        counted.extend(own);
    }
    let turns: Vec<_> = counted.chunk_by(|a, b| a.0 == b.0).collect();
    let counts: Vec<u32> = counted.iter().map(|(_, count)| *count).collect();
    let in_turn = counts == [0, 1, 0, 1, 2, 0, 1, 2, 3]
        && turns.iter().map(|turn| turn.len()).eq([2, 3, 4])
        && distinct(turns.iter().map(|turn| turn[0].0));
    rule(in_turn, IN_TURN, || format!("pids and counts: {counted:?}"))?;
    for (number, line) in (1..).zip(lines) {
        let slept = line.at >= run.seconds(f64::from(number));
        rule(slept, SLEEPS, || format!("too early: {line}"))?;
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
            (101, 202, "Pid: 101 LoopCount: 0"),
            (101, 402, "Pid: 101 LoopCount: 1"),
            (102, 604, "Pid: 102 LoopCount: 0"),
            (102, 804, "Pid: 102 LoopCount: 1"),
            (102, 1004, "Pid: 102 LoopCount: 2"),
            (103, 1206, "Pid: 103 LoopCount: 0"),
            (103, 1406, "Pid: 103 LoopCount: 1"),
            (103, 1606, "Pid: 103 LoopCount: 2"),
            (103, 1806, "Pid: 103 LoopCount: 3"),
            (MAIN, 1808, "Main process Ended!"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (END, |run| drop(run.lines.pop())),
                (END, |run| run.exchange(8, 9)),
                (END, |run| run.by(9, 103)),
                (OWN_PID, |run| run.by(0, MAIN)),
                (OWN_PID, |run| run.say(0, "Pid: 102 LoopCount: 0")),
                (IN_TURN, |run| run.exchange(1, 2)),
                (IN_TURN, |run| drop(run.lines.remove(8))),
                (SLEEPS, |run| run.hurry()),
            ],
        );
    }
}
