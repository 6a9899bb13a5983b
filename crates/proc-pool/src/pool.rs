//! The pool's handle: what users call.

use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use proc_spawn::Args;
use proc_spawn::call::{self, Call};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::builder::Builder;
use crate::error::{Error, SubmitError, TaskError};
use crate::handle::{self, Handle};
use crate::imap::{Imap, ImapUnordered};
use crate::job::Done;
use crate::map;
use crate::shared::Shared;
use crate::state::Phase;

/// A pool of worker processes. See the [crate](crate) for which call does what.
///
/// It may be used from several threads at once. Dropping it terminates it, as if by
/// [`terminate`](Pool::terminate) and [`join`](Pool::join).
#[doc(alias = "ProcessPoolExecutor")]
pub struct Pool {
    shared: Arc<Shared>,
    workers: NonZeroUsize,
    thread: Mutex<Option<JoinHandle<()>>>,
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

    /// Returns a builder, for another number of workers or an initializer.
    pub fn builder() -> Builder {
        Builder::new()
    }

    pub(crate) fn from_parts(
        shared: Arc<Shared>,
        workers: NonZeroUsize,
        thread: JoinHandle<()>,
    ) -> Self {
        Self { shared, workers, thread: Mutex::new(Some(thread)) }
    }

    /// Returns the number of workers.
    #[must_use]
    pub fn workers(&self) -> NonZeroUsize {
        self.workers
    }

