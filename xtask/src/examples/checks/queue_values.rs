//! Numbers through a queue of two, and its outcomes.

use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;

const OUTCOMES: &str =
    "shows empty, empty after a timeout, full, full after a timeout, and the size";
const TIMEOUTS: &str = "waits a second for each of the two timeouts";
const KEPT: &str = "keeps what was in the full queue";
const EQUAL: &str = "consumes the 6 random numbers that it produced, in their order";
const BOUNDED: &str = "lets the producer be no more than a full queue ahead";
const TWO: &str = "has one process that produces and another one that consumes";
const END: &str = "prints `Ended!` last, from its first process";

pub(super) const CHECK: Check =
    Check { rules: &[OUTCOMES, TIMEOUTS, KEPT, EQUAL, BOUNDED, TWO, END], judge };

const BEGINNINGS: [&str; 5] = [
    "Empty: the queue is empty",
    "Empty: the queue stayed empty",
    "Full: the queue is full, 0.3 ",
    "Full: the queue stayed full until the deadline, 0.4 ",
    "Queue size: 2 of 2",
];

/// What the queue holds, the number that waits before it, and the one behind it that is not printed yet.
const AHEAD: usize = 4;

fn judge(run: &Recording) -> Verdict {
    let last = run.last();
    let ended = last.is_some_and(|line| line.text == "Ended!" && run.is_mains(line));
    rule(ended, END, || format!("the last line was {last:?}"))?;

    let lines: Vec<_> = run.out().collect();
    let shown =
        BEGINNINGS.iter().zip(&lines).take_while(|(start, line)| line.text.starts_with(*start));
    let shown = shown.count();
    rule(shown == BEGINNINGS.len(), OUTCOMES, || {
        format!("instead of `{}`: {:?}", BEGINNINGS[shown], lines.get(shown))
    })?;
    let waited = lines[1].at >= run.seconds(1.0) && lines[3].at >= run.seconds(2.0);
    rule(waited, TIMEOUTS, || format!("too early: {} or {}", lines[1], lines[3]))?;
    let kept = lines.get(5).is_some_and(|line| line.text == "Main get 0.1 0.2");
    rule(kept, KEPT, || format!("{:?}", lines.get(5)))?;

    let put: Vec<_> = run.starting("Producer put ").collect();
    let got: Vec<_> = run.starting("Consumer get ").collect();
    let values: Vec<&str> = put.iter().map(|(_, value)| *value).collect();
    let numbers = values.iter().filter_map(|value| value.parse::<f64>().ok()).count();
    let equal = values.len() == 6 && values.iter().eq(got.iter().map(|(_, value)| value));
    rule(equal && numbers == 6 && distinct(&values), EQUAL, || {
        format!("put {values:?}, got {:?}", got.iter().map(|(_, value)| *value).collect::<Vec<_>>())
    })?;
    let mut ahead = 0;
    for line in &lines {
        if line.text.starts_with("Producer put ") {
            ahead += 1;
        } else if line.text.starts_with("Consumer get ") {
            ahead -= 1;
        }
        rule((0..=AHEAD as i32).contains(&ahead), BOUNDED, || format!("{ahead} ahead: {line}"))?;
    }
    let producer = put[0].0.writer();
    let consumer = got[0].0.writer();
    let two = put.iter().all(|(line, _)| line.writer() == producer)
        && got.iter().all(|(line, _)| line.writer() == consumer)
        && distinct([producer, consumer, Some(run.main)]);
    rule(two, TWO, || format!("the first lines came from {producer:?} and {consumer:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (MAIN, 1, "Empty: the queue is empty"),
            (MAIN, 201, "Empty: the queue stayed empty until the deadline"),
            (MAIN, 201, "Full: the queue is full, 0.3 was not sent"),
            (MAIN, 402, "Full: the queue stayed full until the deadline, 0.4 was not sent"),
            (MAIN, 402, "Queue size: 2 of 2"),
            (MAIN, 402, "Main get 0.1 0.2"),
            (101, 404, "Producer put 0.11"),
            (101, 404, "Producer put 0.12"),
            (101, 404, "Producer put 0.13"),
            (101, 404, "Producer put 0.14"),
            (102, 405, "Consumer get 0.11"),
            (101, 406, "Producer put 0.15"),
            (102, 605, "Consumer get 0.12"),
            (101, 606, "Producer put 0.16"),
            (102, 805, "Consumer get 0.13"),
            (102, 1005, "Consumer get 0.14"),
            (102, 1205, "Consumer get 0.15"),
            (102, 1405, "Consumer get 0.16"),
            (MAIN, 1606, "Ended!"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (OUTCOMES, |run| drop(run.lines.remove(0))),
                (OUTCOMES, |run| run.say(4, "Queue size: 3 of 2")),
                (TIMEOUTS, |run| run.hurry()),
                (TIMEOUTS, |run| run.lines[3].at /= 2),
                (KEPT, |run| run.say(5, "Main get 0.1 0.3")),
                (EQUAL, |run| run.exchange(14, 15)),
                (EQUAL, |run| run.say(17, "Consumer get 0.17")),
                (EQUAL, |run| drop(run.lines.remove(17))),
                (EQUAL, |run| {
                    for line in &mut run.lines {
                        line.text = line.text.replace("0.16", "0.15");
                    }
                }),
                (BOUNDED, |run| run.exchange(10, 11)),
                (TWO, |run| run.by(17, 101)),
                (TWO, |run| {
                    for line in &mut run.lines[6..18] {
                        line.writers = vec![101];
                    }
                }),
                (END, |run| drop(run.lines.pop())),
                (END, |run| run.by(18, 101)),
            ],
        );
    }
}
