//! Many files, read by many processes.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const VERIFIED: &str =
    "reads at least one file, none of them unreadable, and gets the same digests twice";
const RATES: &str = "says how many files a second one process and the pool read";
const SPEED_UP: &str = "says by how much the pool is faster, which is the quotient of the two";
const POOL: &str = "has as many processes in its pool as it says, one for each CPU";
const READERS: &str = "reads all files in processes of the pool";

/// What it says of the pool's digests. If they differed, it would end in another way.
const SAME: &str = ", with the same digests";

pub(super) const CHECK: Check = Check { rules: &[VERIFIED, RATES, SPEED_UP, POOL, READERS], judge };

fn judge(run: &Recording) -> Verdict {
    let texts = run.texts();
    let files = texts.get(1).and_then(|text| files(text));
    rule(files.is_some_and(|files| files > 0), VERIFIED, || format!("it printed {texts:?}"))?;
    let alone = texts.get(2).and_then(|text| rate(text));
    let together = texts.get(3).and_then(|text| text.strip_suffix(SAME));
    rule(together.is_some(), VERIFIED, || format!("it printed {texts:?}"))?;
    let together = together.and_then(rate);
    let (Some((1, alone)), Some((workers, together))) = (alone, together) else {
        return rule(false, RATES, || format!("it printed {texts:?}"));
    };
    rule(alone > 0.0 && together > 0.0, RATES, || format!("{alone} and {together}"))?;
    let said = texts.last().and_then(|text| text.strip_prefix("Speed-up: ")?.parse::<f64>().ok());
    let quotient = together / alone;
    // What it printed is rounded.
    let right = said.is_some_and(|said| (said - quotient).abs() <= 0.006 + quotient / alone);
    rule(right, SPEED_UP, || format!("{quotient:.3}, and it said {said:?}"))?;
    let cpus = workers == run.cpus || workers == run.cpus + 1;
    rule(workers == run.held.len() && cpus, POOL, || {
        format!("it said {workers} and had {:?} where {} CPUs can be used", run.held, run.cpus)
    })?;
    let readers: Vec<_> = texts[4..texts.len() - 1].iter().map(|text| reader(text)).collect();
    let by_pool =
        readers.iter().all(|reader| reader.is_some_and(|reader| run.held.contains(&reader.pid)));
    let read = readers.iter().flatten().map(|reader| reader.files).sum::<u64>();
    let rounds = readers.iter().flatten().map(|reader| reader.rounds).max();
    let all = files.zip(rounds).is_some_and(|(files, rounds)| read == files * rounds);
    rule(by_pool && all, READERS, || format!("{readers:?}; processes of the pool: {:?}", run.held))
}

/// Reads `Files: 120 of 3.4 MB, 0 unreadable`.
fn files(text: &str) -> Option<u64> {
    let (files, rest) = text.strip_prefix("Files: ")?.split_once(" of ")?;
    rest.ends_with(" MB, 0 unreadable").then_some(files.parse().ok()?)
}

/// Reads `1 process: 50 files/s`.
fn rate(text: &str) -> Option<(usize, f64)> {
    let (who, rate) = text.strip_suffix(" files/s")?.split_once(": ")?;
    Some((who.split(' ').next()?.parse().ok()?, rate.parse().ok()?))
}

/// What one process of the pool did.
#[derive(Clone, Copy, Debug)]
struct Reader {
    pid: u32,
    files: u64,
    rounds: u64,
}

/// Reads `Process 4711 read 60 files in 3 rounds`.
fn reader(text: &str) -> Option<Reader> {
    let (pid, rest) = text.strip_prefix("Process ")?.split_once(" read ")?;
    let (files, rest) = rest.split_once(" files in ")?;
    let rounds = rest.strip_suffix(" rounds")?.parse().ok()?;
    Some(Reader { pid: pid.parse().ok()?, files: files.parse().ok()?, rounds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let mut good = run(&[
            (MAIN, 700, "Folder: /root/.cargo/registry/src"),
            (MAIN, 700, "Files: 4000 of 53.9 MB, 0 unreadable"),
            (MAIN, 700, "1 process: 46871 files/s"),
            (MAIN, 700, "2 workers: 88000 files/s, with the same digests"),
            (MAIN, 700, "Process 101 read 9500 files in 5 rounds"),
            (MAIN, 700, "Process 102 read 10500 files in 5 rounds"),
            (MAIN, 700, "Speed-up: 1.88"),
        ]);
        good.held = [101, 102].into();
        proves(
            &CHECK,
            &good,
            &[
                (VERIFIED, |run| run.say(1, "Files: 0 of 0.0 MB, 0 unreadable")),
                (VERIFIED, |run| run.say(1, "Files: 4000 of 53.9 MB, 7 unreadable")),
                (VERIFIED, |run| run.say(3, "2 workers: 88000 files/s")),
                (RATES, |run| run.say(3, "2 workers: 0 files/s, with the same digests")),
                (RATES, |run| run.say(2, "2 process: 46871 files/s")),
                (RATES, |run| run.say(2, "1 process: fast")),
                (SPEED_UP, |run| run.say(6, "Speed-up: 1.98")),
                (SPEED_UP, |run| drop(run.lines.pop())),
                (READERS, |run| drop(run.lines.remove(4))),
                (READERS, |run| run.say(4, "Process 100 read 9500 files in 5 rounds")),
                (READERS, |run| run.say(4, "Process 101 read 9499 files in 5 rounds")),
                (POOL, |run| run.say(3, "3 workers: 88000 files/s, with the same digests")),
                (POOL, |run| run.held = [101].into()),
                (POOL, |run| {
                    run.say(3, "9 workers: 88000 files/s, with the same digests");
                    run.held = (101..110).collect();
                }),
            ],
        );
    }
}
