//! The pool's handle: what users call.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use bytemuck::{AnyBitPattern, NoUninit};
use serde::Serialize;

use crate::builder::Builder;
use crate::calls::calls;
use crate::engine::Engine;
use crate::error::Error;
use crate::mailbox;
use crate::options::Options;
use crate::processes::Processes;
use crate::share::{Broadcast, BroadcastSlice};
use crate::shared::Shared;
use crate::state::Phase;
use crate::stateful::StatePool;
use crate::stats::Stats;
use crate::with::With;

/// A pool of worker processes. See the [crate](crate) for which call does what.
///
/// It may be used from several threads at once. Dropping it terminates it, as if by
/// [`terminate`](Pool::terminate) and [`join`](Pool::join).
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    engine: Processes,
    plain: Options,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

calls! {
    [impl Pool],
    "proc_pool::Pool::new()?",
    self => &self.engine, &self.plain
}

impl Pool {
    /// Makes a pool with one worker for each CPU that this process may use, by affinity and cgroup quota.
    ///
    /// # Errors
    ///
    /// As [`Builder::build`].
    pub fn new() -> Result<Self, Error> {
        Builder::new().build()
    }

    /// Returns a builder, for another number of workers, an initializer, limits.
    pub fn builder() -> Builder {
        Builder::new()
    }

