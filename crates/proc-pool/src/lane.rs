//! A lane: how one worker gets its tasks and gives its answers, through memory that both have mapped.
//!
//! ```text
//!            tasks, in order            | ticket 7, BEGUN | 8, READY | 9, READY |        pool -> worker
//!            answers, in the same order | of 5 | of 6 |                                  worker -> pool
//!            arena: what does not fit a slot, one half for each direction
//!            bell:  one for all lanes of a pool, which an answer rings if the pool sleeps
//! ```
//!
//! Each end has one thread at work at a time, and every word has one writer, but for a task's state: there
//! the worker that begins a task and the pool that takes it back meet, and one of them wins. There is no
//! lock, so none that a worker could die with. Handles in arguments and results go over a socket, before
//! the task or answer that they belong to is put here.
//!
//! # When the worker is killed
//!
//! | killed | the pool finds |
//! |---|---|
//! | before it has begun a task | READY: nobody touched it, another worker gets it |
//! | from then on until its answer counts | BEGUN, and no answer: the task in which it died |
//! | while it writes an answer | the same: an answer counts when `answered` has moved, which is one store |
//! | between that store and the ring | the answer; the thread that sees the death rings |
//! | asleep, or about to | `asleep` set: the pool wakes nobody |
//!
//! # What a worker can do to the pool
//!
//! It may write anything to the lane. The pool reads a word once and checks it: an answer must be for the
//! task that is next, no longer than the memory that is really there, and there are no more of them than
//! tasks. One that is not says that the worker has lost its mind, and the worker is ended. What the pool
//! needs to know to go on (what was given to whom, which memory is free) is in its own memory.

mod arena;
mod bell;
mod extents;
mod giving;
mod inline;
mod mapped;
mod memory;
mod window;
mod words;
mod working;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod killed;

pub(crate) use bell::Bell;
pub(crate) use giving::{Answered, Begun, Lane, Nonsense, Popped, PutError, Task, Watch};
pub(crate) use memory::Port;
pub(crate) use working::{Order, Working, nanos};
