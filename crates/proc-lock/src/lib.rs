//! Locks between processes, for data in shared memory, that survive the death of any process.
//!
//! Each has the shape that it has in [`std::sync`], and tells what a process could not know of a thread: that
//! the other end was killed. A process that dies at any instruction leaves none of them stuck.
//!
//! ```
//! use proc_lock::{LockError, Mutex};
//!
//! let counter = Mutex::new(0u64)?;
//! match counter.lock() {
//!     Ok(mut count) => *count += 1,
//!     Err(LockError::OwnerDied(mut count)) => {
//!         *count = 0; // half-changed, perhaps: put it right
//!         count.mark_consistent();
//!     }
//!     Err(LockError::Poisoned(_)) => panic!("a thread panicked inside"),
//! }
//! assert_eq!(*counter.lock().unwrap(), 1);
//! # Ok::<(), proc_lock::Error>(())
//! ```
//!
//! | type | for | when one who has it is killed |
//! |---|---|---|
//! | [`Mutex<T>`](Mutex) | `&mut T` for one at a time | the next is told `OwnerDied` |
//! | [`ReentrantMutex<T>`](ReentrantMutex) | the same thread may lock again | the next is told `OwnerDied` |
//! | [`RwLock<T>`](RwLock) | many readers, or one writer | a reader: nothing; a writer: the next is told |
//! | [`Condvar`] | waiting until a mutex's data is as one wants it | another is woken in its place |
//! | [`Event`] | a flag that many wait for | nothing |
//! | [`Barrier`] | waiting until all have come | it breaks, or counts one less |
//! | [`OnceLock<T>`](OnceLock) | a value that is computed once | the next computes it |
//! | [`Shared<T>`](Shared) | a small value that changes as a whole | nothing: old value or new |
//! | [`SharedSlice<T>`](SharedSlice) | a `Mutex<[T]>` of any length | the next is told `OwnerDied` |
//! | [`SharedAtomic<A>`](SharedAtomic) | atomics | nothing |
//!
//! # Sharing
//!
//! Each is a handle: cloning it gives another to the same memory. With the feature `serde` it travels as an
//! argument of a process or pool task and inside pipe messages. A forked child has it by inheritance.
//! Unrelated programs meet at a path: `create`, `open`, `open_or_create`, `unlink`. Between threads it works
//! the same.
//!
//! # Waiting
//!
//! | | |
//! |---|---|
//! | `lock`, `wait` | as long as it takes |
//! | `try_lock` | never |
//! | `lock_timeout`, `wait_timeout` | for at most a `Duration`, by the monotonic clock |
//!
//! Who waits looks for some microseconds, and then sleeps in the kernel, where it costs nothing.
//!
//! # When a holder is killed
//!
//! By whatever means and wherever it is, a lock goes on to the next who wants it, within the time that the
//! kernel takes to end the process. If the dead one was inside, its successor gets [`LockError::OwnerDied`]
//! with the guard in it. The data is as the dead one left it, perhaps half-changed; every byte of it is still a
//! valid `T`. Whoever has repaired it says so by [`MutexGuard::mark_consistent`]; until then each locker is
//! told. A holder that is stopped (`SIGSTOP`) or loops is not dead, and nobody takes the lock from it:
//! [`Mutex::owner`] says who it is. One death the kernel does not tell of: when a thread other than the
//! process's first becomes another program by `exec`; then those who wait find out within a second.
//!
//! # Why that is so
//!
//! Each type is a few words in shared memory, each of which moves in one step: a store, a compare-and-swap, or a
//! system call that also wakes. So there is no step within which one could be killed:
//!
//! | word | of | says | moved by |
//! |---|---|---|---|
//! | `lock` | all but [`Condvar`], [`Event`], [`SharedAtomic`] | free; the owner's thread; "owner died" | lockers; the owner, by a store; the kernel when the owner dies, which wakes one |
//! | `sleepers` | the same | odd while somebody sleeps, or may | who goes to sleep; who releases and has woken nobody: one system call wakes all |
//! | `mark` | [`Mutex`], [`ReentrantMutex`], [`SharedSlice`] | the data is whole; its owner was killed; its owner panicked | the owner |
//! | `gate` | [`RwLock`] | shut; open; open, each reader with a fence of its own; those inside are leaving | who has the lock |
//! | `data` | [`RwLock`] | as `mark`, and whether one writes | the writer; after its death who has the lock next |
//! | `reads` | [`RwLock`], one for each thread | how often that thread reads now | that thread, by a store |
//! | `calls` | [`Condvar`] | how often somebody was called, and whether one waits | waiters; who notifies, with the wake |
//! | `flag` | [`Event`], [`OnceLock`] | set; clear; clear, and somebody sleeps | who sets, with the wake of all; who clears; who goes to sleep |
//! | `round` | [`Barrier`] | the number of the round, whether it is broken, and whether somebody sleeps | who has the lock, with the wake of all; who goes to sleep |
//! | `member`, `state` | [`Barrier`], one each for each thread | who it is; away, or arrived in which round | that thread; who has the lock |
//! | `version` | [`Shared`] | which of two copies is the value | who has the lock, by one store |
//! | `life` | [`RwLock`], [`Condvar`], [`Barrier`], one for each thread | its thread; "died" | that thread; the kernel when it dies, which wakes one |
//!
//! What they hold after a death, and who puts it right:
//!
//! | what | killed | left behind | put right by |
//! |---|---|---|---|
//! | [`Mutex`] and every other lock | before it took the lock, also just woken for it | nothing, or a free lock and one sleeper woken | the kernel, which passes the wake-up on |
//! | | having asked to be let in, before it sleeps | a hint, for which the next release waits a microsecond | that release |
//! | | inside | the mark "owner died", one sleeper woken | the next owner: notes it, is told, repairs |
//! | | repairing | the same | the one after |
//! | | having stored "free" | a free lock | nobody; whoever takes it wakes the sleepers |
//! | [`RwLock`] | coming to read, reading, or leaving | `reads` of a dead thread | nobody: it does not count, and its death wakes the writer that waits for it |
//! | | having the lock to open the gate | a free lock; the gate is right as it is | the kernel |
//! | | as a writer that waits for readers to leave | the gate so, a free lock | who has the lock next: waits for them anew, or opens |
//! | | writing | "one writes", a free lock | who has the lock next: notes it, is told, repairs |
//! | | done with writing, the lock not yet free | whole data, a free lock | the kernel |
//! | [`Condvar`] | before or after the step that notifies | nothing, or the sleepers awake | nobody |
//! | | woken, before it had the mutex | a notification that nobody acted on | another sleeper, whom the death wakes |
//! | [`Event`] | before or after the step that sets | clear, or set and all sleepers awake | nobody |
//! | [`Barrier`] | arriving for the first time, before it is a member | the name of one who never came | who has the lock next |
//! | | from there to the end of the round, asleep or woken or breaking it | a dead member | whom its death wakes: the barrier breaks, or counts one less |
//! | | leading, in its action | a dead leader | whom its death wakes: the barrier breaks |
//! | | having moved `round` | the next round, all awake | nobody; who comes next finds a dead member |
//! | | resetting | broken, or reset | who resets next |
//! | [`OnceLock`] | computing or writing | empty | the next who wants the value |
//! | [`Shared`] | writing the other copy | the old value | nobody: the next writer writes all of it |
//!
//! # Who may write to the memory
//!
//! A peer that has the segment may keep a lock for ever, or give the others nonsense for data. It cannot crash
//! them, have them read or write anywhere else, or bring two threads of one process inside a lock at once.
//!
//! # What it does not do
//!
//! No lock is given in the order of arrival; but an owner that comes back at once lets one in who has waited
//! for some microseconds. A [`Mutex`] refuses to be locked twice by one thread. A signal
//! handler may lock what the thread that it interrupted does not have; should that thread be killed right
//! then, in the middle of taking a lock, those who wait for it find out within a second.
//!
//! # The proof
//!
//! The tests trace a process through each operation and kill it after each step, while others sleep or barge in;
//! fresh processes then look whether all go on. The same tests find the hang of a robust pthread mutex, of an
//! event that stores first and wakes then, and of a condvar that wakes one and trusts it.
//!
//! ```text
//! cargo test -p proc-lock --test '*peer_killed*' -- --nocapture
//! cargo xtask crash
//! ```
//!
//! The tests kill at every instruction. `cargo xtask crash`, which is for all crates of the family, kills after every
//! change that another process or the kernel could tell (a system call; another value in shared memory; another
//! entry in the list of robust futexes), several times, and then once more whoever puts it right: a kill between two
//! such changes leaves the same behind. That was 23,000 kills and 2,000 double
//! kills when this was written, and with `--stride 1`, which kills between them, too, 296,000. Nothing hung, was corrupt or lost, and every control
//! was caught.

mod atomic;
mod barrier;
mod condvar;
mod data;
mod error;
mod event;
mod flag;
mod guard;
mod handle;
mod mark;
mod mutex;
mod once;
mod outcome;
mod reentrant;
mod rwlock;
mod shared;
mod slice;
#[cfg(feature = "serde")]
mod travel;

pub use atomic::{Atomics, SharedAtomic};
pub use barrier::{Barrier, BarrierTimeoutError, BarrierWaitResult, BrokenBarrier, Parties};
pub use bytemuck;
pub use condvar::Condvar;
pub use data::Data;
pub use error::Error;
pub use event::Event;
pub use guard::MutexGuard;
pub use mutex::Mutex;
pub use once::OnceLock;
pub use outcome::{LockError, LockTimeoutError, TryLockError, WaitTimeoutError};
pub use reentrant::{ReentrantMutex, ReentrantMutexGuard};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use shared::Shared;
pub use slice::SharedSlice;
