//! What each example has to do. One file per example, with its rules and a spoiled run for each.

mod common;
mod lock_with;
mod lock_without;
mod pipe_duplex;
mod pool_blocking;
mod pool_chaos;
mod pool_crashy_ffi;
mod pool_files;
mod pool_map_scrape;
mod pool_memory_limit;
mod pool_nonblocking;
mod pool_results;
mod pool_timeout;
mod process_basic;
mod process_children;
mod process_daemon;
mod process_daemon_join;
mod process_forkserver;
mod process_subclass;
mod queue_values;
mod semaphore_buffer;

#[cfg(test)]
pub(crate) mod spoil;

use super::recording::Recording;
use std::fmt;

/// What an example is checked against.
#[derive(Debug)]
pub(crate) struct Check {
    /// Everything that it has to do, a sentence each.
    pub(crate) rules: &'static [&'static str],
    /// Looks at a run, and names the first rule that it breaks.
    pub(crate) judge: fn(&Recording) -> Verdict,
}

/// How a run was judged.
pub(crate) type Verdict = Result<(), Broken>;

/// A rule that a run broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    /// What happened instead.
    pub(crate) detail: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "broken rule: {}\n  {}", self.rule, self.detail)
    }
}

/// An example of the tutorial.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) name: &'static str,
    /// What one learns from it.
    pub(crate) shows: &'static str,
    pub(crate) check: Check,
    pub(crate) hold: Hold,
}

/// Whether the first line of an example is held back while its processes are counted.
///
/// That is needed where nothing else shows that there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    Not,
    /// Until there are so many.
    For(usize),
    /// Until there is one for each CPU.
    ForCpus,
}

impl Example {
    const fn new(name: &'static str, shows: &'static str, check: Check) -> Self {
        Self { name, shows, check, hold: Hold::Not }
    }

    /// Returns all rules that hold for this example.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &'static str> {
        common::CHECK.rules.iter().chain(self.check.rules).copied()
    }

    /// Judges a run by the rules for all examples, then by this one's own.
    pub(crate) fn judge(&self, run: &Recording) -> Verdict {
        (common::CHECK.judge)(run)?;
        (self.check.judge)(run)
    }
}

/// All of them, in the order of the tutorial.
pub(crate) const EXAMPLES: &[Example] = &[
    Example::new("process_basic", "five processes, one argument each", process_basic::CHECK),
    Example::new("process_children", "CPUs, and who is running", process_children::CHECK),
    Example::new("process_subclass", "a process type with a `run`", process_subclass::CHECK),
    Example {
        hold: Hold::For(process_daemon::DAEMONS),
        ..Example::new("process_daemon", "daemons end with their parent", process_daemon::CHECK)
    },
    Example::new("process_daemon_join", "daemons that are joined", process_daemon_join::CHECK),
    Example::new("process_forkserver", "load once, start fast", process_forkserver::CHECK),
    Example::new("lock_without", "output garbles without a lock", lock_without::CHECK),
    Example::new("lock_with", "with a lock it never does", lock_with::CHECK),
    Example::new("semaphore_buffer", "producer, consumer, two places", semaphore_buffer::CHECK),
    Example::new("queue_values", "values in order; full, empty, timeouts", queue_values::CHECK),
    Example::new("pipe_duplex", "two words cross in one pipe", pipe_duplex::CHECK),
    Example::new("pool_nonblocking", "tasks without waiting", pool_nonblocking::CHECK),
    Example::new("pool_blocking", "tasks one after the other", pool_blocking::CHECK),
    Example::new("pool_results", "results of tasks", pool_results::CHECK),
    Example {
        hold: Hold::For(pool_map_scrape::WORKERS),
        ..Example::new("pool_map_scrape", "web pages by `map`", pool_map_scrape::CHECK)
    },
    Example {
        hold: Hold::ForCpus,
        ..Example::new("pool_files", "SHA-256 of many files, and the speed-up", pool_files::CHECK)
    },
    Example::new("pool_crashy_ffi", "a C function that crashes", pool_crashy_ffi::CHECK),
    Example::new("pool_timeout", "tasks that are ended", pool_timeout::CHECK),
    Example::new("pool_memory_limit", "tasks that want too much", pool_memory_limit::CHECK),
    Example::new("pool_chaos", "workers killed while they work", pool_chaos::CHECK),
];

/// Holds a run to a rule; `detail` tells what it did instead.
fn rule(holds: bool, rule: &'static str, detail: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(Broken { rule, detail: detail() }) }
}

/// Says whether no two are equal.
fn distinct<T: Ord>(items: impl IntoIterator<Item = T>) -> bool {
    let mut seen = std::collections::BTreeSet::new();
    items.into_iter().all(|item| seen.insert(item))
}
