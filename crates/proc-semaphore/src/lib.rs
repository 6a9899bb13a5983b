//! Counting semaphores between processes.
//!
//! A [`Semaphore`] is a number of permits in shared memory. Acquiring takes one, and waits while there
//! is none; releasing puts one back, and need not be done by the process that acquired. A
//! [`BoundedSemaphore`] refuses to hold more than it began with, which catches a release too many.
//!
//! ```
//! use proc_semaphore::Semaphore;
//!
//! let slots = Semaphore::new(2)?;
//! slots.acquire();
//! slots.acquire();
//! assert!(!slots.try_acquire());
//! slots.release()?;
//! assert_eq!(slots.value(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Sharing
//!
//! A semaphore is a handle: cloning it gives another to the same permits. With the feature `serde` it
//! travels as an argument of a process or pool task and inside pipe messages. A forked child has it by
//! inheritance. Unrelated programs meet at a path: `create` and `open`. Between threads it works the
//! same.
//!
//! # Waiting
//!
//! | | |
//! |---|---|
//! | [`acquire`](Semaphore::acquire) | waits as long as it takes |
//! | [`try_acquire`](Semaphore::try_acquire) | never waits |
//! | [`acquire_timeout`](Semaphore::acquire_timeout) | waits for at most a `Duration`, by the monotonic clock |
//!
//! # When a process is killed
//!
//! Whatever instruction it was at, the others go on: a permit is released and its waiter woken in one
//! step, and a waiter that dies passes its place on. A permit that the dead one had acquired is gone,
//! for a permit has no owner: the next release may come from anybody. To protect data, use `proc-lock`,
//! which knows its owner.

mod error;
mod permits;
mod semaphore;
#[cfg(feature = "serde")]
mod travel;

pub use error::{Error, ReleaseError};
pub use semaphore::{BoundedSemaphore, MAX_PERMITS, Semaphore};
