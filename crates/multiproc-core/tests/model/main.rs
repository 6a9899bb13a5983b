//! The lock and wake protocols in all interleavings, with kills at every step.
//!
//! Each model is a protocol written down once more, one memory access or system call a step, and searched
//! through all states that it can reach. Between any two steps somebody may be killed; what the kernel does
//! then is steps of its own. Stores wait in a buffer until an instruction or the kernel drains it, as on
//! x86-64. Found are states in which two are where one may be, in which all sleep though somebody has work
//! to do, and from which the end cannot be reached. Each broken relative of a protocol must be caught.
//!
//! | model | of |
//! |---|---|
//! | `lock` | `lock/word.rs` here: the section lock, the linked lock; under the kernels before and since 6.2 |
//! | `queue`, `lease` | `shm-queue`: publishing and sleeping; leases, redelivery and joining |
//! | `semaphore`, `permit_pool` | `proc-semaphore` |
//! | `rwlock`, `condvar` | `proc-lock` |
//!
//! Above the lock, locks are words that are free or owned: that they are handed on is proved once.
//!
//! What is beyond these models: more than four processes; machines that reorder more than x86-64 does
//! (see the threads under loom for the orderings); the code itself (the kill tests run that).

#![allow(clippy::print_stdout, reason = "tells how many states there were")]

mod condvar;
mod lease;
mod lock;
mod machine;
mod permit_pool;
mod queue;
mod rwlock;
mod search;
mod semaphore;
