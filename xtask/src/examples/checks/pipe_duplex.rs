//! Two words that cross.

use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;

const WORDS: &str =
    "prints that each received the other's words, the producer first, then `Ended!`";
const THREE: &str = "prints each line from another process, the last from its first";

pub(super) const CHECK: Check = Check { rules: &[WORDS, THREE], judge };

fn judge(run: &Recording) -> Verdict {
    let texts = run.texts();
    let wanted =
        ["Producer Received: Consumer Words", "Consumer Received: Producer Words", "Ended!"];
    rule(texts == wanted, WORDS, || format!("it printed {texts:?}"))?;
    let three = distinct(run.out().map(|line| line.writer()))
        && run.last().is_some_and(|line| run.is_mains(line));
    rule(three, THREE, || {
        format!("they came from {:?}", run.out().map(|line| line.writer()).collect::<Vec<_>>())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (101, 5, "Producer Received: Consumer Words"),
            (102, 6, "Consumer Received: Producer Words"),
            (MAIN, 8, "Ended!"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (WORDS, |run| run.exchange(0, 1)),
                (WORDS, |run| run.say(1, "Consumer Received: Consumer Words")),
                (WORDS, |run| drop(run.lines.pop())),
                (THREE, |run| run.by(1, 101)),
                (THREE, |run| run.by(2, 103)),
            ],
        );
    }
}
