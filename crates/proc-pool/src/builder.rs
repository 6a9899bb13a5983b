//! How a pool is made.

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;

use proc_spawn::Args;
use proc_spawn::call::{self, Call};
use serde::Serialize;

use crate::dispatch::{Dispatcher, Worker};
use crate::error::{Error, SubmitError};
use crate::pool::Pool;
use crate::shared::Shared;
use crate::worker::Initializer;

/// Wishes for a pool that is to be made.
///
/// ```
/// use proc_pool::Pool;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// static OFFSET: AtomicU32 = AtomicU32::new(0); // each worker has its own
///
/// let pool = Pool::builder()
///     .workers(2)
///     .initializer((1000,), |offset| OFFSET.store(offset, Ordering::Relaxed))
///     .build()?;
/// let sums = pool.map([1, 2, 3], |x| x + OFFSET.load(Ordering::Relaxed))?;
/// assert_eq!(sums, [1001, 1002, 1003]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder makes nothing until `build` is called"]
pub struct Builder {
    workers: Option<usize>,
    initializer: Option<Result<Initializer, SubmitError>>,
}

impl Builder {
    /// Makes a builder for a pool with one worker for each CPU that this process may use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of workers.
    #[doc(alias = "processes")]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Has each worker call `f` with `args` before its first task, replacements included.
    ///
    /// A worker whose initializer panics is replaced; after five in a row the pool is broken, and says so
    /// to whoever waits for it or hands it a task.
    pub fn initializer<A: Args, R: Serialize + 'static>(mut self, args: A, f: A::Fn<R>) -> Self {
        let named = Call::apply::<A, R>(f).map_err(SubmitError::function);
        self.initializer = Some(named.and_then(|call| {
            let args = call::encode(&args).map_err(SubmitError::encode)?;
            Ok(Initializer::new(call, args))
        }));
        self
    }

    /// Makes the pool and starts its workers, without waiting until they are ready.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for no workers, or for an initializer whose arguments cannot be sent; otherwise what
    /// the kernel says when it refuses a process, a thread or a descriptor. No worker is left then.
    pub fn build(self) -> Result<Pool, Error> {
        let workers = self.workers.unwrap_or_else(|| proc_spawn::cpu_count().get());
        let failed =
            |source: io::Error| Error::new("make", format!("a pool of {workers} workers"), source);
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        let count = NonZeroUsize::new(workers)
            .ok_or_else(|| failed(invalid("a pool needs at least one worker".to_owned())))?;
        let initializer = self
            .initializer
            .transpose()
            .map_err(|error| failed(invalid(format!("its initializer: {error}"))))?;
        let shared = Arc::new(Shared::new(count.get()).map_err(failed)?);
        let mut started = Vec::new();
        for index in 0..count.get() {
            match Worker::start(index, initializer.clone()) {
                Ok(worker) => started.push(worker),
                Err(error) => {
                    started.into_iter().for_each(Worker::discard);
                    return Err(failed(io::Error::other(error)));
                }
            }
        }
        let dispatcher = Dispatcher::new(Arc::clone(&shared), initializer, started);
        let thread = std::thread::Builder::new()
            .name("proc-pool".to_owned())
            .spawn(move || dispatcher.run())
            .map_err(failed)?;
        Ok(Pool::from_parts(shared, count, thread))
    }
}
