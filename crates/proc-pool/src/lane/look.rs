//! How long to look before sleeping.
//!
//! A task there and back takes a few microseconds when both sides look, and several tens when both have to
//! be woken. A spin that learns from its last result alone would not find its way back from a phase of
//! long tasks: shortened, it ends before any answer can come. So a look has one length, and what is learnt
//! is how often it is worth it.

use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// About half of what a sleep and a wake across cores cost.
const LENGTH: Duration = Duration::from_micros(20);
/// After so many looks in vain in a row only one in so many is taken.
const SELDOM: u32 = 16;
const YIELDS: usize = 2;

/// What a side has learnt of its looks.
#[derive(Debug)]
pub(crate) struct Look {
    several_cpus: bool,
    /// Looks in vain since the last that found something. A hint: no ordering.
    misses: AtomicU32,
}

impl Look {
    pub(crate) fn new() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        Self { several_cpus: cpus > 1, misses: AtomicU32::new(0) }
    }

    /// Looks until `ready` or until it is time to sleep; says which.
    pub(crate) fn until(&self, mut ready: impl FnMut() -> bool) -> bool {
        let misses = self.misses.load(Relaxed);
        if !self.several_cpus || misses >= SELDOM && !misses.is_multiple_of(SELDOM) {
            self.misses.store(misses.wrapping_add(1).max(SELDOM), Relaxed);
            return ready();
        }
        let found = look(&mut ready);
        self.misses.store(if found { 0 } else { misses.wrapping_add(1) }, Relaxed);
        // What comes with a yield comes because we stop looking: the other side needs our CPU.
        found
            || (0..YIELDS).any(|_| {
                std::thread::yield_now();
                ready()
            })
    }
}

fn look(ready: &mut impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    // A line that is hammered comes later.
    let mut pauses = 1;
    loop {
        for _ in 0..pauses {
            core::hint::spin_loop();
        }
        if ready() {
            return true;
        }
        pauses = (pauses * 2).min(16);
        if start.elapsed() >= LENGTH {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_vain_become_seldom_and_one_that_finds_something_brings_them_back() {
        let look = Look { several_cpus: true, misses: AtomicU32::new(0) };
        let tries = |waits: u32| {
            let mut looks = 0;
            for _ in 0..waits {
                let mut asked = 0;
                look.until(|| {
                    asked += 1;
                    false
                });
                // One that does not look asks once.
                looks += u32::from(asked > 1);
            }
            looks
        };
        assert_eq!(tries(SELDOM), SELDOM);
        let seldom = tries(10 * SELDOM);
        assert!((9..=11).contains(&seldom), "{seldom}");
        look.misses.store(0, Relaxed);
        assert_eq!(tries(3), 3);
        assert!(look.until(|| true));
        assert_eq!(look.misses.load(Relaxed), 0);
    }
}
