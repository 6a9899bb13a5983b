//! The lock word's own code under loom: all orders of two and three threads, as the C11 model has them.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p multiproc-core --test loom`, in a target directory of its own.
//!
//! The modules that the lock word stands on are others here: its words are loom's, its futex is a table
//! under loom's mutex. So this sees whether the orderings suffice, also on machines that reorder more than
//! x86-64 does, and whether what one did inside the lock is seen by the next. What it cannot see is a
//! kill, what the kernel does then, and `membarrier`, in whose place both sides have a real fence here: that
//! is what `tests/model` is for.

#![allow(unexpected_cfgs, reason = "loom is told by RUSTFLAGS, and asked for nowhere else")]
#![cfg(loom)]
#![allow(unsafe_code, reason = "looks into loom's cell")]

mod deadline;
mod fence;
mod futex;
mod robust;
mod spin;
mod sync;
#[path = "../../src/lock/word.rs"]
#[allow(dead_code, reason = "what only the library's callers need")]
mod word;

use std::sync::Arc;

use loom::cell::UnsafeCell;

use deadline::Deadline;
use robust::Thread;
use spin::Spin;
use word::Word;

/// What the lock guards. Loom tells when two use it at once, or one without having seen the other's use.
struct Guarded {
    lock: Word,
    count: UnsafeCell<u32>,
}

// SAFETY: the lock guards the count; whether it does is what is tested, and loom tells if it does not.
unsafe impl Sync for Guarded {}
// SAFETY: numbers.
unsafe impl Send for Guarded {}

/// Lets threads count under the lock, in every order with so many preemptions.
fn count(threads: u32, rounds: u32, preemptions: Option<usize>) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(move || {
        futex::start();
        let guarded = Arc::new(Guarded { lock: Word::new(), count: UnsafeCell::new(0) });
        // Loom's words must be made before the threads.
        sync::make(&guarded.lock);
        let work = |me: u32| {
            let guarded = Arc::clone(&guarded);
            move || {
                for _ in 0..rounds {
                    let me = Thread::of_id(me);
                    let taken = guarded.lock.acquire(me, &Spin, Deadline::NEVER);
                    assert!(taken.is_some_and(|taken| !taken.owner_died));
                    // SAFETY: the lock is held: loom checks that this is so.
                    guarded.count.with_mut(|count| unsafe { *count += 1 });
                    guarded.lock.release();
                }
            }
        };
        let others: Vec<_> = (2..=threads).map(|id| loom::thread::spawn(work(id))).collect();
        work(1)();
        for other in others {
            other.join().expect("its panic would have been the test's");
        }
        assert_eq!(guarded.lock.owner(), 0);
        // SAFETY: the other threads have ended.
        guarded.count.with(|count| assert_eq!(unsafe { *count }, threads * rounds));
    });
}

#[test]
fn two_threads_count() {
    count(2, 1, None);
}

#[test]
fn two_threads_count_twice() {
    count(2, 2, Some(4));
}

#[test]
fn three_threads_count() {
    count(3, 1, Some(2));
}

#[test]
#[should_panic(expected = "deadlock")]
fn without_the_fences_one_sleeps_for_ever() {
    fence::without(|| count(2, 1, None));
}

#[test]
#[should_panic(expected = "Causality violation")]
fn without_the_orderings_one_does_not_see_what_another_did() {
    sync::relaxed(|| count(2, 1, None));
}
