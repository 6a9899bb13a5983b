//! Lines that a lock keeps whole.

use super::lock_without::{LINES, is_whole};
use super::process_subclass::{is_interleaved, parse};
use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;
use std::collections::BTreeMap;

const WHOLE: &str = "shows 60 lines `Pid: p LoopCount: c`, none of them garbled";
const COUNTS: &str = "has five processes that count 10 to 14 times, each from 0";
const TOGETHER: &str = "runs them at the same time: their lines are interleaved";
const COUNTED: &str = "says at the end that no line is garbled";

pub(super) const CHECK: Check = Check { rules: &[WHOLE, COUNTS, TOGETHER, COUNTED], judge };

fn judge(run: &Recording) -> Verdict {
    let mut texts = run.texts();
    let summary = texts.pop().unwrap_or_default();
    let garbled = texts.iter().find(|text| !is_whole(text));
    rule(garbled.is_none() && texts.len() == LINES, WHOLE, || {
        format!("of {} lines this is the first garbled one: {garbled:?}", texts.len())
    })?;
    let mut counts: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for (pid, count) in run.out().filter_map(parse) {
        counts.entry(pid).or_default().push(count);
    }
    let mut loops: Vec<usize> = counts.values().map(Vec::len).collect();
    loops.sort_unstable();
    let rising = counts.values().all(|counts| counts.iter().copied().eq(0..counts.len() as u32));
    let five = loops == [10, 11, 12, 13, 14] && rising && !counts.contains_key(&run.main);
    rule(five, COUNTS, || format!("they counted {counts:?}"))?;
    rule(is_interleaved(run), TOGETHER, || "each had ended before the next began".to_string())?;
    let wanted = format!("0 of {LINES} lines are garbled");
    rule(summary == wanted, COUNTED, || format!("it said `{summary}` instead of `{wanted}`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let texts: Vec<String> = (0..14)
            .flat_map(|count| {
                let pids = (101..106).filter(move |pid| count < pid - 91);
                pids.map(move |pid| format!("Pid: {pid} LoopCount: {count}"))
            })
            .collect();
        let mut lines: Vec<_> = texts.iter().map(|text| (MAIN, 1, text.as_str())).collect();
        lines.push((MAIN, 1, "0 of 60 lines are garbled"));
        proves(
            &CHECK,
            &run(&lines),
            &[
                (WHOLE, |run| drop(run.lines.remove(0))),
                (WHOLE, |run| run.say(0, "Pid: 101 LoopCount: 0Pid: 102 LoopCount: 0")),
                (COUNTS, |run| run.say(0, "Pid: 102 LoopCount: 0")),
                (COUNTS, |run| run.exchange(0, 5)),
                (COUNTS, |run| {
                    for line in &mut run.lines {
                        line.text = line.text.replace("101", "100");
                    }
                }),
                (TOGETHER, |run| run.lines[..60].sort_by_key(parse)),
                (COUNTED, |run| run.say(60, "1 of 60 lines are garbled")),
            ],
        );
    }
}
