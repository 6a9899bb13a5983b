//! What one thread of a pool has done so far. It writes, whoever asks reads.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::latency::Latency;
use crate::stats::WorkerStats;

/// One thread's own, so that nobody waits for it but who asks for statistics.
#[derive(Debug)]
pub(super) struct Tally {
    /// The thread's number in the pool.
    pub(super) id: u64,
    started: Instant,
    done: Mutex<Done>,
}

/// What was done, by one thread or by several.
#[derive(Clone, Debug, Default)]
pub(super) struct Done {
    pub(super) tasks: u64,
    pub(super) failed: u64,
    pub(super) latency: Latency,
    busy: Duration,
    /// Its initializer has run.
    ready: bool,
    /// When it began what it does now.
    since: Option<Instant>,
}

impl Tally {
    pub(super) fn new(id: u64) -> Self {
        Self { id, started: Instant::now(), done: Mutex::default() }
    }

    pub(super) fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_ready(&self) {
        self.done().ready = true;
    }

    pub(super) fn begin(&self) {
        self.done().since = Some(Instant::now());
    }

    /// Notes the end of what it does, which was handed over at `submitted`.
    pub(super) fn end(&self, submitted: Instant, failed: bool) {
        let now = Instant::now();
        let mut done = self.done();
        done.tasks += 1;
        done.failed += u64::from(failed);
        done.latency.record(now.saturating_duration_since(submitted));
        if let Some(since) = done.since.take() {
            done.busy += now.saturating_duration_since(since);
        }
    }

    pub(super) fn stats(&self) -> WorkerStats {
        let now = Instant::now();
        let done = self.done();
        let running = done.since.map(|since| now.saturating_duration_since(since));
        let busy = done.busy + running.unwrap_or_default();
        WorkerStats {
            id: self.id,
            pid: std::process::id(),
            ready: done.ready,
            tasks: done.tasks,
            running: usize::from(running.is_some()),
            busy,
            idle: now.saturating_duration_since(self.started).saturating_sub(busy),
            // All threads have the same memory.
            rss_bytes: None,
        }
    }
}

impl Done {
    pub(super) fn add(&mut self, other: &Self) {
        self.tasks += other.tasks;
        self.failed += other.failed;
        self.latency.add(&other.latency);
    }
}
