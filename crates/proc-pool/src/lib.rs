//! A pool of worker processes.
//!
//! Hand it functions with arguments, or whole sequences of arguments, and its workers compute the
//! results, in processes of their own: a task that crashes takes its worker with it and nothing
//! else. The task's own answer says so, the worker is replaced, and the pool goes on.
//!
//! ```
//! use proc_pool::Pool;
//!
//! let pool = Pool::new()?; // one worker for each CPU that this process may use
//! let squares = pool.map(1..=5u64, |x| x * x)?;
//! assert_eq!(squares, [1, 4, 9, 16, 25]);
//!
//! let later = pool.apply_async((2u32, 10u32), u32::pow)?;
//! assert_eq!(later.get()?, 1024);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Which call
//!
//! | | waits | takes |
//! |---|---|---|
//! | [`apply`](Pool::apply) | for the result | one function, a tuple of arguments |
//! | [`apply_async`](Pool::apply_async) | not at all, returns a [`Handle`], which is a future too | the same |
//! | [`apply_async_then`](Pool::apply_async_then) | not at all, calls back | the same |
//! | [`map`](Pool::map), [`starmap`](Pool::starmap) | for all results, in the order of the input | a sequence, in chunks |
//! | [`map_async`](Pool::map_async), [`starmap_async`](Pool::starmap_async) | not at all, one handle for all | the same |
//! | [`try_map`](Pool::try_map) | for all results, or for the first error | the same |
//! | [`imap`](Pool::imap) | for one result at a time, in the order of the input | a sequence, item by item, drawn as needed |
//! | [`imap_unordered`](Pool::imap_unordered) | for whichever result comes next | the same |
//! | [`as_completed`], [`wait_first`] | for whichever handle is answered next | handles |
//!
//! Functions are plain `fn`s or closures that capture nothing; what they are to know goes through
//! their arguments, which serde encodes. Locks, queues and pipes of this family may be among them. What
//! all tasks need is [shared](Pool::share) once, what each worker needs is its
//! [state](Pool::with_state). A [`ThreadPool`] has the same calls, on threads.
//!
//! # With what wishes
//!
//! | for a call: [`Options`], by [`Pool::with`] | for a pool: [`Builder`] |
//! |---|---|
//! | [`timeout`](Options::timeout): ends the task, with its worker | [`memory_limit`](Builder::memory_limit), [`cpu_limit`](Builder::cpu_limit), [`open_files`](Builder::open_files) of each worker |
//! | [`retries`](Options::retries), for tasks that may be done twice | [`poison_limit`](Builder::poison_limit) for tasks that kill each worker |
//! | [`chunk_size`](Options::chunk_size), [`chunk_time`](Options::chunk_time) | [`initializer`](Builder::initializer), [`on_exit`](Builder::on_exit), [`build_with_state`](Builder::build_with_state) |
//! | [`ahead`](Options::ahead) for `imap` | [`max_tasks_per_worker`](Builder::max_tasks_per_worker), [`max_rss_bytes`](Builder::max_rss_bytes), [`max_age`](Builder::max_age) |
//! | [`progress`](Options::progress) | [`idle_timeout`](Builder::idle_timeout), [`Pool::resize`] |
//!
//! ```
//! use proc_pool::{Options, Pool, TaskError};
//! use std::time::Duration;
//!
//! /// Stands for a library that hangs on some inputs and crashes on others.
//! fn fragile(n: u32) -> u32 {
//!     match n {
//!         3 => loop { std::thread::park() },
//!         5 => std::process::abort(),
//!         _ => n * 10,
//!     }
//! }
//!
//! let pool = Pool::builder().workers(2).build()?;
//! let careful = Options::new().timeout(Duration::from_millis(100));
//! let results: Vec<_> = pool.with(&careful).imap(1..=6, fragile).collect();
//! assert_eq!(results[3], Ok(40));
//! assert!(matches!(results[2], Err(TaskError::TimedOut(_))));
//! assert_eq!(results[4].as_ref().unwrap_err().worker_died().unwrap().signal(), Some(6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The end of a pool
//!
//! [`close`](Pool::close) lets the workers finish what was submitted, [`terminate`](Pool::terminate)
//! does not; after either, [`join`](Pool::join) waits until the workers are gone. Dropping a pool
//! terminates it. Whatever happens, every handle is answered: after `terminate` with
//! [`TaskError::Terminated`].
//!
//! # When a worker is killed
//!
//! Each worker has memory of its own in which it gets tasks and leaves answers, without a lock that it
//! could die with, and it marks there which task it begins. That task fails with
//! [`TaskError::WorkerDied`], which says how the worker ended and what it had used, unless it has retries
//! left; an answer that it had left before is still delivered; a task that it had been given and not begun
//! goes to another worker. A new worker takes its place. When the process that has the pool dies, the
//! kernel ends the workers.
//!
//! | what happens | what is answered |
//! |---|---|
//! | a task panics | [`Panicked`](TaskError::Panicked), with message and place; the worker lives |
//! | it crashes, is killed, exits, or a thread of it crashes | [`WorkerDied`], with signal or code, usage, and what it [wrote](Builder::keep_output) last |
//! | it exceeds the worker's memory or CPU time | the same, and [which limit](WorkerDied::limit) |
//! | it takes too long, or is stopped | [`TimedOut`](TaskError::TimedOut), if it has a timeout |
//! | its arguments or its result cannot be sent or decoded, or there is no memory for them | [`Rejected`](TaskError::Rejected), [`Result`](TaskError::Result), [`Io`](TaskError::Io) |
//! | no worker becomes ready, five times in a row | an error of [`build`](Builder::build), later [`Broken`](SubmitError::Broken) for all |
//!
//! In each case the other tasks are not affected.
//!
//! # Why that is so
//!
//! The memory that a worker shares with the pool, its *lane*, has one writer for each word but a task's state,
//! where the worker that begins a task and the pool that takes it back meet:
//!
//! | word | states | moved by |
//! |---|---|---|
//! | state of a task | ready → begun | the worker, by compare-and-swap, before it looks at anything else of the task |
//! | | ready → taken back | the pool, by compare-and-swap: one of the two wins |
//! | | begun, taken back → ready, for a later task | the pool, once it has the answer, or the task is given to another |
//! | how many tasks were put | + n | the pool, which then wakes the worker if that sleeps |
//! | how many answers count | + 1 | the worker, once an answer is written: one store, which commits it |
//! | how many answers were taken | + n | the pool |
//! | the worker sleeps | 0, 1 | the worker |
//! | the bell, one for all lanes | + 1, in one step with the wake | whoever has an answer for a pool that sleeps |
//!
//! | worker killed | the pool finds | and |
//! |---|---|---|
//! | before it has begun a task | ready | another worker gets it |
//! | decoding its arguments, running it, encoding or writing the answer | begun, and no answer | that task fails, or is tried again if it has retries |
//! | having moved the count, before it rings | the answer | delivers it: who sees the death rings |
//! | asleep, or about to | "it sleeps", nothing begun | gives its tasks to others |
//!
//! A worker may be hostile, too: the pool reads each word once and checks it, an answer must be for the task that is
//! next and lie in the lane's memory, and what the pool must know to go on is in its own memory. A worker that breaks
//! this is ended, and replaced.
//!
//! Tests kill a worker after each of its steps with a lane and in each state of a task, and the process that has the
//! pool while its workers start, are idle, or are busy:
//!
//! ```text
//! cargo test -p proc-pool --lib killed -- --nocapture
//! POOL_KILLS=1000 POOL_PARENTS=1000 cargo test --release -p proc-pool --test kill_states
//! ```
//!
//! With 1,000 kills in each state and 1,000 parents the second took 27 seconds at the last run: every task was
//! answered, none was done twice, no worker outlived its pool. The first kills at every
//! instruction.
//!
//! # Inside of a worker
//!
//! Workers ignore Ctrl-C: the process that has the pool decides. [`worker_id`] tells which one it is. It
//! may have [a pool of its own](Builder::max_depth).
//!
//! # Compared to Python
//!
//! A callback and an error callback are one closure, for [`apply_async_then`](Pool::apply_async_then).
//! `initializer=` is [`Builder::initializer`], and one that fails is an error instead of endless restarts;
//! `maxtasksperchild=` is [`Builder::max_tasks_per_worker`]. `imap` draws its input only a little ahead.
//! A worker that is killed costs its own task and nothing else, where `multiprocessing.Pool` waits for ever
//! and `ProcessPoolExecutor` gives all tasks up.
//!
//! # Features
//!
//! `tracing` tells of workers and tasks as events, `indicatif` lets a `map` move a
//! [progress bar](Options#method.progress_bar). Neither is on by default.

