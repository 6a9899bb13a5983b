//! Fences that cost only the side that seldom runs.
//!
//! Two threads that each store one word and then load the other's must both have a fence between, or
//! both may miss the other's store. When one side runs often and the other only before it sleeps, the
//! kernel can do the fence for the first: `membarrier` lets every CPU that runs a registered process
//! pass one.
//!
//! ```text
//! often:   store(a); light(); load(b)
//! seldom:  store(b); heavy(); load(a)      at least one of them sees the other's store
//! ```
//!
//! [`light`] costs nothing in a process that could register, and is a real fence in one that could not;
//! [`heavy`] takes 0.2 us, and tells when the kernel refuses it.
//!
//! Source: `membarrier(2)`, `MEMBARRIER_CMD_GLOBAL_EXPEDITED`.

use core::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
use rustix::thread::{MembarrierCommand, membarrier};

/// Whether the kernel fences this process for others.
static REGISTERED: AtomicBool = AtomicBool::new(false);

/// Registers this process; cheap when it is already. Takes some milliseconds, once, if threads run.
pub(crate) fn register() {
    if !REGISTERED.load(Ordering::Relaxed) {
        let done = membarrier(MembarrierCommand::RegisterGlobalExpedited).is_ok();
        REGISTERED.store(done, Ordering::Relaxed);
    }
}

/// In the child of a fork: real fences, until it has registered itself.
pub(crate) fn forget() {
    REGISTERED.store(false, Ordering::Relaxed);
}

/// Keeps the stores before it in front of the loads after it, as far as a peer's [`heavy`] can tell.
#[inline]
pub fn light() {
    if REGISTERED.load(Ordering::Relaxed) {
        compiler_fence(Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

/// Fences this thread, and every thread in a [`light`].
///
/// `false` when the kernel refuses (a filter, or one built without it): then a sleep that relies on it
/// must be short.
#[must_use]
pub fn heavy() -> bool {
    fence(Ordering::SeqCst);
    membarrier(MembarrierCommand::GlobalExpedited).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    /// The litmus test: without the heavy side's fence this fails within milliseconds.
    #[test]
    fn one_of_both_sides_sees_the_other() {
        register();
        let (a, b) = (AtomicU32::new(0), AtomicU32::new(0));
        let (saw_b, saw_a) = (AtomicU32::new(0), AtomicU32::new(0));
        let (turn, done) = (AtomicU32::new(0), AtomicU32::new(0));
        let wait = |word: &AtomicU32, value| {
            let mut looks = 0u32;
            while word.load(Ordering::Acquire) != value {
                looks += 1;
                if looks.is_multiple_of(1_000) {
                    std::thread::yield_now();
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for round in 1..=20_000 {
                    wait(&turn, round);
                    a.store(round, Ordering::Relaxed);
                    light();
                    saw_b.store(b.load(Ordering::Relaxed), Ordering::Relaxed);
                    done.store(round, Ordering::Release);
                }
            });
            for round in 1..=20_000 {
                turn.store(round, Ordering::Release);
                b.store(round, Ordering::Relaxed);
                assert!(heavy(), "this machine has membarrier");
                saw_a.store(a.load(Ordering::Relaxed), Ordering::Relaxed);
                wait(&done, round);
                let seen = (saw_b.load(Ordering::Relaxed), saw_a.load(Ordering::Relaxed));
                assert!(seen.0 == round || seen.1 == round, "both missed it: {seen:?} in {round}");
            }
        });
    }
}
