//! Tasks that exceed the memory of their worker.

use super::{Check, Verdict, rule};
use crate::examples::recording::Recording;

const SMALL: &str = "fills 10, 20, 30 and 40 megabytes";
const LARGE: &str = "is out of memory with 1000 and 2000, with the last words of the worker";

pub(super) const CHECK: Check = Check { rules: &[SMALL, LARGE], judge };

fn judge(run: &Recording) -> Verdict {
    let texts = run.texts();
    let small = [(0, 10), (1, 20), (3, 30), (5, 40)];
    let filled = |(place, size): (usize, u32)| {
        texts.get(place).is_some_and(|text| *text == format!("{size} MB: filled {size}"))
    };
    rule(small.into_iter().all(filled) && texts.len() == 6, SMALL, || format!("{texts:?}"))?;
    let large = [(2, 1000), (4, 2000)];
    let refused = |(place, size): (usize, u64)| {
        texts[place].starts_with(&format!("{size} MB: out of memory, last words: "))
            && texts[place].ends_with(&format!("memory allocation of {} bytes failed", size << 20))
    };
    rule(large.into_iter().all(refused), LARGE, || format!("{texts:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        const WORDS: &str = "out of memory, last words: memory allocation of";
        let large = |size: u64| format!("{size} MB: {WORDS} {} bytes failed", size << 20);
        let (one, two) = (large(1000), large(2000));
        let good = run(&[
            (MAIN, 1, "10 MB: filled 10"),
            (MAIN, 2, "20 MB: filled 20"),
            (MAIN, 3, &one),
            (MAIN, 4, "30 MB: filled 30"),
            (MAIN, 5, &two),
            (MAIN, 6, "40 MB: filled 40"),
        ]);
        proves(
            &CHECK,
            &good,
            &[
                (SMALL, |run| run.exchange(0, 1)),
                (SMALL, |run| drop(run.lines.pop())),
                (LARGE, |run| run.say(2, "1000 MB: filled 1000")),
                (LARGE, |run| run.say(4, "2000 MB: out of memory, last words: ")),
            ],
        );
    }
}
