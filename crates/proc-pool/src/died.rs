//! How a worker ended in the middle of a task.

use std::fmt;
use std::sync::Arc;

use proc_spawn::{ExitStatus, Limit, Usage};

/// How a worker ended in the middle of a task, and which task that was.
///
/// ```
/// use proc_pool::Pool;
///
/// let pool = Pool::builder().workers(1).build()?;
/// let error = pool.apply((), || -> () { std::process::abort() }).unwrap_err();
/// let died = error.worker_died().unwrap();
/// assert_eq!(died.signal(), Some(6)); // SIGABRT
/// assert_eq!(died.attempt(), 1);
/// assert!(!died.out_of_memory());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerDied {
    pub(crate) pid: u32,
    pub(crate) status: ExitStatus,
    pub(crate) task: u64,
    pub(crate) attempt: u32,
    pub(crate) usage: Option<Usage>,
    pub(crate) limit: Option<Limit>,
    pub(crate) output: Option<Arc<str>>,
}

impl WorkerDied {
    /// Describes a death, before it is known which task it cost.
    pub(crate) fn new(pid: u32, status: ExitStatus) -> Self {
        Self { pid, status, task: 0, attempt: 0, usage: None, limit: None, output: None }
    }

    /// Returns the worker's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns how it ended: which signal, which exit code.
    #[must_use]
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Returns the signal that ended it, if one did.
    #[must_use]
    pub fn signal(&self) -> Option<i32> {
        self.status.signal()
    }

    /// Says whether the kernel wrote a core dump.
    #[must_use]
    pub fn core_dumped(&self) -> bool {
        matches!(self.status, ExitStatus::Signal { core: true, .. })
    }

    /// Returns the limit that it ran into, if that is what ended it: memory, CPU time, a cgroup's memory.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }

    /// Says whether it ended for want of memory: at its own limit, or as its cgroup was full.
    #[must_use]
    #[doc(alias = "oom")]
    pub fn out_of_memory(&self) -> bool {
        matches!(self.limit, Some(Limit::Memory | Limit::GroupMemory))
    }

    /// Returns what the worker has used in its life; `None` where the kernel did not say.
    #[must_use]
    #[doc(alias = "rusage")]
    pub fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// Returns the number of the task: 1 for the first that the pool took, and so on.
    #[must_use]
    pub fn task(&self) -> u64 {
        self.task
    }

    /// Returns how many workers have been lost with this task, this one included.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns the end of what the worker wrote to its standard output and error, if the pool
    /// [keeps it](crate::Builder::keep_output).
    #[must_use]
    pub fn output(&self) -> Option<&str> {
        self.output.as_deref()
    }
}

impl fmt::Display for WorkerDied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the worker (process {}) died in the task: {}", self.pid, self.status)?;
        match self.limit {
            Some(limit) => write!(f, ", {limit}"),
            None => Ok(()),
        }
    }
}