mod admission;
mod batch;

mod builder;
mod bulk;
mod bytes;
mod calls;
mod chunk;
mod cut;
mod died;
mod dispatch;
mod engine;
mod error;
mod events;
mod fd;
mod give;
mod handle;
mod imap;
mod job;
mod lane;
mod latency;
mod limits;
mod link;
mod mailbox;
mod map;
mod options;
mod pool;
mod port;
mod processes;
mod pump;
mod recycle;
mod results;
mod rows;
mod sealed;
mod select;
mod share;
mod shared;
mod slot;
mod staff;
mod state;
mod stateful;
mod stats;
mod threads;
mod unix;
mod verdict;
mod with;
mod worker;

pub use builder::Builder;
pub use died::WorkerDied;
pub use error::{Error, SubmitError, TaskError, TryMapError};
pub use handle::Handle;
pub use imap::{Imap, ImapUnordered};
pub use options::{Options, Progress};
pub use pool::Pool;
pub use select::{AsCompleted, as_completed, wait_first, wait_first_timeout};
pub use share::{Broadcast, BroadcastSlice};
pub use stateful::{StatePool, StateWith};
pub use stats::{LatencyStats, Stats, WorkerStats};
pub use threads::{ThreadBuilder, ThreadPool, ThreadWith};
pub use with::With;
pub use worker::worker_id;
