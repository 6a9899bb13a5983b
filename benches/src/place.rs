//! Where workers run.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

/// Where the workers of a crew run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Place {
    /// Each on a core of its own, as long as there are cores; then the cores are shared evenly.
    EachItsCore,
    /// All on one core.
    OneCore,
    /// Where the scheduler puts them.
    Free,
}

impl Place {
    /// Returns the place in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::EachItsCore => "pinned, a core each",
            Self::OneCore => "pinned to one core",
            Self::Free => "placed by the scheduler",
        }
    }

    /// Moves the calling thread to where the worker of this seat belongs.
    ///
    /// A worker that may not be moved stays: what it measures is then placed by the scheduler.
    pub fn take(self, seat: usize) {
        let cpus = allowed();
        let at = match self {
            Self::Free => return,
            Self::OneCore => 0,
            Self::EachItsCore => seat % cpus.len(),
        };
        pin(cpus[at]);
    }
}

/// Returns the CPUs that this thread may use; never none.
pub(crate) fn allowed() -> Vec<usize> {
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect();
    if cpus.is_empty() { vec![0] } else { cpus }
}

pub(crate) fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu);
    // Refused only in sandboxes; the figures are then those of `Free`.
    let _ = sched_setaffinity(None, &set);
}
