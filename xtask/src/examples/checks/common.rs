//! What every example has to do.

use super::{Check, Verdict, rule};
use crate::examples::recording::{Ending, Recording, Stream};

const IN_TIME: &str = "ends by itself";
const WELL: &str = "ends with code 0";
const NO_SURVIVOR: &str = "leaves no process behind";
const NO_LITTER: &str = "leaves nothing in /dev/shm";
const NO_COMPLAINT: &str = "writes nothing to standard error";
const WHOLE_LINES: &str = "writes each line in one process";

pub(super) const CHECK: Check =
    Check { rules: &[IN_TIME, WELL, NO_SURVIVOR, NO_LITTER, NO_COMPLAINT, WHOLE_LINES], judge };

fn judge(run: &Recording) -> Verdict {
    rule(run.ending != Ending::Late, IN_TIME, || run.ending.to_string())?;
    rule(run.ending == Ending::Code(0), WELL, || run.ending.to_string())?;
    rule(run.survivors.is_empty(), NO_SURVIVOR, || run.survivors.join(", "))?;
    rule(run.litter.is_empty(), NO_LITTER, || run.litter.join(", "))?;
    let complaint = run.lines.iter().find(|line| line.stream == Stream::Err);
    rule(complaint.is_none(), NO_COMPLAINT, || {
        complaint.map_or_else(String::new, |line| line.text.clone())
    })?;
    let torn = run.lines.iter().find(|line| line.writers.len() != 1);
    rule(torn.is_none(), WHOLE_LINES, || torn.map_or_else(String::new, ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        proves(
            &CHECK,
            &run(&[(MAIN, 1, "hello"), (101, 2, "you")]),
            &[
                (IN_TIME, |run| run.ending = Ending::Late),
                (WELL, |run| run.ending = Ending::Code(101)),
                (WELL, |run| run.ending = Ending::Signal(6)),
                (NO_SURVIVOR, |run| run.survivors.push("process 7".to_string())),
                (NO_LITTER, |run| run.litter.push("sem.x".to_string())),
                (NO_COMPLAINT, |run| run.lines[1].stream = Stream::Err),
                (WHOLE_LINES, |run| run.lines[0].writers.push(101)),
            ],
        );
    }
}
