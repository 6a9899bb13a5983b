//! How a pool is made.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use proc_spawn::Args;
use proc_spawn::call::{self, Call};
use serde::Serialize;

use crate::dispatch::{Dispatcher, Policy};
use crate::error::{Error, SubmitError};
use crate::limits::Limits;
use crate::pool::Pool;
use crate::recycle::Recycling;
use crate::shared::Shared;
use crate::staff::GRACE;
use crate::state::{Phase, State};
use crate::stateful::{self, StatePool};
use crate::worker::{self, Hook, Setup};

pub(crate) const NO_WORKERS: &str = "a pool needs at least one worker";

/// How many pools may be inside of each other.
const MAX_DEPTH: u32 = 4;
/// After so many workers in a row that ended before they were ready, the pool is broken.
const MOST_FAILURES: u32 = 5;

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
    initializer: Option<Result<Hook, SubmitError>>,
    exit_hook: Option<Result<Hook, SubmitError>>,
    state: Option<Result<Hook, SubmitError>>,
    limits: Limits,
    recycling: Recycling,
    max_tasks: Option<u64>,
    start_tries: Option<u32>,
    poison: Option<u32>,
    grace: Option<Duration>,
    max_depth: Option<u32>,
}

fn hook<A: Args, R: Serialize + 'static>(args: &A, f: A::Fn<R>) -> Result<Hook, SubmitError> {
    let call = Call::apply::<A, R>(f).map_err(SubmitError::function)?;
    Ok(Hook::new(call, call::encode(args).map_err(SubmitError::encode)?))
}

