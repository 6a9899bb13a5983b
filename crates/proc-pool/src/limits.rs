//! What a worker may use, and what is kept of what it says.

use std::time::Duration;

use proc_spawn::Stdio;
use rustix::process::{Resource, getrlimit};

/// Returns the address space of this process, in bytes.
fn address_space() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split(' ').next()?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Limits that the kernel enforces on each worker, from before its initializer runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) cpu_time: Option<Duration>,
    pub(crate) open_files: Option<u64>,
    pub(crate) nice: Option<i32>,
    /// How many bytes of its output are kept.
    pub(crate) output: Option<usize>,
}

/// So much address space a worker may take for its start beside what this process has: its lane, a thread.
const HEADROOM: u64 = 16 << 20;

/// So many descriptors this process has for each worker: its lane, the arena, a socket, its control socket,
/// the process.
const FILES_PER_WORKER: u64 = 5;
/// And so many more for one whose output is kept.
const FILES_OF_OUTPUT: u64 = 2;
/// And so many for the pool, and while a worker starts.
const FILES_OF_POOL: u64 = 16;

/// A worker has about so many descriptors before its first task.
const LEAST_FILES: u64 = 16;

impl Limits {
    /// Says which limit makes no sense, and what would.
    pub(crate) fn check(&self) -> Result<(), String> {
        match self {
            Self { open_files: Some(count), .. } if *count < LEAST_FILES => Err(format!(
                "{count} open files: a worker needs {LEAST_FILES} before its first task"
            )),
            Self { cpu_time: Some(Duration::ZERO), .. } => {
                Err("a CPU time of 0: a worker needs some to start".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Says that so many workers need more descriptors than this process may have, if they do.
    pub(crate) fn check_descriptors(&self, workers: usize) -> Result<(), String> {
        let each = FILES_PER_WORKER + self.output.map_or(0, |_| FILES_OF_OUTPUT);
        let need = (workers as u64).saturating_mul(each).saturating_add(FILES_OF_POOL);
        let most = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        // So few are not worth a look: if others have theirs, the kernel says so soon.
        if need <= most / 2 {
            return Ok(());
        }
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, |open| open.count() as u64);
        let left = most.saturating_sub(open);
        if need <= left {
            return Ok(());
        }
        let enough_for = left.saturating_sub(FILES_OF_POOL) / each;
        Err(format!(
            "{workers} workers need {need} descriptors, and this process may open {left} more \
             (RLIMIT_NOFILE is {most}): enough for {enough_for} workers"
        ))
    }

    /// Adds to the reason for which no worker starts what may be behind it.
    pub(crate) fn explain(&self, why: String) -> String {
        // Workers are this program.
        let enough = address_space().map(|here| here.saturating_add(HEADROOM));
        match self.memory_bytes.zip(enough) {
            Some((limit, enough)) if limit < enough => {
                format!("{why}; the memory limit is {limit} bytes, and {enough} would be enough")
            }
            _ => why,
        }
    }

    /// Says whether there is one at which a worker could fail to start.
    pub(crate) fn are_some(&self) -> bool {
        self.memory_bytes.is_some() || self.cpu_time.is_some() || self.open_files.is_some()
    }

    pub(crate) fn apply(&self, mut builder: proc_spawn::Builder) -> proc_spawn::Builder {
        if let Some(bytes) = self.memory_bytes {
            builder = builder.memory_bytes(bytes);
        }
        if let Some(time) = self.cpu_time {
            builder = builder.cpu_time(time);
        }
        if let Some(count) = self.open_files {
            builder = builder.open_files(count);
        }
        if let Some(nice) = self.nice {
            builder = builder.nice(nice);
        }
        if self.output.is_some() {
            builder = builder.stdout(Stdio::captured()).stderr(Stdio::captured());
        }
        builder
    }
}
