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

/// How long a process that does not end by that signal lives on.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A limit that a process ran into, and that ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Limit {
    /// An allocation failed, and the allocator's caller could not go on: mostly by
    /// [`memory_bytes`](crate::Builder::memory_bytes).
    Memory,
    /// The kernel killed it, as its cgroup (a container's memory limit) was full. Told from another SIGKILL by
    /// the group's own count of such kills, which rose between the process's start and the first look at its end; the
    /// kernel does not say whom it killed.
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

/// What is known of an end beside status and usage.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Signs {
    /// It said itself that an allocation failed.
    pub(crate) no_memory: bool,
    /// It was sent SIGKILL through its handle.
    pub(crate) by_us: bool,
    /// The signal of the time limit could not end it.
    pub(crate) deaf: bool,
}

impl Watch {
    /// Begins at the start of a process with these limits.
    pub(crate) fn begin(time: Option<Duration>, cpu: Option<Duration>) -> Self {
        Self { started: Instant::now(), time, cpu, group_kills: group_kills() }
    }

    /// Says whether how long it runs is limited.
    pub(crate) fn limits_time(&self) -> bool {
        self.time.is_some()
    }

    /// Says at which limit a process ended.
    pub(crate) fn reached(&self, status: ExitStatus, usage: &Usage, signs: Signs) -> Option<Limit> {
        if signs.no_memory {
            return Some(Limit::Memory);
        }
        let since = |more| {
            self.time.is_some_and(|limit| self.started.elapsed() >= limit.saturating_add(more))
        };
        let spent = self.cpu.is_some_and(|limit| usage.cpu() >= limit);
        match status.signal()? {
            libc::SIGXCPU => Some(Limit::CpuTime),
            libc::SIGXFSZ => Some(Limit::FileSize),
            TIME_SIGNAL if since(Duration::ZERO) => Some(Limit::WallTime),
            libc::SIGKILL if signs.by_us => None,
            libc::SIGKILL if spent => Some(Limit::CpuTime),
            // The second blow, for processes that do not end by the first. The time alone does not tell: it may have
            // been dead for long.
            libc::SIGKILL if signs.deaf && since(GRACE) => Some(Limit::WallTime),
            libc::SIGKILL if self.group_kills.is_some() && group_kills() > self.group_kills => {
                Some(Limit::GroupMemory)
            }
            _ => None,
        }
    }
}

/// Says whether a process, which must not be reaped, ignores, blocks or catches the signal of the time limit, or was
/// stopped when it came.
pub(crate) fn is_deaf(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    masks(&status) & (1 << (TIME_SIGNAL - 1)) != 0
}

/// Returns the signals that do not end the process of which this is the status, or have not ended it.
fn masks(status: &str) -> u64 {
    let fields = status.lines().filter_map(|line| line.split_once(':'));
    let masks = fields
        .filter(|(name, _)| matches!(*name, "SigBlk" | "SigIgn" | "SigCgt" | "SigPnd" | "ShdPnd"));
    masks.fold(0, |all, (_, mask)| all | u64::from_str_radix(mask.trim(), 16).unwrap_or(0))
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
        // The lowest one that counts is the one whose memory is limited.
        group.levels.iter().rev().map(|level| level.join(name)).find(|file| file.exists())
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
    fn what_does_not_end_a_process_is_read() {
        let status = "Name:\tx\nSigQ:\t1/8000\nShdPnd:\t8000\nSigBlk:\t0000000000000001\nSigIgn:\t1000\nSigCgt:\t2\n";
        assert_eq!(masks(status), 0x9003);
        assert!(!is_deaf(std::process::id()));
    }

    #[test]
    fn a_kill_is_the_limits_doing_only_where_something_says_so() {
        let usage = Usage::default();
        let signs = Signs { deaf: true, ..Signs::default() };
        let reached =
            |watch: &Watch, status, by_us| watch.reached(status, &usage, Signs { by_us, ..signs });
        assert_eq!(reached(&watch(None, Some(u64::MAX)), KILLED, false), None);
        let mut late = watch(Some(Duration::ZERO), Some(u64::MAX));
        // Before the second blow it was somebody else's.
        assert_eq!(reached(&late, KILLED, false), None);
        late.started = late.started.checked_sub(GRACE).unwrap();
        assert_eq!(reached(&late, KILLED, false), Some(Limit::WallTime));
        assert_eq!(late.reached(KILLED, &usage, Signs::default()), None);
        assert_eq!(reached(&late, KILLED, true), None);
        assert_eq!(reached(&late, ExitStatus::Code(1), false), None);
        let timer = ExitStatus::Signal { signal: TIME_SIGNAL, core: false };
        assert_eq!(reached(&late, timer, false), Some(Limit::WallTime));
        assert_eq!(reached(&watch(None, None), timer, false), None);
        let abort = ExitStatus::Signal { signal: libc::SIGABRT, core: false };
        assert_eq!(
            late.reached(abort, &usage, Signs { no_memory: true, ..signs }),
            Some(Limit::Memory)
        );
    }
}
