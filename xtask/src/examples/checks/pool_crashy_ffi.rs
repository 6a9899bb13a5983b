//! A C function that crashes on some inputs.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const RESULTS: &str = "prints all results in order, and SIGSEGV where there is none";
const REPLACED: &str = "has replaced one worker for each crash";
const LIVES: &str = "prints everything from its first process, which no crash has reached";

pub(super) const CHECK: Check = Check { rules: &[RESULTS, REPLACED, LIVES], judge };

const TEXTS: [&str; 7] = [
    "fork: 4 letters",
    "spawn: 5 letters",
    "nothing: signal 11 (SIGSEGV)",
    "semaphore: 9 letters",
    "nothing: signal 11 (SIGSEGV)",
    "pipe: 4 letters",
    "barrier: 7 letters",
];

fn judge(run: &Recording) -> Verdict {
    let texts = run.texts();
    // The kernel may have been told to keep a core dump.
    let plain: Vec<_> = texts.iter().map(|text| text.trim_end_matches(", core dumped")).collect();
    let all = plain.strip_suffix(&plain[plain.len().min(7)..]).unwrap_or(&plain);
    rule(all == TEXTS, RESULTS, || format!("it printed {texts:?}"))?;
    rule(plain[7..] == ["Workers replaced: 2"], REPLACED, || format!("it printed {texts:?}"))?;
    rule(run.out().all(|line| run.is_mains(line)), LIVES, || format!("{:?}", run.lines))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let lines = TEXTS.into_iter().chain(["Workers replaced: 2"]);
        let lines: Vec<_> = lines.map(|text| (MAIN, 5, text)).collect();
        proves(
            &CHECK,
            &run(&lines),
            &[
                (RESULTS, |run| run.exchange(0, 1)),
                (RESULTS, |run| run.say(2, "nothing: signal 9 (SIGKILL)")),
                (RESULTS, |run| run.lines.truncate(3)),
                (REPLACED, |run| run.say(7, "Workers replaced: 1")),
                (REPLACED, |run| drop(run.lines.pop())),
                (LIVES, |run| run.by(3, 101)),
            ],
        );
    }
}
