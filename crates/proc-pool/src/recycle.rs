//! When a worker is let go and replaced, and when it is not needed any more.

use std::time::{Duration, Instant};

use crate::slot::Slot;

/// A worker's memory is looked at no more often than this.
const WEIGH_EVERY: Duration = Duration::from_millis(50);

/// How long workers are kept.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recycling {
    pub(crate) max_age: Option<Duration>,
    pub(crate) max_rss: Option<u64>,
    pub(crate) idle: Option<Duration>,
}

/// What is to be done with a worker.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// It stays; look again at this time, if any.
    Stays(Option<Instant>),
    /// It is replaced: for this reason.
    Replaced(&'static str),
    /// It has had nothing to do for too long.
    Idle,
}

impl Recycling {
    /// Says whether workers have to be looked at after their tasks.
    pub(crate) fn watches(&self) -> bool {
        self.idle.is_some() || self.max_rss.is_some()
    }

    /// Looks at a worker that is open and ready. `weighed` is when and after how many tasks its memory
    /// was looked at last.
    pub(crate) fn judge(&self, slot: &Slot, weighed: &mut (Instant, u64), now: Instant) -> Keep {
        let mut look_at: Option<Instant> = None;
        let mut look = |at: Option<Instant>| look_at = look_at.into_iter().chain(at).min();
        if let Some(max_age) = self.max_age {
            let end = slot.started.checked_add(max_age);
            if end.is_some_and(|end| end <= now) {
                return Keep::Replaced("age");
            }
            look(end);
        }
        if let Some(max_rss) = self.max_rss.filter(|_| weighed.1 != slot.tasks) {
            let next = weighed.0 + WEIGH_EVERY;
            if next <= now || weighed.1 == 0 {
                *weighed = (now, slot.tasks);
                if rss(slot.pid).is_some_and(|rss| rss > max_rss) {
                    return Keep::Replaced("memory");
                }
            } else {
                look(Some(next));
            }
        }
        if self.max_rss.is_some() && !slot.given.is_empty() {
            look(Some(now + WEIGH_EVERY));
        }
        if let Some(idle) = self.idle.filter(|_| slot.given.is_empty()) {
            let end = slot.idle_since.checked_add(idle);
            if end.is_some_and(|end| end <= now) {
                return Keep::Idle;
            }
            look(end);
        }
        Keep::Stays(look_at)
    }
}

/// Returns the resident memory of a process, in bytes.
pub(crate) fn rss(pid: u32) -> Option<u64> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::rss;

    #[test]
    fn a_process_has_memory_and_a_missing_one_has_none() {
        assert!(rss(std::process::id()).unwrap() > 100_000);
        assert_eq!(rss(u32::MAX), None);
    }
}
