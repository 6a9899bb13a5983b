//! How many tasks a worker is given ahead.
//!
//! A worker that has its next task before it in memory needs nobody to wake and nobody to be woken. For a
//! task of a microsecond that matters more than the task itself; for one of a second not at all, and what
//! lies behind it has to be taken back if another worker runs dry. So a worker gets about [`AHEAD`] of work.

use std::time::{Duration, Instant};

use super::words::SLOTS;

/// How much work lies before a worker.
const AHEAD: Duration = Duration::from_micros(500);
/// Of long tasks, and as long as nothing is known, no more than one to work on.
const LEAST: usize = 1;

/// What the pool has learnt of one worker's tasks.
#[derive(Debug)]
pub(super) struct Window {
    tasks: usize,
    /// When the worker last had an answer taken, or went from no task to one.
    since: Instant,
}

impl Window {
    pub(super) fn new() -> Self {
        Self { tasks: LEAST, since: Instant::now() }
    }

    /// Returns how many tasks the worker may have.
    pub(super) fn tasks(&self) -> usize {
        self.tasks
    }

    /// Notes that the worker, which had nothing to do, has a task.
    pub(super) fn begin(&mut self) {
        self.since = Instant::now();
    }

    /// Notes that so many answers have come since the last time.
    pub(super) fn came(&mut self, answers: u32) {
        if answers == 0 {
            return;
        }
        let now = Instant::now();
        self.adapt((now - self.since) / answers);
        self.since = now;
    }

    /// Twice as many or half as many at most: one measurement may mislead.
    fn adapt(&mut self, each: Duration) {
        let fit = AHEAD.as_nanos() / each.as_nanos().max(1);
        let fit = usize::try_from(fit).unwrap_or(SLOTS);
        self.tasks = fit.clamp(self.tasks / 2, self.tasks * 2).clamp(LEAST, SLOTS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiny_tasks_go_by_the_hundred_and_long_ones_one_by_one() {
        let mut window = Window::new();
        for _ in 0..10 {
            window.adapt(Duration::from_nanos(300));
        }
        assert_eq!(window.tasks(), SLOTS);
        window.adapt(Duration::from_secs(1));
        assert_eq!(window.tasks(), SLOTS / 2, "not all at once");
        for _ in 0..10 {
            window.adapt(Duration::from_secs(1));
        }
        assert_eq!(window.tasks(), LEAST);
        window.adapt(Duration::ZERO);
        assert_eq!(window.tasks(), 2 * LEAST);
    }
}
