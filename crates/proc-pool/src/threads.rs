//! The same calls on threads: Python's `multiprocessing.dummy`.

mod engine;
mod tally;

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytemuck::{AnyBitPattern, NoUninit};
use proc_spawn::Args;
use serde::Serialize;

use crate::builder::NO_WORKERS;
use crate::calls::calls;
use crate::engine::Engine;
use crate::error::Error;
use crate::mailbox;
use crate::options::Options;
use crate::share::{Broadcast, BroadcastSlice};
use crate::stats::Stats;

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
        NonZeroUsize::new(self.engine.workers()).unwrap_or(NonZeroUsize::MIN)
    }

    /// Changes the number of threads. Does not wait: one that is busy finishes what it does.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no threads, otherwise what the kernel says when it refuses one; those that it
    /// did not refuse are there.
    ///
    /// ```
    /// let pool = proc_pool::ThreadPool::builder().workers(1).build()?;
    /// pool.resize(3)?;
    /// assert_eq!(pool.workers().get(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "grow")]
    #[doc(alias = "shrink")]
    pub fn resize(&self, workers: usize) -> Result<(), Error> {
        self.set_size(workers, "resize")
    }

    fn set_size(&self, workers: usize, what: &'static str) -> Result<(), Error> {
        let failed = |source| Error::new(what, format!("a pool of {workers} threads"), source);
        if workers == 0 {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, NO_WORKERS)));
        }
        // One at a time, and none that `join` misses.
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        self.engine.set_size(workers);
        while let Some(vacancy) = self.engine.vacancy() {
            let (engine, tally) = (self.engine.clone(), Arc::clone(&vacancy));
            let started = std::thread::Builder::new()
                .name(format!("pool-{}", vacancy.id))
                .spawn(move || engine.serve(&tally));
            threads.push(started.map_err(|error| {
                self.engine.give_up(&vacancy);
                failed(error)
            })?);
        }
        Ok(())
    }

    /// Returns what the pool and its threads have done so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Does as [`Pool::share`](crate::Pool::share); the tasks read the value itself.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn share<T>(&self, value: T) -> Result<Broadcast<T>, Error>
    where
        T: Serialize + Send + Sync + 'static,
    {
        Broadcast::new(value)
    }

    /// Does as [`Pool::share_slice`](crate::Pool::share_slice).
    ///
    /// # Errors
    ///
    /// As there.
    pub fn share_slice<T: NoUninit + AnyBitPattern>(
        &self,
        items: &[T],
    ) -> Result<BroadcastSlice<T>, Error> {
        BroadcastSlice::new(items)
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
        // Without the lock: a task may want to resize the pool.
        self.engine.until_all_have_left();
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
        let engine = Threads::new(self.initializer);
        // Dropped on the way out, it ends those that were started.
        let pool = ThreadPool { engine, plain: Options::new(), threads: Mutex::default() };
        pool.set_size(workers, "make")?;
        Ok(pool)
    }
}

impl fmt::Debug for ThreadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadBuilder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
