//! Five lines, each from a process of its own.

use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;

const NUMBERS: &str = "prints `Process: 0` to `Process: 4`, in any order, and nothing else";
const OWN: &str = "prints each line from another process, none from its first";

pub(super) const CHECK: Check = Check { rules: &[NUMBERS, OWN], judge };

fn judge(run: &Recording) -> Verdict {
    let mut texts = run.texts();
    texts.sort_unstable();
    let wanted: Vec<String> = (0..5).map(|number| format!("Process: {number}")).collect();
    rule(texts == wanted, NUMBERS, || format!("it printed {texts:?}"))?;
    let writers: Vec<_> = run.out().filter_map(|line| line.writer()).collect();
    let own = distinct(writers.iter().chain([&run.main]));
    rule(own, OWN, || format!("the lines came from {writers:?}, the first process is {}", run.main))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (102, 3, "Process: 1"),
            (101, 3, "Process: 0"),
            (105, 4, "Process: 4"),
            (104, 5, "Process: 3"),
            (103, 6, "Process: 2"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (NUMBERS, |run| run.say(0, "Process: 0")),
                (NUMBERS, |run| drop(run.lines.pop())),
                (NUMBERS, |run| run.lines.push(run.lines[0].clone())),
                (OWN, |run| run.by(0, 101)),
                (OWN, |run| run.by(4, MAIN)),
            ],
        );
    }
}
