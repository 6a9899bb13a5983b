//! What a call may wish for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::SubmitError;
use crate::job::Rules;

/// Wishes for one call, given to [`Pool::with`](crate::Pool::with).
///
/// ```
/// use proc_pool::{Options, Pool, TaskError};
/// use std::time::Duration;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let brief = Options::new().timeout(Duration::from_millis(50));
/// let endless = pool.with(&brief).apply((), || -> () { loop { std::thread::park() } });
/// assert!(matches!(endless, Err(TaskError::TimedOut(_))));
///
/// let small = Options::new().chunk_size(2).retries(3);
/// assert_eq!(pool.with(&small).map(0..5, |x: i32| x + 1)?, [1, 2, 3, 4, 5]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "options do nothing until a call is made with them"]
pub struct Options {
    pub(crate) timeout: Option<Duration>,
    pub(crate) retries: u32,
    pub(crate) chunks: Chunks,
    pub(crate) ahead: Option<usize>,
    pub(crate) progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// How `map` makes chunks.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Chunks {
    /// Four for each worker.
    #[default]
    Share,
    Fixed(usize),
    /// As many items as take about so long.
    Lasting(Duration),
}

/// How far a `map` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// How many items are done.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

impl Options {
    /// Wishes for nothing in particular: no timeout, no retries, chunks of Python's size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends a task that takes longer than this, from when its worker begins it.
    ///
    /// The worker is sent SIGTERM, and SIGKILL after the pool's [grace](crate::Builder::grace); the
    /// task's answer is [`TaskError::TimedOut`](crate::TaskError::TimedOut) once it is gone, unless a
    /// result overtakes it. Other workers are not touched, and a new one takes its place at once. A task
    /// of `map` is a whole chunk. Threads cannot be ended: a [`ThreadPool`](crate::ThreadPool) keeps no
    /// timeouts.
    #[doc(alias = "time_limit")]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Begins a task again, up to so many times, when its worker died or was ended for its timeout.
    ///
    /// Only for tasks that may be done twice: how far the dead worker came is not known. A panic is an
    /// answer, and not tried again.
    #[doc(alias = "max_retries")]
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// Has `map` make chunks of so many items.
    ///
    /// Small ones share out uneven work well, large ones cost less for each item. 0 is refused by the
    /// call.
    #[doc(alias = "chunksize")]
    pub fn chunk_size(mut self, items: usize) -> Self {
        self.chunks = Chunks::Fixed(items);
        self
    }

    /// Has `map` make chunks that take a worker about so long, going by how long the last ones took.
    ///
    /// It begins with one item for each worker. Some milliseconds suit most: enough for the cost of
    /// sending not to show, little enough for all workers to end at about the same time.
    /// [`map_async`](crate::Pool::map_async) has nobody to measure, and makes chunks of Python's size.
    pub fn chunk_time(mut self, time: Duration) -> Self {
        self.chunks = Chunks::Lasting(time);
        self
    }

    /// Lets `imap` draw so many items of its input ahead of what is taken out. The default is three for
    /// each worker.
    #[doc(alias = "buffersize")]
    pub fn ahead(mut self, items: usize) -> Self {
        self.ahead = Some(items);
        self
    }

    /// Has `hook` called by a `map` that waits, in the thread that waits, whenever items are done.
    ///
    /// ```
    /// use proc_pool::{Options, Pool};
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// static DONE: AtomicUsize = AtomicUsize::new(0);
    /// let pool = Pool::builder().workers(2).build()?;
    /// let loud = Options::new().progress(|at| DONE.store(at.done, Ordering::Relaxed));
    /// pool.with(&loud).map(0..100, |x: i32| x)?;
    /// assert_eq!(DONE.load(Ordering::Relaxed), 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn progress(mut self, hook: impl Fn(Progress) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(hook));
        self
    }

    /// Moves a progress bar whenever items are done, as [`progress`](Self::progress) does.
    #[cfg(feature = "indicatif")]
    pub fn progress_bar(self, bar: indicatif::ProgressBar) -> Self {
        self.progress(move |at| {
            bar.set_length(at.total as u64);
            bar.set_position(at.done as u64);
        })
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules { timeout: self.timeout, retries: self.retries }
    }

    pub(crate) fn check(&self) -> Result<(), SubmitError> {
        let refused = |text: &str| Err(SubmitError::Options(text.to_owned()));
        match self {
            Self { chunks: Chunks::Fixed(0), .. } => {
                refused("a chunk size of 0: a chunk has at least 1 item")
            }
            Self { ahead: Some(0), .. } => {
                refused("0 items ahead: with less than 1 nothing would be done")
            }
            Self { timeout: Some(Duration::ZERO), .. } => {
                refused("a timeout of 0: no task takes so little, use 1 ns or more")
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("timeout", &self.timeout)
            .field("retries", &self.retries)
            .field("chunks", &self.chunks)
            .field("ahead", &self.ahead)
            .finish_non_exhaustive()
    }
}
