//! How long to look before sleeping.
//!
//! Sleeping and being woken across cores costs tens of microseconds, a cache line's round trip a
//! tenth of one; on a single core every look before the sleep is wasted. So the spin is bounded by
//! time, learns from success, is skipped when one CPU is allowed, and ends in two yields, which let a
//! preempted peer run when there are more processes than cores.

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use rustix::time::{ClockId, clock_gettime};

/// The longest spin, about half of what a sleep and a wake across cores cost.
const MOST: u32 = 20_000;
/// The shortest spin, about the cost of one system call: enough to learn that spinning pays again.
const LEAST: u32 = 500;
/// After so many spins the affinity mask is read again.
const ASK_AGAIN: u32 = 64;
const YIELDS: usize = 2;

/// A spin length that adapts: one for each thing that a process waits for.
#[derive(Debug)]
pub struct Spin {
    // Process-local, and only a hint: a lost update costs nothing, so Relaxed everywhere.
    nanos: AtomicU32,
}

impl Default for Spin {
    fn default() -> Self {
        Self::new()
    }
}

impl Spin {
    /// Starts with a medium length.
    #[must_use]
    pub const fn new() -> Self {
        Self { nanos: AtomicU32::new(5_000) }
    }

    /// Looks until `ready` or until it is time to sleep; says which.
    pub fn until(&self, mut ready: impl FnMut() -> bool) -> bool {
        if !several_cpus() {
            return ready();
        }
        let nanos = self.nanos.load(Ordering::Relaxed);
        let found = look(nanos, &mut ready);
        // What came with a yield came because we stopped looking: the peer needed our CPU.
        let next = if found { nanos * 2 } else { nanos / 2 };
        self.nanos.store(next.clamp(LEAST, MOST), Ordering::Relaxed);
        found || yields(&mut ready)
    }
}

fn look(nanos: u32, ready: &mut impl FnMut() -> bool) -> bool {
    // A line that is hammered comes later: back off up to 32 pauses, about a microsecond.
    let start = now();
    let mut pauses = 1;
    loop {
        for _ in 0..pauses {
            core::hint::spin_loop();
        }
        if ready() {
            return true;
        }
        pauses = (pauses * 2).min(32);
        if now() - start >= Duration::from_nanos(u64::from(nanos)) {
            return false;
        }
    }
}

fn yields(ready: &mut impl FnMut() -> bool) -> bool {
    (0..YIELDS).any(|_| {
        std::thread::yield_now();
        ready()
    })
}

fn now() -> Duration {
    let t = clock_gettime(ClockId::Monotonic);
    Duration::new(t.tv_sec.unsigned_abs(), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// Says whether this thread may run on more than one CPU, asking the kernel now and then.
fn several_cpus() -> bool {
    // Low bit: the answer. The rest counts down to the next question.
    static KNOWN: AtomicU32 = AtomicU32::new(0);
    let known = KNOWN.load(Ordering::Relaxed);
    if known >= 2 {
        KNOWN.store(known - 2, Ordering::Relaxed);
        return known & 1 == 1;
    }
    let several = rustix::thread::sched_getaffinity(None).map_or(1, |set| set.count()) > 1;
    KNOWN.store(2 * ASK_AGAIN + u32::from(several), Ordering::Relaxed);
    several
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failure_shortens_and_success_lengthens() {
        if !several_cpus() {
            return;
        }
        let spin = Spin::new();
        for _ in 0..10 {
            assert!(!spin.until(|| false));
        }
        assert_eq!(spin.nanos.load(Ordering::Relaxed), LEAST);
        for _ in 0..10 {
            assert!(spin.until(|| true));
        }
        assert_eq!(spin.nanos.load(Ordering::Relaxed), MOST);
    }
}