    /// Calls `f` with `args` in a worker, waits for the result and returns it.
    ///
    /// # Errors
    ///
    /// [`TaskError`]: it panicked, its worker died, the pool takes no tasks.
    ///
    /// ```
    /// use proc_pool::Pool;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// assert_eq!(pool.apply((6, 7), |a: i32, b: i32| a * b)?, 42);
    ///
    /// // A task that takes its worker with it fails alone.
    /// let error = pool.apply((), || -> () { std::process::abort() }).unwrap_err();
    /// assert_eq!(error.worker_died().unwrap().status().signal(), Some(6));
    /// assert_eq!(pool.apply((6, 7), |a: i32, b: i32| a * b)?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply<A, R>(&self, args: A, f: A::Fn<R>) -> Result<R, TaskError>
    where
        A: Args,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        self.apply_async(args, f)?.get()
    }

    /// Hands `f` with `args` to the workers, and returns at once with a handle for the result.
    ///
    /// # Errors
    ///
    /// [`SubmitError`]: the pool takes no tasks, or the task cannot be sent.
    #[doc(alias = "submit")]
    pub fn apply_async<A, R>(&self, args: A, f: A::Fn<R>) -> Result<Handle<R>, SubmitError>
    where
        A: Args,
        R: Serialize + DeserializeOwned + Send + 'static,
    {
        let (handle, done) = Handle::new();
        self.submit(&args, f, Box::new(done)).map(|()| handle)
    }

    /// Hands `f` with `args` to the workers, and has `callback` called with the result or the error.
    ///
    /// The callback runs in this process, on the pool's own thread, before the handle is ready. While it
    /// runs, other results wait; it must not wait for a task. A panic in it is printed and goes no
    /// further.
    ///
    /// # Errors
    ///
    /// As [`apply_async`](Self::apply_async); the callback is not called then.
    ///
    /// ```
    /// use proc_pool::Pool;
    /// use std::sync::mpsc;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let (tell, told) = mpsc::channel();
    /// pool.apply_async_then((20,), |x: i32| x + 1, move |result| {
    ///     tell.send(result.copied().map_err(|error| error.to_string())).unwrap();
    /// })?;
    /// assert_eq!(told.recv()?, Ok(21));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "callback")]
    #[doc(alias = "error_callback")]
    pub fn apply_async_then<A, R, C>(
        &self,
        args: A,
        f: A::Fn<R>,
        callback: C,
    ) -> Result<Handle<R>, SubmitError>
    where
        A: Args,
        R: Serialize + DeserializeOwned + Send + 'static,
        C: FnOnce(Result<&R, &TaskError>) + Send + 'static,
    {
        let (handle, done) = Handle::then(callback);
        self.submit(&args, f, Box::new(done)).map(|()| handle)
    }

    fn submit<A, R>(&self, args: &A, f: A::Fn<R>, done: Done) -> Result<(), SubmitError>
    where
        A: Args,
        R: Serialize + 'static,
    {
        let call = Call::apply::<A, R>(f).map_err(SubmitError::function)?;
        let args = call::encode(args).map_err(SubmitError::encode)?;
        self.shared.submit(call, args, done)
    }

    /// Calls `f` with each item in the workers, waits for all, and returns the results in order.
    ///
    /// The items go to the workers in chunks, four for each worker. All chunks are done even when one
    /// fails.
    ///
    /// # Errors
    ///
    /// The first [`TaskError`] in the order of the input. When a worker dies, its whole chunk fails.
    ///
    /// ```
    /// let pool = proc_pool::Pool::new()?;
    /// let lengths = pool.map(["one", "three"].map(String::from), |s| s.len())?;
    /// assert_eq!(lengths, [3, 5]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn map<I, T, R>(&self, items: I, f: fn(T) -> R) -> Result<Vec<R>, TaskError>
    where
        I: IntoIterator<Item = T>,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let items: Vec<T> = items.into_iter().collect();
        map::map(&self.shared, &items, map::chunk_size(items.len(), self.workers.get()), f)
    }

    /// Does as [`map`](Self::map), in chunks of the given size.
    ///
    /// Small ones share out uneven work well, large ones cost less for each item. A size of 0 is
    /// taken for 1.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map).
    #[doc(alias = "chunksize")]
    pub fn map_in_chunks<I, T, R>(
        &self,
        items: I,
        chunk_size: usize,
        f: fn(T) -> R,
    ) -> Result<Vec<R>, TaskError>
    where
        I: IntoIterator<Item = T>,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        let items: Vec<T> = items.into_iter().collect();
        map::map(&self.shared, &items, chunk_size.max(1), f)
    }

    /// Calls `f` with each item in the workers, and returns the results one by one, in order.
    ///
    /// Begins at once. Draws the input only a few items ahead of what is taken out, so the input may be
    /// endless. An item that fails gives its error in its place, and the rest go on. Dropping the
    /// iterator lets the items that are on their way be done for nobody.
    ///
    /// ```
    /// let pool = proc_pool::Pool::new()?;
    /// let mut squares = pool.imap(1u64.., |x| x * x);
    /// assert_eq!(squares.nth(9).unwrap()?, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap<I, T, R>(&self, items: I, f: fn(T) -> R) -> Imap<'_, I::IntoIter, T, R>
    where
        I: IntoIterator<Item = T>,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        Imap::new(&self.shared, self.workers.get(), items.into_iter(), f)
    }

    /// Does as [`imap`](Self::imap), and returns whichever result comes first.
    ///
    /// Let `f` return its argument too where it matters which result it is.
    ///
    /// ```
    /// let pool = proc_pool::Pool::new()?;
    /// let mut sum = 0;
    /// for square in pool.imap_unordered(1..=100u64, |x| x * x) {
    ///     sum += square?;
    /// }
    /// assert_eq!(sum, 338_350);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imap_unordered<I, T, R>(
        &self,
        items: I,
        f: fn(T) -> R,
    ) -> ImapUnordered<'_, I::IntoIter, T, R>
    where
        I: IntoIterator<Item = T>,
        T: Serialize + DeserializeOwned + 'static,
        R: Serialize + DeserializeOwned + 'static,
    {
        ImapUnordered::new(&self.shared, self.workers.get(), items.into_iter(), f)
    }

    /// Takes no more tasks; the workers finish those that they have, and end. Does not wait.
    #[doc(alias = "shutdown")]
    pub fn close(&self) {
        self.shared.leave(Phase::Closed);
    }

    /// Takes no more tasks, answers all with [`TaskError::Terminated`], and ends the workers. Does not wait.
    ///
    /// They are sent SIGTERM, and SIGKILL if they are there a second later.
    pub fn terminate(&self) {
        self.shared.leave(Phase::Terminated);
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
        if self.shared.is_a_copy() {
            return refused("it belongs to the process that was forked");
        }
        if handle::is_in_callback() {
            return refused("a callback of a pool cannot wait for one");
        }
        if self.shared.state().phase == Phase::Running {
            return refused("it is still running: close or terminate it first");
        }
        drop(self.shared.until(|state| state.finished));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It has nothing left to do, and catches what could panic in it.
        let _ = thread.map(JoinHandle::join);
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        // The child of a fork has neither the thread nor, perhaps, the state's lock.
        if !self.shared.is_a_copy() {
            self.terminate();
            let _ = self.join();
        }
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        f.debug_struct("Pool")
            .field("workers", &self.workers)
            .field("phase", &state.phase)
            .field("waiting", &state.queue.len())
            .finish_non_exhaustive()
    }
}
