//! The same calls on threads: Python's `multiprocessing.dummy`.

mod engine;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use proc_spawn::Args;

use crate::builder::NO_WORKERS;
use crate::calls::calls;
use crate::error::Error;
use crate::mailbox;
use crate::options::Options;

use engine::{Hook, Threads};

/// A pool of threads with the calls of [`Pool`](crate::Pool), so that processes or threads is one line.
///
/// ```
/// use proc_pool::ThreadPool as Pool; // or: use proc_pool::Pool;
///
/// let pool = Pool::builder().workers(2).build()?;
/// assert_eq!(pool.map(0..4, |x: u32| x * x)?, [0, 1, 4, 9]);
/// assert_eq!(pool.apply((), std::process::id)?, std::process::id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Nothing is encoded. A panic is its task's own, as with processes; but a crash ends the program, all
/// tasks share its statics, and a thread cannot be ended: there are no timeouts, and
/// [`cancel`](crate::Handle::cancel) reaches only tasks that wait. Dropping the pool waits for what runs.
#[doc(alias = "dummy")]
pub struct ThreadPool {
    engine: Threads,
    plain: Options,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

calls! {
    [impl ThreadPool],
    "proc_pool::ThreadPool::new()?",
    self => &self.engine, &self.plain
}

/// The calls of a [`ThreadPool`], with [`Options`]. Made by [`ThreadPool::with`].
#[derive(Debug)]
#[must_use = "options do nothing until a call is made with them"]
pub struct ThreadWith<'p> {
    engine: &'p Threads,
    options: Options,
}

calls! {
    [impl ThreadWith<'_>],
    "proc_pool::ThreadPool::new()?; let pool = pool.with(&proc_pool::Options::new())",
    self => self.engine, &self.options
}

impl ThreadPool {
    /// Makes a pool with one thread for each CPU that this process may use.
    ///
    /// # Errors
    ///
    /// As [`ThreadBuilder::build`].
    pub fn new() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// Returns a builder, for another number of threads or an initializer.
    pub fn builder() -> ThreadBuilder {
        ThreadBuilder::default()
    }

    /// Returns the same calls with options: retries, chunk size, progress. Timeouts are not kept.
    pub fn with(&self, options: &Options) -> ThreadWith<'_> {
        ThreadWith { engine: &self.engine, options: options.clone() }
    }

    /// Returns the number of threads.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.engine.count()).unwrap_or(NonZeroUsize::MIN)
    }

    /// Takes no more tasks; the threads finish those that they have, and end. Does not wait.
    pub fn close(&self) {
        self.engine.close();
    }

    /// Takes no more tasks, and answers those that wait with
    /// [`TaskError::Terminated`](crate::TaskError::Terminated). What runs goes on. Does not wait.
    pub fn terminate(&self) {
        self.engine.terminate();
    }

    /// Waits until the last thread has ended.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where it would wait for ever: when the pool was neither closed nor terminated, and in
    /// a callback.
    pub fn join(&self) -> Result<(), Error> {
        let refused = |why| {
            let source = io::Error::new(io::ErrorKind::WouldBlock, why);
            Err(Error::new("join", "a pool of threads", source))
        };
        if mailbox::is_in_callback() || self.engine.is_here() {
            return refused("a thread of the pool cannot wait for it");
        }
        if self.engine.is_running() {
            return refused("it is still running: close or terminate it first");
        }
        // Whoever joins at the same time waits for the lock, and with it for the threads.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in threads.drain(..) {
            // It catches what could panic in it.
            let _ = thread.join();
        }
        Ok(())
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.terminate();
        let _ = self.join();
    }
}

impl fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ThreadPool").field(&self.engine).finish()
    }
}

/// Wishes for a pool of threads that is to be made.
#[derive(Default)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct ThreadBuilder {
    workers: Option<usize>,
    initializer: Option<Hook>,
}

impl ThreadBuilder {
    /// Sets the number of threads.
    #[doc(alias = "processes")]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Has each thread call `f` with `args` before its first task.
    ///
    /// A panic in it is printed, and the thread goes on.
    pub fn initializer<A, R>(mut self, args: A, f: A::Fn<R>) -> Self
    where
        A: Args + Clone + Send + Sync,
        A::Fn<R>: Send + Sync + 'static,
    {
        self.initializer = Some(Box::new(move || drop(args.clone().call(f))));
        self
    }

    /// Makes the pool and starts its threads.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no threads, otherwise what the kernel says when it refuses one.
    pub fn build(self) -> Result<ThreadPool, Error> {
        let workers = self.workers.unwrap_or_else(|| proc_spawn::cpu_count().get());
        let failed =
            |source: io::Error| Error::new("make", format!("a pool of {workers} threads"), source);
        if workers == 0 {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, NO_WORKERS)));
        }
        let engine = Threads::new(workers, self.initializer);
        // Dropped on the way out, it ends those that were started.
        let pool = ThreadPool { engine, plain: Options::new(), threads: Mutex::default() };
        for index in 1..=workers {
            let engine = pool.engine.clone();
            let thread = std::thread::Builder::new()
                .name(format!("pool-{index}"))
                .spawn(move || engine.serve())
                .map_err(failed)?;
            pool.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(pool)
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadBuilder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
