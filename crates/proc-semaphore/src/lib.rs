//! Semaphores between processes, and pools of permits that come back from the dead.
//!
//! | | a permit | for |
//! |---|---|---|
//! | [`Semaphore`] | belongs to nobody: one process acquires, another may release | signals, counts of things |
//! | [`BoundedSemaphore`] | the same, and there are never more than it began with | the same, with mistakes caught |
//! | [`PermitPool`] | has an owner, and comes back when that is killed | what a process *holds* |
//!
//! ```
//! use proc_semaphore::{PermitPool, Semaphore};
//!
//! let ready = Semaphore::new(0)?;
//! ready.release_many(2)?;
//! ready.acquire();
//! assert_eq!(ready.value(), 1);
//!
//! let licences = PermitPool::new(2)?;
//! let licence = licences.acquire()?; // a guard
//! assert_eq!(licences.available(), 1);
//! drop(licence);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Sharing
//!
//! All three are handles: cloning one gives another to the same permits. With the feature `serde` they
//! travel as an argument of a process or pool task and inside pipe messages. A forked child has them by
//! inheritance. Unrelated programs of one user meet at a path: `create`, `open`, `open_or_create`, `unlink`.
//! Between threads everything works the same.
//!
//! # Waiting
//!
//! | | |
//! |---|---|
//! | [`acquire`](Semaphore::acquire), [`acquire_many`](Semaphore::acquire_many) | wait as long as it takes |
//! | [`try_acquire`](Semaphore::try_acquire), [`try_acquire_many`](Semaphore::try_acquire_many) | never wait |
//! | [`acquire_timeout`](Semaphore::acquire_timeout), [`acquire_many_timeout`](Semaphore::acquire_many_timeout) | wait for at most a `Duration`, by the monotonic clock |
//!
//! Whoever waits looks for some microseconds, where there is more than one CPU, and then sleeps, which
//! costs nothing. Those who wait stand in line, and many permits are acquired together or not at all: two that
//! want many cannot hold each other up, and those who want few cannot starve one who wants many. A newcomer may
//! be faster than the first in line wakes up, which keeps the permits busy, but not for longer than a
//! millisecond. Which of those behind it is the next is not defined.
//!
//! # When a process is killed
//!
//! At any instruction, by any means, the others go on:
//!
//! | killed while | of a semaphore | of a pool |
//! |---|---|---|
//! | acquiring, awake or asleep | all its permits are spent, or none; the next in line takes its place | it has none |
//! | it has permits | they are spent: nobody can say whose they were | they are free, and who sleeps for them wakes up |
//! | releasing, or dropping a guard | all are released and a waiter is awake, or none | they are free, and who sleeps for them wakes up |
//!
//! Nobody cleans up, so nobody can be killed while doing so. A process that is stopped (`SIGSTOP`) is not dead:
//! it keeps what it has. Stopped while it waits in line, it holds the others up for a quarter of a second at
//! most; while it gathers permits of a pool ([`PermitPool::acquire_many`]), it keeps those that it has.
//!
//! A peer that can write the memory can make the numbers nonsense, take what it likes and wake nobody: the
//! others wait. It cannot crash them or make them read beyond the segment.
//!
//! # Why that is so
//!
//! Permits and the wake-up for them are one step: a compare-and-swap when nobody sleeps, one system call
//! (`FUTEX_WAKE_OP`) when somebody does. Only one process sleeps on the permits; the others wait for a lock,
//! the *turnstile*, which the kernel takes from a holder that dies and hands to the next, who looks afresh.
//!
//! | word of a semaphore | changes | by |
//! |---|---|---|
//! | permits, and beside them in the same word: | - n, + n | acquirers, releasers |
//! | how many the first in line needs, and that it sleeps | when it goes to sleep; when they are there | the first in line; who releases the last of them |
//! | turnstile | who of those that wait is first | those that wait; the kernel |
//!
//! A pool has a word for each permit instead, which names the owner. The kernel keeps a mark for each thread
//! that uses the pool, which changes when the thread dies, so a name says whether it is alive. Acquiring
//! is one compare-and-swap, of zero or of a dead name; giving back is one store of zero.
//!
//! | word of a pool | changes | by |
//! |---|---|---|
//! | owner of a permit | 0 → name; dead name → name; name → 0 | acquirers; the owner |
//! | somebody sleeps | when one goes to sleep; with the wake | the first in line; who gives back |
//! | the first in line gathers, or has waited long | when it begins; when it ends | the first in line |
//! | turnstile | as above | as above |
//! | a thread's life | its first `acquire`; its end | the thread; the kernel |
//!
//! The first in line sleeps on the second of these words and on the lives of all owners at once: the source of
//! `pool/slots.rs` has the argument why no permit lies idle while one sleeps, whoever is killed between
//! giving back and waking.
//!
//! Tests kill a process after each step of these operations, alone, with others asleep, with others that
//! come in between, hold, give back and are killed in turn, and in its own sleeps. They must find three
//! controls: one that adds first and wakes then, one that sleeps without watching the owners, and one that
//! says "nobody sleeps" before it wakes.
//!
//! ```text
//! cargo test -p proc-semaphore --lib -- --nocapture
//! cargo test -p proc-semaphore --test peer_killed -- --nocapture
//! STORM_SECONDS=60 cargo test -p proc-semaphore --test storm -- --nocapture
//! cargo xtask crash
//! ```
//!
//! The tests kill at every instruction. `cargo xtask crash`, which is for all crates of the family, kills after every
//! change that another process or the kernel could tell (a system call; another value in shared memory; another
//! entry in the list of robust futexes), several times, and then once more whoever puts it right: a kill between two
//! such changes leaves the same behind. That was 23,000 kills and 2,000 double
//! kills when this was written, and with `--stride 1`, which kills between them, too, 296,000. Nothing hung, was corrupt or lost, and every control
//! was caught. A killed holder's permit was with the one who slept for it after 0.05 ms (median).

mod counting;
mod error;
mod handle;
#[cfg(test)]
mod killed;
mod pool;
mod semaphore;
#[cfg(feature = "serde")]
mod travel;

pub use error::{AcquireError, Error, ReleaseError};
pub use pool::{MAX_POOL, Permit, PermitPool, Permits};
pub use semaphore::{BoundedSemaphore, MAX_PERMITS, Semaphore};
