//! What a worker may use, and what is kept of what it says.

use std::time::Duration;

use proc_spawn::Stdio;

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

    /// Adds to the reason for which no worker starts what may be behind it.
    pub(crate) fn explain(&self, why: String) -> String {
        // Workers are this program: what it has is enough for them.
        let enough = address_space();
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
