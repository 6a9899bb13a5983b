//! Tasks that take too long, and one that is cancelled.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const OUTCOMES: &str = "ends the tasks of 60 and 90 seconds after three, and has the others done";
const WORKERS: &str = "has the others done by processes of the pool";
const CANCELLED: &str = "cancels a running task, and ends";
const PATIENCE: &str = "gives each of the long ones its three seconds";

pub(super) const CHECK: Check = Check { rules: &[OUTCOMES, WORKERS, CANCELLED, PATIENCE], judge };

const DONE: &str = ": done by process ";
const LATE: &str = ": ended after 3 s";

fn judge(run: &Recording) -> Verdict {
    let texts = run.texts();
    let outcome = |place: usize, seconds: &str, how: &str| {
        texts.get(place).is_some_and(|text| text.starts_with(&format!("{seconds} s{how}")))
    };
    let outcomes = outcome(0, "1", DONE)
        && outcome(1, "60", LATE)
        && outcome(2, "2", DONE)
        && outcome(3, "90", LATE)
        && outcome(4, "1", DONE);
    rule(outcomes, OUTCOMES, || format!("it printed {texts:?}"))?;
    let pids: Vec<_> = texts.iter().filter_map(|text| text.split_once(DONE)).collect();
    let own = pids.iter().all(|(_, pid)| pid.parse::<u32>().is_ok_and(|pid| pid != run.main));
    rule(own && pids.len() == 3, WORKERS, || format!("it printed {texts:?}"))?;
    let end = ["Cancelled: true", "120 s: ended when nobody wanted it"];
    rule(texts[5..] == end, CANCELLED, || format!("it printed {texts:?}"))?;
    let at = |seconds: &str| {
        let line = run.out().find(|line| line.text == format!("{seconds} s{LATE}"));
        line.map(|line| line.at)
    };
    let patient = at("60")
        .zip(at("90"))
        .is_some_and(|(first, second)| first >= run.seconds(3.0) && second >= run.seconds(4.0));
    rule(patient, PATIENCE, || format!("{:?}", run.lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (MAIN, 205, "1 s: done by process 101"),
            (MAIN, 610, "60 s: ended after 3 s"),
            (MAIN, 611, "2 s: done by process 101"),
            (MAIN, 1215, "90 s: ended after 3 s"),
            (MAIN, 1216, "1 s: done by process 103"),
            (MAIN, 1420, "Cancelled: true"),
            (MAIN, 1421, "120 s: ended when nobody wanted it"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (OUTCOMES, |run| run.say(1, "60 s: done by process 102")),
                (OUTCOMES, |run| run.say(4, "1 s: ended after 3 s")),
                (OUTCOMES, |run| run.lines.truncate(2)),
                (WORKERS, |run| run.say(0, "1 s: done by process 100")),
                (CANCELLED, |run| run.say(5, "Cancelled: false")),
                (CANCELLED, |run| drop(run.lines.pop())),
                (PATIENCE, |run| run.hurry()),
            ],
        );
    }
}
