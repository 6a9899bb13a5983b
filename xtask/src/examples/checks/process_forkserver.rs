//! Processes that find in their memory what one other process has made.

use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;

const COUNTS: &str = "prints the primes of four quarters: 41538, 36960, 35657 and 34778";
const OWN: &str = "prints each of them from another process, none from its first";
const MADE: &str = "tells of a table that one other process made, for all of them";
const TIMES: &str = "ends with the times of both ways to start, from its first process";

pub(super) const CHECK: Check = Check { rules: &[COUNTS, OWN, MADE, TIMES], judge };

/// The primes below half a million, and in the three half millions that follow.
const PRIMES: [&str; 4] = ["34778", "35657", "36960", "41538"];

fn judge(run: &Recording) -> Verdict {
    let parts: Vec<_> = run.out().filter(|line| line.text.contains(" primes from ")).collect();
    let mut counts: Vec<_> = parts.iter().filter_map(|line| line.text.split(' ').next()).collect();
    counts.sort_unstable();
    rule(counts == PRIMES, COUNTS, || format!("it printed {:?}", run.texts()))?;
    let writers: Vec<_> = parts.iter().filter_map(|line| line.writer()).collect();
    let own = distinct(writers.iter().chain([&run.main]));
    rule(own, OWN, || {
        format!("the lines came from {writers:?}, the first process is {}", run.main)
    })?;
    let maker = |text: &str| text.split("process ").nth(1)?.split(' ').next()?.parse().ok();
    let makers: Vec<Option<u32>> = parts.iter().map(|line| maker(&line.text)).collect();
    let one = makers.iter().all(|maker| {
        maker.is_some_and(|pid| pid != run.main && !writers.contains(&pid)) && *maker == makers[0]
    });
    rule(one, MADE, || format!("it tells of {makers:?}"))?;
    let last = run.last().filter(|line| {
        run.is_mains(line)
            && line.text.starts_with("One process takes ")
            && line.text.matches(" us by ").count() == 2
    });
    rule(last.is_some() && run.out().count() == 5, TIMES, || format!("{:?}", run.texts()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let good = run(&[
            (103, 3, "41538 primes from 0 to 500000, by a table that process 101 made"),
            (102, 3, "36960 primes from 500000 to 1000000, by a table that process 101 made"),
            (105, 4, "35657 primes from 1000000 to 1500000, by a table that process 101 made"),
            (104, 5, "34778 primes from 1500000 to 2000000, by a table that process 101 made"),
            (MAIN, 9, "One process takes 220 us by the fork server, 930 us by Spawn"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (COUNTS, |run| drop(run.lines.remove(0))),
                (COUNTS, |run| run.say(0, "41539 primes from 0 to 500000, by a table")),
                (OWN, |run| run.by(0, 102)),
                (OWN, |run| run.by(1, MAIN)),
                (MADE, |run| run.say(0, "41538 primes from 0 to 500000, by a table of its own")),
                (MADE, |run| run.say(0, "41538 primes from 0, by what process 102 made")),
                (MADE, |run| run.say(3, "34778 primes from 0, by what process 106 made")),
                (TIMES, |run| run.by(4, 101)),
                (TIMES, |run| drop(run.lines.pop())),
                (TIMES, |run| run.lines.push(run.lines[4].clone())),
            ],
        );
    }
}
