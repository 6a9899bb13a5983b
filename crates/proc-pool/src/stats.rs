//! What a pool has done so far, in numbers.

use std::time::{Duration, Instant};

use crate::latency::Latency;
use crate::recycle::rss;
use crate::slot::Slot;
use crate::state::State;

/// What a pool and its workers have done so far. Returned by [`Pool::stats`](crate::Pool::stats) and
/// [`ThreadPool::stats`](crate::ThreadPool::stats).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Stats {
    /// The workers that there are now.
    pub workers: Vec<WorkerStats>,
    /// How many tasks wait for a worker.
    pub waiting: usize,
    /// How many tasks workers have now.
    pub running: usize,
    /// How many tasks were answered by a worker: with a result, or with how they failed.
    pub done: u64,
    /// How many tasks have failed, by a panic or with their worker. A chunk of `map` in which an item
    /// panicked counts as done.
    pub failed: u64,
    /// How many times a task was begun again by another worker.
    pub retried: u64,
    /// How many workers were started, the first ones included.
    pub started: u64,
    /// How many workers ended that were not let go: killed, crashed, or ended for a task's sake.
    pub died: u64,
    /// How many workers were let go: for their age, their memory, or because there was nothing to do.
    pub recycled: u64,
    /// How long the answers took, from when the task was handed over; `None` before the first.
    pub latency: Option<LatencyStats>,
}

/// How long answers took: half of them so long at most, and so on. At worst a quarter too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LatencyStats {
    /// Half of the answers.
    pub p50: Duration,
    /// Nine of ten.
    pub p90: Duration,
    /// 99 of 100.
    pub p99: Duration,
    /// All.
    pub max: Duration,
}

/// What one worker has done so far.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WorkerStats {
    /// Its number in the pool, as [`worker_id`](crate::worker_id) returns it there.
    pub id: u64,
    /// Its process id.
    pub pid: u32,
    /// Its initializer has run.
    pub ready: bool,
    /// How many tasks it has answered.
    pub tasks: u64,
    /// How many it has now.
    pub running: usize,
    /// For how long it has had tasks.
    pub busy: Duration,
    /// For how long it has had none, its start included.
    pub idle: Duration,
    /// Its resident memory in bytes, shared memory included; `None` when it has just ended, and for a
    /// thread.
    pub rss_bytes: Option<u64>,
}

impl Stats {
    pub(crate) fn of(state: &State) -> Self {
        let now = Instant::now();
        let counts = &state.counts;
        let workers: Vec<_> = state.slots.iter().flatten().map(|slot| worker(slot, now)).collect();
        Self {
            waiting: state.queue.len(),
            running: workers.iter().map(|worker| worker.running).sum(),
            workers,
            done: counts.answered,
            failed: counts.failed,
            retried: counts.retried,
            started: counts.started,
            died: counts.died,
            recycled: counts.recycled,
            latency: LatencyStats::of(&state.latency),
        }
    }
}

impl LatencyStats {
    pub(crate) fn of(latency: &Latency) -> Option<Self> {
        let percentile = |percent| latency.percentile(percent);
        let (p50, p90) = (percentile(50)?, percentile(90)?);
        Some(Self { p50, p90, p99: percentile(99)?, max: percentile(100)? })
    }
}

fn worker(slot: &Slot, now: Instant) -> WorkerStats {
    let running = slot.given.front().map(|given| now.saturating_duration_since(given.since));
    let busy = slot.busy + running.unwrap_or_default();
    WorkerStats {
        id: slot.id,
        pid: slot.pid,
        ready: slot.ready,
        tasks: slot.tasks,
        running: slot.given.len(),
        busy,
        idle: now.saturating_duration_since(slot.started).saturating_sub(busy),
        rss_bytes: rss(slot.pid),
    }
}
