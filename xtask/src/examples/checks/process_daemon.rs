//! Daemons that are ended before they say a word.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const ALONE: &str = "prints `Main process Ended!` from its first process, and nothing else";
const STARTED: &str = "had three processes when it printed that";

pub(super) const CHECK: Check = Check { rules: &[ALONE, STARTED], judge };

/// How many there must have been: without them the output would be the same.
pub(super) const DAEMONS: usize = 3;

fn judge(run: &Recording) -> Verdict {
    let alone = run.texts() == ["Main process Ended!"] && run.out().all(|line| run.is_mains(line));
    rule(alone, ALONE, || format!("it printed {:?}", run.texts()))?;
    rule(run.held.len() == DAEMONS, STARTED, || format!("it had {:?}", run.held))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let mut good = run(&[(MAIN, 5, "Main process Ended!")]);
        good.held = [101, 102, 103].into();
        proves(
            &CHECK,
            &good,
            &[
                (ALONE, |run| run.lines.clear()),
                (ALONE, |run| run.lines.push(run.lines[0].clone())),
                (ALONE, |run| run.by(0, 101)),
                (STARTED, |run| run.held = [101, 102].into()),
            ],
        );
    }
}
