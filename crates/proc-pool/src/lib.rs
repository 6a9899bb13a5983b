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
//! | [`apply_async`](Pool::apply_async) | not at all, returns a [`Handle`] | the same |
//! | [`map`](Pool::map) | for all results, in the order of the input | a sequence, in chunks |
//! | [`imap`](Pool::imap) | for one result at a time, in the order of the input | a sequence, item by item |
//! | [`imap_unordered`](Pool::imap_unordered) | for whichever result comes next | the same |
//!
//! Functions are plain `fn`s or closures that capture nothing; what they are to know goes through
//! their arguments, which serde encodes. Locks, queues and pipes of this family may be among them.
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
//! Each worker has a socket of its own, so there is no lock that it could die with, and the pool
//! knows which task it has begun. That task fails with [`TaskError::WorkerDied`], which says how the
//! worker ended; a result that it had sent before is still delivered; a task that it had been given
//! and not begun goes to another worker. When the process that has the pool dies, the kernel ends
//! the workers.
//!
//! # Compared to Python
//!
//! `Pool(initializer=, initargs=)` is [`Builder::initializer`]. A callback and an error callback are one
//! closure, for [`apply_async_then`](Pool::apply_async_then). Workers ignore Ctrl-C: the process that
//! has the pool decides.

mod builder;
mod chunk;
mod dispatch;
mod error;
mod handle;
mod imap;
mod job;
mod map;
mod pool;
mod shared;
mod state;
mod unix;
mod worker;

pub use builder::Builder;
pub use error::{Error, SubmitError, TaskError, WorkerDied};
pub use handle::Handle;
pub use imap::{Imap, ImapUnordered};
pub use pool::Pool;