    /// Makes a pool whose workers each have a state that `init` makes, and whose tasks get it.
    ///
    /// # Errors
    ///
    /// As [`Builder::build_with_state`], which also takes arguments for `init`.
    ///
    /// ```
    /// let pool = proc_pool::Pool::with_state(|| vec![1u64, 1])?;
    /// let sums = pool.map([5u64, 6], |numbers, x| x + numbers.iter().sum::<u64>())?;
    /// assert_eq!(sums, [7, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_state<S: 'static>(init: fn() -> S) -> Result<StatePool<S>, Error> {
        Builder::new().build_with_state((), init)
    }

    pub(crate) fn from_parts(shared: Arc<Shared>, thread: JoinHandle<()>) -> Self {
        let engine = Processes(shared);
        Self { engine, plain: Options::new(), threads: Mutex::new(vec![thread]) }
    }

    pub(crate) fn add_thread(&mut self, thread: JoinHandle<()>) {
        self.threads.get_mut().unwrap_or_else(PoisonError::into_inner).push(thread);
    }

    fn shared(&self) -> &Shared {
        &self.engine.0
    }

    pub(crate) fn engine(&self) -> &Processes {
        &self.engine
    }

    /// Returns the same calls with options: timeout, retries, chunk size, progress.
    ///
    /// The example is at [`Options`].
    pub fn with(&self, options: &Options) -> With<'_> {
        With::new(&self.engine, options.clone())
    }

    /// Returns the number of workers: those that there are, or will be when there is enough to do.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        NonZeroUsize::new(self.engine.workers()).unwrap_or(NonZeroUsize::MIN)
    }

    /// Changes the number of workers. Does not wait.
    ///
    /// New ones are started at once; of those that are too many the idle ones go first, and a busy one
    /// finishes what it has.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no workers.
    ///
    /// ```
    /// let pool = proc_pool::Pool::builder().workers(1).build()?;
    /// pool.resize(3)?;
    /// assert_eq!(pool.workers().get(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "grow")]
    #[doc(alias = "shrink")]
    pub fn resize(&self, workers: usize) -> Result<(), Error> {
        if workers == 0 {
            let source = io::Error::new(io::ErrorKind::InvalidInput, crate::builder::NO_WORKERS);
            return Err(Error::new("resize", "a pool to 0 workers", source));
        }
        if !self.shared().is_a_copy() {
            self.shared().state().size = workers;
            self.shared().wake();
        }
        Ok(())
    }

    /// Returns what the pool and its workers have done so far.
    ///
    /// ```
    /// let pool = proc_pool::Pool::builder().workers(2).build()?;
    /// pool.map_in_chunks(0..10, 1, |x: i32| x)?;
    /// let stats = pool.stats();
    /// assert_eq!((stats.done, stats.failed, stats.waiting), (10, 0, 0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared().glance().map(|state| Stats::of(&state)).unwrap_or_default()
    }

    /// Encodes a value once, for all workers, and returns a handle that tasks take as an argument.
    ///
    /// Each worker that gets the handle decodes the value once and keeps it: not each task pays for it.
    /// For plain numbers and structs there is [`share_slice`](Self::share_slice), which nobody decodes.
    ///
    /// # Errors
    ///
    /// `InvalidInput` when the value cannot be encoded or contains handles, otherwise what the kernel
    /// says when it has no memory.
    ///
    /// ```
    /// use proc_pool::{Broadcast, Pool};
    /// use std::collections::BTreeMap;
    ///
    /// let pool = Pool::new()?;
    /// let prices = BTreeMap::from([("pear".to_string(), 3u32), ("plum".to_string(), 5)]);
    /// let prices = pool.share(prices)?;
    /// let orders = ["plum", "pear", "plum"].map(|name| (prices.clone(), name.to_string()));
    /// let paid = pool.starmap(orders, |prices: Broadcast<BTreeMap<_, _>>, name| prices[&name])?;
    /// assert_eq!(paid, [5, 3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "broadcast")]
    pub fn share<T>(&self, value: T) -> Result<Broadcast<T>, Error>
    where
        T: Serialize + Send + Sync + 'static,
    {
        Broadcast::new(value)
    }

    /// Copies plain items into memory that all workers read in place, and returns a handle that tasks
    /// take as an argument.
    ///
    /// The memory is there once, whatever the number of workers, and sealed: nobody can change it.
    ///
    /// # Errors
    ///
    /// What the kernel says when it has no memory.
    ///
    /// ```
    /// use proc_pool::{BroadcastSlice, Pool};
    ///
    /// let pool = Pool::new()?;
    /// let table = pool.share_slice(&[1.0f64, 0.5, 0.25])?;
    /// let tasks = (0..3usize).map(|index| (table.clone(), index));
    /// let read = pool.starmap(tasks, |table: BroadcastSlice<f64>, index| table[index])?;
    /// assert_eq!(read, [1.0, 0.5, 0.25]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn share_slice<T: NoUninit + AnyBitPattern>(
        &self,
        items: &[T],
    ) -> Result<BroadcastSlice<T>, Error> {
        BroadcastSlice::new(items)
    }

    /// Takes no more tasks; the workers finish those that they have, and end. Does not wait.
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.shared().leave(Phase::Closed);
    }

    /// Takes no more tasks, answers all with [`TaskError::Terminated`](crate::TaskError::Terminated),
    /// and ends the workers. Does not wait.
    ///
    /// They are sent SIGTERM, and SIGKILL if they are there after the pool's
    /// [grace](Builder::grace).
    pub fn terminate(&self) {
        self.shared().leave(Phase::Terminated);
    }

    /// Waits until the last worker has ended.
    ///
    /// # Errors
    ///
    /// `WouldBlock` where it would wait for ever: when the pool was neither closed nor terminated, in a
    /// callback, and in the child of a fork.
    ///
    /// ```
    /// let pool = proc_pool::Pool::new()?;
    /// let error = pool.join().unwrap_err();
    /// assert_eq!(error.to_string(), "failed to join a pool");
    /// pool.close();
    /// pool.join()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn join(&self) -> Result<(), Error> {
        let refused = |why| {
            let source = io::Error::new(io::ErrorKind::WouldBlock, why);
            Err(Error::new("join", "a pool", source))
        };
        if self.shared().is_a_copy() {
            return refused("it belongs to the process that was forked");
        }
        if mailbox::is_in_callback() {
            return refused("a callback of a pool cannot wait for one");
        }
        if self.shared().state().phase == Phase::Running {
            return refused("it is still running: close or terminate it first");
        }
        drop(self.shared().until(|state| state.finished));
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        // They have nothing left to do, and catch what could panic in them.
        threads.drain(..).for_each(|thread| drop(thread.join()));
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The child of a fork has neither the thread nor, perhaps, the state's lock.
        if !self.shared().is_a_copy() {
            self.terminate();
            let _ = self.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.engine).finish()
    }
}
