//! The limits at which a process can end, and how one is told from an ordinary death.

use crate::cgroup::{Group, Version};
use crate::status::ExitStatus;
use crate::usage::Usage;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The signal of the timer behind a [wall time limit](crate::Builder::time_limit): one that hardly anybody
/// uses, whose default is to end the process.
pub(crate) const TIME_SIGNAL: i32 = libc::SIGVTALRM;

/// A limit that a process ran into, and that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// An allocation failed, and the allocator's caller could not go on: mostly by
    /// [`memory_bytes`](crate::Builder::memory_bytes).
    Memory,
    /// The kernel killed it, as its cgroup (a container's memory limit) was full. Told from another SIGKILL by
    /// the group's own count of such kills, which rose while the process ran.
    GroupMemory,
    /// [`cpu_time`](crate::Builder::cpu_time), or a limit on CPU time that it inherited.
    CpuTime,
    /// [`time_limit`](crate::Builder::time_limit).
    WallTime,
    /// [`file_size_bytes`](crate::Builder::file_size_bytes), or such a limit that it inherited.
    FileSize,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "an allocation failed",
            Self::GroupMemory => "the memory of its cgroup was used up",
            Self::CpuTime => "its CPU time was used up",
            Self::WallTime => "its time was used up",
            Self::FileSize => "a file grew too large",
        })
    }
}

/// What must be known from the start of a process to tell later at which limit it ended.
#[derive(Debug)]
pub(crate) struct Watch {
    started: Instant,
    time: Option<Duration>,
    cpu: Option<Duration>,
    group_kills: Option<u64>,
}

impl Watch {
    /// Begins at the start of a process with these limits.
    pub(crate) fn begin(time: Option<Duration>, cpu: Option<Duration>) -> Self {
        Self { started: Instant::now(), time, cpu, group_kills: group_kills() }
    }

    /// Says at which limit a process ended.
    ///
    /// `failed_allocation`: it said so itself. `by_us`: it was sent SIGKILL through its handle.
    pub(crate) fn reached(
        &self,
        status: ExitStatus,
        usage: &Usage,
        failed_allocation: bool,
        by_us: bool,
    ) -> Option<Limit> {
        if failed_allocation {
            return Some(Limit::Memory);
        }
        let late = self.time.is_some_and(|limit| self.started.elapsed() >= limit);
        let spent = self.cpu.is_some_and(|limit| usage.cpu() >= limit);
        match status.signal()? {
            libc::SIGXCPU => Some(Limit::CpuTime),
            libc::SIGXFSZ => Some(Limit::FileSize),
            TIME_SIGNAL if late => Some(Limit::WallTime),
            // The second blow, for processes that ignored the first.
            libc::SIGKILL if by_us => None,
            libc::SIGKILL if spent => Some(Limit::CpuTime),
            libc::SIGKILL if late => Some(Limit::WallTime),
            libc::SIGKILL if group_kills() > self.group_kills => Some(Limit::GroupMemory),
            _ => None,
        }
    }
}

/// Returns how many processes of our cgroup the kernel has killed for want of memory.
fn group_kills() -> Option<u64> {
    static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let file = FILE.get_or_init(|| counter(Path::new("/")));
    count(&fs::read_to_string(file.as_ref()?).ok()?)
}

/// Returns the file that holds the count.
fn counter(root: &Path) -> Option<PathBuf> {
    let groups = Group::of_this_process(root, "memory");
    let file = |group: &Group| {
        let name = match group.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        group.own().map(|own| own.join(name)).filter(|file| file.exists())
    };
    groups.iter().find_map(file)
}

fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: ExitStatus = ExitStatus::Signal { signal: libc::SIGKILL, core: false };

    fn watch(time: Option<Duration>, group_kills: Option<u64>) -> Watch {
        Watch { started: Instant::now(), time, cpu: None, group_kills }
    }

    #[test]
    fn both_kinds_of_counters_are_read() {
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(count("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(count("nothing\n"), None);
    }

    #[test]
    fn a_kill_is_the_limits_doing_only_where_something_says_so() {
        let usage = Usage::default();
        let reached = |watch: &Watch, status, by_us| watch.reached(status, &usage, false, by_us);
        assert_eq!(reached(&watch(None, Some(u64::MAX)), KILLED, false), None);
        let late = watch(Some(Duration::ZERO), Some(u64::MAX));
        assert_eq!(reached(&late, KILLED, false), Some(Limit::WallTime));
        assert_eq!(reached(&late, KILLED, true), None);
        assert_eq!(reached(&late, ExitStatus::Code(1), false), None);
        let timer = ExitStatus::Signal { signal: TIME_SIGNAL, core: false };
        assert_eq!(reached(&late, timer, false), Some(Limit::WallTime));
        assert_eq!(reached(&watch(None, None), timer, false), None);
        let abort = ExitStatus::Signal { signal: libc::SIGABRT, core: false };
        assert_eq!(late.reached(abort, &usage, true, false), Some(Limit::Memory));
    }
}