impl Builder {
    /// Makes a builder for a pool with one worker for each CPU that this process may use.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of workers.
    #[doc(alias = "processes")]
    #[doc(alias = "max_workers")]
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// Has each worker call `f` with `args` before its first task, replacements included.
    ///
    /// With an initializer [`build`](Self::build) waits until the first worker is ready, so that one that
    /// panics is an error there.
    #[doc(alias = "initargs")]
    pub fn initializer<A: Args, R: Serialize + 'static>(mut self, args: A, f: A::Fn<R>) -> Self {
        self.initializer = Some(hook(&args, f));
        self
    }

    /// Has each worker call `f` with `args` when it ends in order: when the pool is closed, and when the
    /// worker is recycled. One that is terminated or killed calls nothing.
    #[doc(alias = "worker_exit")]
    pub fn on_exit<A: Args, R: Serialize + 'static>(mut self, args: A, f: A::Fn<R>) -> Self {
        self.exit_hook = Some(hook(&args, f));
        self
    }

    /// Replaces a worker after so many tasks, a chunk of `map` being one.
    ///
    /// What a task leaves behind in its process (leaks, global state) lives so long at most. The new
    /// worker is started when the last task is handed out, not when it is done.
    #[doc(alias = "maxtasksperchild")]
    #[doc(alias = "max_tasks_per_child")]
    pub fn max_tasks_per_worker(mut self, tasks: u64) -> Self {
        self.max_tasks = Some(tasks);
        self
    }

    /// Replaces a worker that is older than this, between two tasks.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.recycling.max_age = Some(age);
        self
    }

    /// Replaces a worker that has more memory resident than this after a task, shared memory included.
    ///
    /// It is looked at after tasks, at most twenty times a second. [`memory_limit`](Self::memory_limit) is
    /// for those that must not exceed theirs in a task.
    #[doc(alias = "max_memory_per_child")]
    pub fn max_rss_bytes(mut self, bytes: u64) -> Self {
        self.recycling.max_rss = Some(bytes);
        self
    }

    /// Lets workers end that have had nothing to do for so long. They are started again when they are
    /// needed.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.recycling.idle = Some(timeout);
        self
    }

    /// Sets how many workers in a row may end before they are ready, with growing pauses between them.
    ///
    /// After that the pool is broken, and says so to whoever waits for it or hands it a task. The default
    /// is five.
    pub fn start_tries(mut self, tries: u32) -> Self {
        self.start_tries = Some(tries);
        self
    }

    /// Gives a task up after so many workers were lost with it, whatever
    /// [`retries`](crate::Options::retries) it has left.
    pub fn poison_limit(mut self, workers: u32) -> Self {
        self.poison = Some(workers);
        self
    }

    /// Sets how long a worker that is to be ended has between SIGTERM and SIGKILL. The default is a
    /// second.
    ///
    /// Unless a task handles SIGTERM, that ends it at once.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = Some(grace);
        self
    }

    /// Sets how many pools may be inside of each other, this one included. The default is four.
    ///
    /// A worker may have a pool of its own, whose workers end with it. The limit keeps a task that makes
    /// a pool for a task that makes a pool from filling the machine.
    pub fn max_depth(mut self, depth: u32) -> Self {
        self.max_depth = Some(depth);
        self
    }

    /// Limits the address space of each worker, in bytes, program and libraries included.
    ///
    /// The kernel enforces it, in the middle of a task: an allocation beyond it fails, which in Rust mostly
    /// ends the worker, and the task fails with [`WorkerDied`](crate::WorkerDied), which says that it was
    /// [out of memory](crate::WorkerDied::out_of_memory). A limit with which no worker can start is an
    /// error of [`build`](Self::build).
    ///
    /// ```
    /// use proc_pool::Pool;
    ///
    /// let pool = Pool::builder().workers(1).memory_limit(1 << 30).build()?;
    /// let greedy = |bytes: usize| std::hint::black_box(vec![1u8; bytes]).len();
    /// assert_eq!(pool.apply((1000,), greedy)?, 1000);
    /// let error = pool.apply((2 << 30,), greedy).unwrap_err();
    /// assert!(error.worker_died().unwrap().out_of_memory());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "RLIMIT_AS")]
    #[doc(alias = "memory_bytes")]
    pub fn memory_limit(mut self, bytes: u64) -> Self {
        self.limits.memory_bytes = Some(bytes);
        self
    }

    /// Limits the CPU time of each worker, all its tasks together. It is ended then, and replaced.
    #[doc(alias = "RLIMIT_CPU")]
    pub fn cpu_limit(mut self, time: Duration) -> Self {
        self.limits.cpu_time = Some(time);
        self
    }

    /// Limits the number of descriptors of each worker.
    #[doc(alias = "RLIMIT_NOFILE")]
    pub fn open_files(mut self, count: u64) -> Self {
        self.limits.open_files = Some(count);
        self
    }

    /// Sets the niceness of the workers, from -20 (goes first, needs rights) to 19 (stands back).
    pub fn nice(mut self, nice: i32) -> Self {
        self.limits.nice = Some(nice);
        self
    }

    /// Keeps what workers write to standard output and error, instead of passing it on, and attaches the
    /// last so many bytes of each to the error when one [dies](crate::WorkerDied::output).
    ///
    /// ```
    /// use proc_pool::Pool;
    ///
    /// let pool = Pool::builder().workers(1).keep_output(4096).build()?;
    /// let talks = || -> () {
    ///     eprintln!("about to go");
    ///     std::process::abort()
    /// };
    /// let error = pool.apply((), talks).unwrap_err();
    /// assert_eq!(error.worker_died().unwrap().output(), Some("about to go\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep_output(mut self, bytes: usize) -> Self {
        self.limits.output = Some(bytes);
        self
    }

    /// Makes the pool and starts its workers.
    ///
    /// Does not wait until they are ready, unless there is something that can fail before: an
    /// initializer, a state, limits.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a wish that makes no sense, such as no workers, or more of them than this process
    /// may have descriptors for, or an initializer whose arguments cannot be sent; otherwise what the kernel
    /// says when it refuses a process, a thread or a descriptor, or why no worker becomes ready. No worker is
    /// left then.
    pub fn build(self) -> Result<Pool, Error> {
        let workers = self.workers.unwrap_or_else(|| proc_spawn::cpu_count().get());
        let failed =
            |source: io::Error| Error::new("make", format!("a pool of {workers} workers"), source);
        self.start(workers).map_err(failed)
    }

    /// Makes a pool whose workers each have a state: what `init` returns for `args`.
    ///
    /// It is made after the [initializer](Self::initializer) has run, and dropped when the worker ends in
    /// order.
    ///
    /// # Errors
    ///
    /// As [`build`](Self::build).
    ///
    /// ```
    /// use proc_pool::Pool;
    ///
    /// let pool = Pool::builder().workers(1).build_with_state((10u32,), |start| vec![start])?;
    /// assert_eq!(pool.apply(11, |seen, x| { seen.push(x); seen.len() })?, 2);
    /// assert_eq!(pool.apply(12, |seen, x| { seen.push(x); seen.clone() })?, [10, 11, 12]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn build_with_state<A, S>(mut self, args: A, init: A::Fn<S>) -> Result<StatePool<S>, Error>
    where
        A: Args,
        S: 'static,
    {
        let named = stateful::init_call::<A, S>(init).map_err(SubmitError::function);
        self.state = Some(named.and_then(|call| {
            Ok(Hook::new(call, call::encode(&args).map_err(SubmitError::encode)?))
        }));
        self.build().map(StatePool::new)
    }

    fn start(self, workers: usize) -> io::Result<Pool> {
        let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidInput, why);
        self.check(workers).map_err(invalid)?;
        let of = |name: &str, hook: Option<Result<Hook, SubmitError>>| {
            hook.transpose().map_err(|error| invalid(format!("its {name}: {error}")))
        };
        let setup = Setup {
            initializer: of("initializer", self.initializer)?,
            exit_hook: of("exit hook", self.exit_hook)?,
            state: of("state", self.state)?,
            id: 0,
            depth: worker::depth() + 1,
        };
        let may_fail =
            setup.initializer.is_some() || setup.state.is_some() || self.limits.are_some();
        let policy = Policy {
            setup,
            limits: self.limits,
            recycling: self.recycling,
            most_failures: self.start_tries.unwrap_or(MOST_FAILURES),
            poison: self.poison.unwrap_or(u32::MAX),
            grace: self.grace.unwrap_or(GRACE),
        };
        let state = State::new(workers, self.max_tasks);
        let shared = Arc::new(Shared::new(state, policy.recycling.watches())?);
        let mut dispatcher = Dispatcher::new(Arc::clone(&shared), policy.clone());
        let limits = &policy.limits;
        for id in 1..=workers as u64 {
            match policy.start(id, shared.pump.bell()) {
                Ok(worker) => dispatcher.add(worker),
                Err(error) => {
                    dispatcher.discard();
                    return Err(io::Error::other(limits.explain(error.to_string())));
                }
            }
        }
        let thread = std::thread::Builder::new()
            .name("proc-pool".to_owned())
            .spawn(move || dispatcher.run())?;
        let mut pool = Pool::from_parts(Arc::clone(&shared), thread);
        let second = Arc::clone(&shared);
        let second = std::thread::Builder::new()
            .name("proc-pool-2".to_owned())
            .spawn(move || second.attend_until_the_end())?;
        pool.add_thread(second);
        if may_fail {
            let settled = || {
                let state = shared.state();
                state.phase != Phase::Running || state.slots.iter().flatten().any(|slot| slot.ready)
            };
            shared.wait_until(&settled, None);
            let state = shared.state();
            if let Phase::Broken(why) = &state.phase {
                return Err(io::Error::other(limits.explain(why.clone())));
            }
        }
        Ok(pool)
    }

    /// Says which wish makes no sense, and what would.
    fn check(&self, workers: usize) -> Result<(), String> {
        let max_depth = self.max_depth.unwrap_or(MAX_DEPTH);
        let depth = worker::depth() + 1;
        if workers == 0 {
            return Err(NO_WORKERS.to_owned());
        }
        if depth > max_depth {
            return Err(format!(
                "it would be inside of {} pools, and max_depth is {max_depth}: {depth} would be enough",
                depth - 1
            ));
        }
        let zero = [
            (self.max_tasks == Some(0), "0 tasks per worker: a worker does at least 1"),
            (self.start_tries == Some(0), "0 tries to start: the first one is a try"),
            (self.poison == Some(0), "a poison limit of 0: a task is tried once at least"),
        ];
        match zero.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, why)) => Err(why.to_owned()),
            None => self.limits.check().and_then(|()| self.limits.check_descriptors(workers)),
        }
    }
}
