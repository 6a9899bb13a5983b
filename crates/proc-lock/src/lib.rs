//! A mutex between processes, for data in shared memory.
//!
//! It has the shape of [`std::sync::Mutex`], with one outcome more: when the process that held the
//! lock was killed, the next one to lock is told so, may repair the data, and goes on.
//!
//! ```
//! use proc_lock::Mutex;
//!
//! let counter = Mutex::new(0u64)?;
//! *counter.lock().unwrap() += 1;
//! assert_eq!(*counter.lock().unwrap(), 1);
//! # Ok::<(), proc_lock::Error>(())
//! ```
//!
//! # Sharing
//!
//! A [`Mutex`] is a handle: cloning it gives another to the same lock and data. With the feature
//! `serde` it travels as an argument of a process or pool task and inside pipe messages. A forked
//! child has it by inheritance. Unrelated programs meet at a path: [`Mutex::create`] and
//! [`Mutex::open`]. Between threads it works the same.
//!
//! # Waiting
//!
//! | | |
//! |---|---|
//! | [`lock`](Mutex::lock) | waits as long as it takes |
//! | [`try_lock`](Mutex::try_lock) | never waits |
//! | [`lock_timeout`](Mutex::lock_timeout) | waits for at most a `Duration`, by the monotonic clock |
//!
//! # When a holder is killed
//!
//! At any instruction, by any means, the lock goes on to the next who wants it, within the time that
//! the kernel takes to end the process: nobody is stuck. If the dead one was inside, its successor
//! gets [`LockError::OwnerDied`] with the guard in it. The data is as the dead one left it, perhaps
//! half-changed; every byte of it is still a valid `T`. Whoever has repaired it says so by
//! [`MutexGuard::mark_consistent`]; until then each locker is told. A holder that is stopped
//! (`SIGSTOP`) or loops is not dead, and nobody takes the lock from it. One death the kernel does not
//! tell of: when a thread other than the process's first becomes another program by `exec`; then those
//! who wait find out within a second.
//!
//! # What it does not do
//!
//! It does not wait in order of arrival, and it refuses to be locked twice by one thread.

mod error;
mod guard;
mod mutex;
mod outcome;
#[cfg(feature = "serde")]
mod travel;

pub use bytemuck;
pub use error::Error;
pub use guard::MutexGuard;
pub use mutex::{Data, Mutex};
pub use outcome::{LockError, LockTimeoutError, TryLockError};
