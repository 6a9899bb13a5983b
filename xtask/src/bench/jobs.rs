//! Which primitive for which job: whatever cost least, in this run.

use super::run::Run;
use multiproc_benches::{Unit, amount};
use std::fmt;

/// Something to be done, and the ways to do it.
struct Job {
    what: &'static str,
    /// The row's key, who in it, and how that is said to users.
    ways: &'static [(&'static str, &'static str, &'static str)],
}

const BOUNDED: &str = "queue::bounded";

const JOBS: [Job; 10] = [
    Job {
        what: "a stream of numbers",
        ways: &[
            ("queue/one to one/8", "shm-queue", BOUNDED),
            ("queue/one to one/8", "shm-queue, 32 at once", "queue::bounded, send_many"),
            ("queue/one to one/8", "shm-queue, bytes", "queue::bounded_bytes"),
            ("pipe/one way/8", "duplex-pipe", "pipe::simplex"),
        ],
    },
    Job {
        what: "a stream of messages of 1 KiB",
        ways: &[
            ("queue/one to one/1024", "shm-queue", BOUNDED),
            ("queue/one to one/1024", "shm-queue, bytes", "queue::bounded_bytes"),
            ("pipe/one way/1024", "duplex-pipe", "pipe::simplex"),
        ],
    },
    Job {
        what: "buffers of 1 MiB",
        ways: &[
            ("queue/one to one/1048576", "shm-queue, bytes", "queue::bounded_bytes"),
            ("queue/one to one/1048576", "shm-queue, blocks", "queue::bounded_blocks"),
            ("pipe/one way/1048576", "duplex-pipe", "pipe::simplex"),
        ],
    },
    Job {
        what: "work that must not be lost with a worker",
        ways: &[
            ("queue/one to one/8", "shm-queue, leased", "queue::bounded_leased"),
            ("pool/apply/0", "proc-pool", "Pool::apply"),
        ],
    },
    Job {
        what: "question and answer, a core each",
        ways: &[
            ("queue/round trip/8", "shm-queue", "two queue::bounded"),
            ("pipe/round trip/8", "duplex-pipe", "pipe::duplex"),
            ("pool/apply/0", "proc-pool", "Pool::apply"),
        ],
    },
    Job {
        what: "question and answer, sharing a core",
        ways: &[
            ("queue/round trip, one core/8", "shm-queue", "two queue::bounded"),
            ("pipe/round trip, one core/8", "duplex-pipe", "pipe::duplex"),
        ],
    },
    Job {
        what: "a signal, and one back",
        ways: &[
            ("event/round trip/0", "proc-lock", "Event"),
            ("semaphore/round trip/0", "proc-semaphore", "Semaphore"),
            ("condvar/turns/0", "proc-lock", "Condvar"),
            ("queue/round trip/8", "shm-queue", BOUNDED),
        ],
    },
    Job {
        what: "two that change the same data",
        ways: &[
            ("lock/lock and unlock/2", "proc-lock", "Mutex"),
            ("rwlock/write/2", "proc-lock", "RwLock::write"),
            ("semaphore/acquire and release/2", "proc-semaphore", "Semaphore of one permit"),
            ("semaphore/acquire and release/2", "proc-semaphore, permits", "PermitPool of one"),
        ],
    },
    Job {
        what: "two that read the same data for 200 ns",
        ways: &[
            ("rwlock/read for 200 ns/2", "proc-lock", "RwLock::read"),
            ("lock/a section of 200 ns/2", "proc-lock", "Mutex"),
        ],
    },
    Job {
        what: "tasks that take a microsecond",
        ways: &[
            ("pool/tasks by length/1000", "proc-pool", "Pool::map_in_chunks(.., 1, ..)"),
            ("pool/tasks by length/1000", "proc-pool, default chunks", "Pool::map"),
            ("start/start and join/0", "proc-spawn", "a process for each"),
        ],
    },
];

/// What a run says about a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Advice {
    pub(crate) job: &'static str,
    /// The ways from the cheapest to the dearest, with what they cost in nanoseconds.
    pub(crate) ways: Vec<(&'static str, f64)>,
}

/// Returns what this run says about each job that it has at least two ways of.
pub(crate) fn advice(run: &Run) -> Vec<Advice> {
    let advice = JOBS.iter().map(|job| {
        let mut ways: Vec<(&str, f64)> = job
            .ways
            .iter()
            .filter_map(|(key, who, name)| Some((*name, run.median(key, who)?)))
            .collect();
        ways.sort_by(|(_, a), (_, b)| a.total_cmp(b));
        Advice { job: job.what, ways }
    });
    advice.filter(|advice| advice.ways.len() > 1).collect()
}

impl Advice {
    /// Returns the dearer ways with how many times as much they cost.
    pub(crate) fn others(&self) -> String {
        let least = self.ways[0].1;
        let others =
            self.ways[1..].iter().map(|(name, cost)| format!("{name} {:.1}x", cost / least));
        others.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (best, cost) = self.ways[0];
        let cost = amount(cost, Unit::Nanos);
        write!(f, "{:<42} {best} ({cost}); {}", self.job, self.others())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::tests::small;

    #[test]
    fn the_cheapest_way_is_named_first() {
        let mut run = small(1.0);
        let mut row = run.rows[0].clone();
        row.entries[0].who = "shm-queue".to_owned();
        row.entries[0].turns = vec![10.0; 3];
        row.entries[1] = run.rows[0].entries[0].clone();
        run.rows[0] = row;
        let advice = advice(&run);
        assert_eq!(advice.len(), 1, "{advice:?}");
        assert_eq!(advice[0].job, "a stream of numbers");
        assert_eq!(advice[0].ways[0], ("queue::bounded", 10.0));
        assert!(advice[0].others().starts_with("queue::bounded_bytes 10.1x"), "{advice:?}");
    }
}
