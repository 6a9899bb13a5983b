//! How far apart the cores are: the way of a cache line there and back.
//!
//! On virtual machines this is no constant: the host moves the virtual cores about, and all that crosses
//! cores becomes up to five times slower or faster. So it is measured before and after each turn, and
//! only turns of one [state](crate::distance) are compared.

use crate::place;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;
use std::time::{Duration, Instant};

/// Trips for each look at the clock.
const TRIPS: u64 = 64;
const LOOKS: usize = 12;
/// A probe that takes longer was disturbed: its peer was not running.
const MOST: Duration = Duration::from_millis(20);

/// A cache line of its own; two, as processors fetch them in pairs.
#[repr(align(128))]
struct Line(AtomicU64);

/// Measures the round trip of a cache line between the first two cores, in nanoseconds.
///
/// Takes about a tenth of a millisecond. `None` where there is one core, or no peace.
#[must_use]
pub fn look() -> Option<f64> {
    let cpus = place::allowed();
    let (&here, &there) = (cpus.first()?, cpus.get(1)?);
    // Odd: to be answered. Even: answered. The highest: the end.
    let line = Line(AtomicU64::new(0));
    let mut took = Vec::with_capacity(LOOKS);
    thread::scope(|scope| {
        scope.spawn(|| {
            place::pin(there);
            loop {
                // Pairs with the asker's stores.
                match line.0.load(Acquire) {
                    u64::MAX => break,
                    asked if asked % 2 == 1 => line.0.store(asked + 1, Release),
                    _ => std::hint::spin_loop(),
                }
            }
        });
        // A thread of its own: the caller stays where it may run.
        let asker = scope.spawn(|| {
            place::pin(here);
            let begun = Instant::now();
            let mut n = 0;
            while took.len() < LOOKS && begun.elapsed() < MOST {
                let start = Instant::now();
                for _ in 0..TRIPS {
                    line.0.store(n + 1, Release);
                    n += 2;
                    // Pairs with the answerer's store.
                    while line.0.load(Acquire) != n {
                        std::hint::spin_loop();
                    }
                }
                took.push(start.elapsed().as_secs_f64() * 1e9 / TRIPS as f64);
            }
            line.0.store(u64::MAX, Release);
        });
        let _ = asker.join();
    });
    // The median: a preemption spoils one of them, not all.
    took.sort_by(f64::total_cmp);
    took.get(took.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_cores_are_some_way_apart() {
        let Some(distance) = look() else { return };
        assert!(distance > 1.0, "{distance} ns");
    }
}
