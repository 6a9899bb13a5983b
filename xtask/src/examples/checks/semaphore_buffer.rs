//! A producer and a consumer who share two places.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const FIRST: &str = "prints two lines of the producer first";
const BOUNDS: &str = "has no less than 0 and no more than 2 elements in the buffer at any moment";
const ROUNDS: &str = "produces and consumes 6 elements";
const TWO: &str = "has one process that produces and another one that consumes";
const SLEEPS: &str = "sleeps for a second in each turn, while it has the lock";
const END: &str = "prints `Ended!` last, from its first process";

pub(super) const CHECK: Check = Check { rules: &[FIRST, BOUNDS, ROUNDS, TWO, SLEEPS, END], judge };

const APPEND: &str = "Producer append an element";
const POP: &str = "Consumer pop an element";

fn judge(run: &Recording) -> Verdict {
    let mut lines: Vec<_> = run.out().collect();
    let last = lines.pop();
    let ended = last.is_some_and(|line| line.text == "Ended!" && run.is_mains(line));
    rule(ended, END, || format!("the last line was {last:?}"))?;
    let first: Vec<&str> = lines.iter().take(2).map(|line| line.text.as_str()).collect();
    rule(first == [APPEND, APPEND], FIRST, || format!("it printed {first:?}"))?;

    let mut elements = 0;
    for line in &lines {
        elements += match line.text.as_str() {
            APPEND => 1,
            POP => -1,
            _ => 0,
        };
        let fits = (0..=2).contains(&elements);
        rule(fits, BOUNDS, || format!("{elements} elements after: {line}"))?;
    }
    let counts = [APPEND, POP].map(|text| lines.iter().filter(|line| line.text == text).count());
    rule(counts == [6, 6] && lines.len() == 12, ROUNDS, || {
        format!("{counts:?} of {} lines", lines.len())
    })?;
    let writers = [APPEND, POP].map(|text| {
        let mut writers: Vec<_> =
            lines.iter().filter(|line| line.text == text).map(|line| line.writer()).collect();
        writers.dedup();
        writers
    });
    let two = matches!([&writers[0][..], &writers[1][..]], [[Some(producer)], [Some(consumer)]]
        if producer != consumer && *producer != run.main && *consumer != run.main);
    rule(two, TWO, || format!("producers and consumers: {writers:?}"))?;
    for (number, line) in (0..).zip(lines) {
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
        let mut lines: Vec<_> = [0, 0, 1, 0, 1, 1, 0, 0, 1, 1, 0, 1]
            .into_iter()
            .zip((5..).step_by(201))
            .map(|(who, at)| (101 + who, at, if who == 0 { APPEND } else { POP }))
            .collect();
        lines.push((MAIN, 2500, "Ended!"));
        proves(
            &CHECK,
            &run(&lines),
            &[
                (FIRST, |run| run.exchange(1, 2)),
                (BOUNDS, |run| run.exchange(2, 3)),
                (BOUNDS, |run| run.exchange(4, 6)),
                (ROUNDS, |run| drop(run.lines.remove(11))),
                (ROUNDS, |run| run.say(11, "something")),
                (TWO, |run| run.by(0, 102)),
                (TWO, |run| {
                    for line in &mut run.lines {
                        line.writers = vec![MAIN];
                    }
                }),
                (SLEEPS, |run| run.hurry()),
                (END, |run| drop(run.lines.pop())),
                (END, |run| run.by(12, 101)),
            ],
        );
    }
}
