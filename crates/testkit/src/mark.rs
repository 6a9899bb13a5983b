//! Where in a victim the kill points begin.

use nix::sys::signal::{Signal, raise};
use std::sync::atomic::{AtomicU64, Ordering};

/// How far this process is as a victim. Only the process itself writes it; its tracer reads it
/// with ptrace, which needs no ordering because the victim is stopped then.
///
/// | value | meaning |
/// |---|---|
/// | 0 | no victim |
/// | 1 | a victim that has not come to its first kill point |
/// | 2 | past it |
static STAGE: AtomicU64 = AtomicU64::new(0);

const VICTIM: u64 = 1;
const STARTED: u64 = 2;

/// Lets the kill points of a victim begin here, with [`Limits::from_mark`](crate::Limits::from_mark).
///
/// What the victim did before ran at full speed and is not explored: it takes the lock, say, whose
/// release is the subject. Anywhere but in such a victim this does nothing, and so does a second
/// call.
///
/// # Panics
///
/// When the system refuses to stop the victim.
pub fn explore_from_here() {
    if STAGE.load(Ordering::Relaxed) == VICTIM {
        // The tracer waits for this stop and takes it away, so nobody has to continue us.
        raise(Signal::SIGSTOP).expect("failed to stop for the explorer");
        STAGE.store(STARTED, Ordering::Relaxed);
    }
}

/// Makes this process a victim.
pub(crate) fn become_victim() {
    STAGE.store(VICTIM, Ordering::Relaxed);
}

/// Returns the address of the word, the same in all forked processes.
pub(crate) fn stage_address() -> u64 {
    (&raw const STAGE).addr() as u64
}

/// Says whether the word, read from a victim, means that it is past its first kill point.
pub(crate) fn is_started(word: i64) -> bool {
    word.cast_unsigned() == STARTED
}
