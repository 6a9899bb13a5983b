//! Lines that were written into one another.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const ALL: &str = "shows all of 60 lines, in pieces";
const GARBLED: &str = "garbles: some lines are not `Pid: p LoopCount: c`";
const COUNTED: &str = "says at the end how many lines are garbled";

pub(super) const CHECK: Check = Check { rules: &[ALL, GARBLED, COUNTED], judge };

/// Five processes write 10, 11, 12, 13 and 14 lines.
pub(super) const LINES: usize = 60;

fn judge(run: &Recording) -> Verdict {
    let mut texts = run.texts();
    let summary = texts.pop().unwrap_or_default();
    let shown = texts.join("\n");
    let pieces = |piece| shown.matches(piece).count();
    let all = [texts.len(), pieces("Pid: "), pieces("LoopCount: ")];
    rule(all == [LINES; 3], ALL, || format!("lines, and both pieces: {all:?}"))?;
    let garbled = texts.iter().filter(|text| !is_whole(text)).count();
    rule(garbled > 0, GARBLED, || "none is".to_string())?;
    let wanted = format!("{garbled} of {LINES} lines are garbled");
    rule(summary == wanted, COUNTED, || format!("it said `{summary}` instead of `{wanted}`"))
}

/// Says whether a line is as its writer meant it.
pub(super) fn is_whole(text: &str) -> bool {
    let words: Vec<&str> = text.split(' ').collect();
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty();
    matches!(words[..], ["Pid:", pid, "LoopCount:", count] if number(pid) && number(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let mut lines = vec![(MAIN, 1, "Pid: 7 LoopCount: 0"); 58];
        lines.push((MAIN, 1, "Pid: 7 LoopCount: 1Pid: 8 LoopCount: 1"));
        lines.push((MAIN, 1, ""));
        lines.push((MAIN, 1, "2 of 60 lines are garbled"));
        proves(
            &CHECK,
            &run(&lines),
            &[
                (ALL, |run| drop(run.lines.remove(0))),
                (ALL, |run| run.say(0, "")),
                (GARBLED, |run| {
                    run.say(58, "Pid: 7 LoopCount: 1");
                    run.say(59, "Pid: 8 LoopCount: 1");
                }),
                (COUNTED, |run| run.say(60, "3 of 60 lines are garbled")),
            ],
        );
    }

    #[test]
    fn only_the_format_itself_is_whole() {
        assert!(is_whole("Pid: 28116 LoopCount: 13"));
        for text in [
            "",
            "Pid: 1 ",
            "Pid:  LoopCount: 1",
            "Pid: 1 LoopCount: 2Pid: 3 ",
            "Pid: x LoopCount: 1",
        ] {
            assert!(!is_whole(text), "{text}");
        }
    }
}
