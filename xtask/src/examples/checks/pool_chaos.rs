//! A pool whose workers are killed while they work.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const RIGHT: &str = "has all 400 results right";
const KILLS: &str =
    "has killed workers, lost some, and begun some tasks again, no more than it killed";

pub(super) const CHECK: Check = Check { rules: &[RIGHT, KILLS], judge };

fn judge(run: &Recording) -> Verdict {
    let texts = run.texts();
    let right = texts.first() == Some(&"400 of 400 results are right") && texts.len() == 2;
    rule(right, RIGHT, || format!("it printed {texts:?}"))?;
    let counts = counts(texts[1]);
    let likely =
        counts.is_some_and(|[kills, lost, again]| kills >= lost && lost >= again && again > 0);
    rule(likely, KILLS, || format!("{counts:?} of {:?}", texts[1]))
}

/// Reads `9 kills, 8 workers lost, 7 tasks begun again`.
fn counts(text: &str) -> Option<[u32; 3]> {
    let (kills, rest) = text.split_once(" kills, ")?;
    let (lost, rest) = rest.split_once(" workers lost, ")?;
    let again = rest.strip_suffix(" tasks begun again")?;
    Some([kills.parse().ok()?, lost.parse().ok()?, again.parse().ok()?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (MAIN, 700, "400 of 400 results are right"),
            (MAIN, 701, "9 kills, 8 workers lost, 7 tasks begun again"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (RIGHT, |run| run.say(0, "399 of 400 results are right")),
                (RIGHT, |run| drop(run.lines.pop())),
                (KILLS, |run| run.say(1, "0 kills, 0 workers lost, 0 tasks begun again")),
                (KILLS, |run| run.say(1, "2 kills, 1 workers lost, 2 tasks begun again")),
                (KILLS, |run| run.say(1, "many kills")),
            ],
        );
    }
}
