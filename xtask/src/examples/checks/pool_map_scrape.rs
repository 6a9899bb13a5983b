//! Four pages, of which one is forbidden and one has no server.

use super::{Check, Verdict, distinct, rule};
use crate::examples::recording::Recording;

const PAGES: &str = "says what became of each of four URLs, then that it is scraped";
const OUTCOMES: &str =
    "gets the answers 200, 200 and 403 and one refusal, in the order of the URLs";
const POOL: &str = "has three processes in its pool, and fetches each page in one of them";

pub(super) const CHECK: Check = Check { rules: &[PAGES, OUTCOMES, POOL], judge };

pub(super) const WORKERS: usize = 3;

const ERROR: &str = "Error Occured ";

fn judge(run: &Recording) -> Verdict {
    let texts = run.texts();
    let mut urls = Vec::new();
    let mut outcomes = Vec::new();
    let mut fetchers = Vec::new();
    for pair in texts.chunks(2) {
        let url = pair.last().and_then(|last| last.strip_prefix("URL ")?.strip_suffix(" Scraped"));
        urls.extend(url);
        let (outcome, fetcher) = pair[0].split_once(" in process ").unwrap_or((pair[0], ""));
        fetchers.push(fetcher.parse().unwrap_or(0));
        let error = outcome.strip_prefix(ERROR);
        let own = error.is_none_or(|rest| url.is_some_and(|url| rest.starts_with(url)));
        rule(url.is_some() && own, PAGES, || format!("it printed {pair:?}"))?;
        outcomes.push(if error.is_some() { ERROR } else { outcome });
    }
    rule(urls.len() == 4 && distinct(&urls), PAGES, || format!("it scraped {urls:?}"))?;
    let wanted = ["<Response [200]>", "<Response [200]>", "<Response [403]>", ERROR];
    rule(outcomes == wanted, OUTCOMES, || format!("it got {outcomes:?}"))?;
    let by_pool = fetchers.iter().all(|fetcher| run.held.contains(fetcher));
    rule(by_pool && run.held.len() == WORKERS, POOL, || {
        format!("it had {:?}, and {fetchers:?} fetched", run.held)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples::checks::spoil::{MAIN, proves, run};

    #[test]
    fn each_rule_rejects_what_breaks_it() {
        let mut good = run(&[
            (MAIN, 9, "<Response [200]> in process 101"),
            (MAIN, 9, "URL http://127.0.0.1:4000/ Scraped"),
            (MAIN, 9, "<Response [200]> in process 101"),
            (MAIN, 9, "URL http://127.0.0.1:4000/news Scraped"),
            (MAIN, 9, "<Response [403]> in process 103"),
            (MAIN, 9, "URL http://127.0.0.1:4000/forbidden Scraped"),
            (MAIN, 9, "Error Occured http://127.0.0.1:4001/ (io: refused) in process 103"),
            (MAIN, 9, "URL http://127.0.0.1:4001/ Scraped"),
        ]);
        good.held = [101, 102, 103].into();
        proves(
            &CHECK,
            &good,
            &[
                (PAGES, |run| drop(run.lines.pop())),
                (PAGES, |run| drop(run.lines.drain(..2))),
                (PAGES, |run| run.say(1, "URL http://127.0.0.1:4000/news Scraped")),
                (PAGES, |run| run.say(6, "Error Occured http://127.0.0.1:4000/ (io)")),
                (OUTCOMES, |run| run.say(4, "<Response [200]>")),
                (OUTCOMES, |run| run.exchange(0, 4)),
                (OUTCOMES, |run| run.say(6, "<Response [404]> in process 103")),
                (POOL, |run| run.held = [101, 103].into()),
                (POOL, |run| run.say(0, "<Response [200]> in process 100")),
                (POOL, |run| run.say(0, "<Response [200]>")),
            ],
        );
    }
}
