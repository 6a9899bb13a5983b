//! How long to look before sleeping.
//!
//! Sleeping and being woken across cores costs tens of microseconds, a cache line's round trip a
//! tenth of one; on a single core every look before the sleep is wasted. So the spin is bounded by
//! time, learns from success, is skipped where there is one CPU, and ends in two yields, which let a
//! preempted peer run when there are more processes than cores.
//!
//! [`Spin`] learns how long to look, [`Look`] how often.

#![allow(unsafe_code, reason = "asks libc for the number of CPUs")]

use core::sync::atomic::{AtomicU32, Ordering};
use core::time::Duration;
use rustix::time::{ClockId, clock_gettime};

/// The longest spin, about half of what a sleep and a wake across cores cost.
const MOST: u32 = 20_000;
/// The shortest spin, about the cost of one system call: enough to learn that what comes at once comes again.
const LEAST: u32 = 500;
/// So often in a row a spin may be in vain before one is of the longest kind: what comes after a few
/// microseconds would never be seen by short ones. On one core that adds a hundredth to a round trip.
const EXPLORES: u32 = 512;
const YIELDS: usize = 2;

/// How long at most one who has released a lock waits for another to take it: some trips between cores.
const COURTESY: Duration = Duration::from_micros(1);

/// A spin length that adapts: one for each thing that a process waits for.
#[derive(Debug)]
pub struct Spin {
    // Process-local, and only hints: a lost update costs nothing, so Relaxed everywhere.
    nanos: AtomicU32,
    /// Spins in vain since the last that found something.
    misses: AtomicU32,
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
        Self { nanos: AtomicU32::new(5_000), misses: AtomicU32::new(0) }
    }

    /// Looks until `ready` or until it is time to sleep; says which.
    pub fn until(&self, mut ready: impl FnMut() -> bool) -> bool {
        if !several_cpus() {
            return ready();
        }
        // What came with a yield came because we stopped looking: the peer needed our CPU.
        self.learn(|nanos| look_for(nanos, &mut ready)) || yields(&mut ready)
    }

    /// The same for a lock: tries to `take` it, and after a part of the time calls `ask`, once.
    pub(crate) fn until_let_in(&self, ask: impl Fn(), mut take: impl FnMut() -> bool) -> bool {
        if !several_cpus() {
            return take();
        }
        self.learn(|nanos| vie_for(nanos, ask, &mut take)) || yields(&mut take)
    }

    /// Has `look` look for as long as was worth it lately, and learns from whether it found something.
    fn learn(&self, look: impl FnOnce(u32) -> bool) -> bool {
        let misses = self.misses.load(Ordering::Relaxed);
        let explores = misses % EXPLORES == EXPLORES - 1;
        let usual = self.nanos.load(Ordering::Relaxed);
        let nanos = if explores { MOST } else { usual };
        let found = look(nanos);
        let (next, misses) =
            if found { (nanos * 2, 0) } else { (usual / 2, misses.wrapping_add(1)) };
        self.nanos.store(next.clamp(LEAST, MOST), Ordering::Relaxed);
        self.misses.store(misses, Ordering::Relaxed);
        found
    }
}

/// After so many looks in vain in a row only one in so many is taken.
const SELDOM: u32 = 16;

/// Looks of one length that become rare when they are in vain: one for each thing that a process waits for.
///
/// For answers that take a few microseconds when both sides look, after phases in which none came for long:
/// a [`Spin`] that was shortened ends before any such answer, and finds its way back much later.
#[derive(Debug)]
pub struct Look {
    /// Looks in vain since the last that found something. Process-local, and only a hint: Relaxed.
    misses: AtomicU32,
}

impl Default for Look {
    fn default() -> Self {
        Self::new()
    }
}

impl Look {
    /// Starts with looks as often as it is asked.
    #[must_use]
    pub const fn new() -> Self {
        Self { misses: AtomicU32::new(0) }
    }

    /// Looks until `ready` or until it is time to sleep; says which.
    pub fn until(&self, ready: impl FnMut() -> bool) -> bool {
        self.until_with(several_cpus(), ready)
    }

    fn until_with(&self, several_cpus: bool, mut ready: impl FnMut() -> bool) -> bool {
        let misses = self.misses.load(Ordering::Relaxed);
        if !several_cpus || misses >= SELDOM && !misses.is_multiple_of(SELDOM) {
            self.misses.store(misses.wrapping_add(1).max(SELDOM), Ordering::Relaxed);
            return ready();
        }
        let found = look_for(MOST, &mut ready);
        self.misses.store(if found { 0 } else { misses.wrapping_add(1) }, Ordering::Relaxed);
        // As in `Spin`: what comes with a yield is no reason to look.
        found || yields(&mut ready)
    }
}

fn look_for(nanos: u32, ready: &mut impl FnMut() -> bool) -> bool {
    // A line that is hammered comes later: back off up to 32 pauses, about a microsecond.
    let start = now();
    let mut pauses = 1;
    loop {
        pause(pauses);
        if ready() {
            return true;
        }
        pauses = (pauses * 2).min(32);
        if since(start) >= Duration::from_nanos(u64::from(nanos)) {
            return false;
        }
    }
}

fn vie_for(nanos: u32, ask: impl Fn(), take: &mut impl FnMut() -> bool) -> bool {
    let start = now();
    // A change of hands costs as much as some short sections: not after each. A part of a short spin too, or it
    // would never be let in, and never become longer.
    let patience = Duration::from_nanos(u64::from(nanos / 3));
    // Every look takes the line from an owner who comes back again and again: few, until they ask.
    let (mut pauses, mut asked) = (4, false);
    loop {
        pause(pauses);
        if take() {
            return true;
        }
        let waited = since(start);
        if waited >= Duration::from_nanos(u64::from(nanos)) {
            return false;
        }
        pauses = if asked { 1 } else { (pauses * 2).min(128) };
        if !asked && waited >= patience {
            ask();
            (pauses, asked) = (1, true);
        }
    }
}

/// Waits a moment for somebody who asked for it to take what this thread has just released.
pub(crate) fn give_way(taken: impl Fn() -> bool) {
    let start = now();
    while !taken() && since(start) < COURTESY {
        core::hint::spin_loop();
    }
}

fn pause(times: u32) {
    for _ in 0..times {
        core::hint::spin_loop();
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

/// Zero where the clock went back, as that of a broken machine may: releases ask, where nothing may panic.
fn since(start: Duration) -> Duration {
    now().saturating_sub(start)
}

/// Says whether the machine has more than one CPU.
///
/// Not whether this thread may use more than one: pinned to one, it may wait for a peer that is pinned
/// to another, and a peer on the same one shows in spins that fail.
fn several_cpus() -> bool {
    // 0 until it is known; the number does not matter beyond 1, nor does a CPU that comes later.
    static CPUS: AtomicU32 = AtomicU32::new(0);
    let mut cpus = CPUS.load(Ordering::Relaxed);
    if cpus == 0 {
        // SAFETY: takes a number and returns one.
        let online = unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) };
        cpus = u32::try_from(online).unwrap_or(1).max(1);
        CPUS.store(cpus, Ordering::Relaxed);
    }
    cpus > 1
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

    #[test]
    fn what_takes_longer_than_the_shortest_spin_is_found_again() {
        if !several_cpus() {
            return;
        }
        let spin = Spin::new();
        let waits = |count: u32, asks: u32| {
            (0..count).any(|_| {
                let mut asked = 0;
                spin.until(|| {
                    asked += 1;
                    asked >= asks
                });
                spin.nanos.load(Ordering::Relaxed) == MOST
            })
        };
        assert!(!waits(100, u32::MAX));
        // A short spin asks about six times, and a long one twenty times at least, unless it is interrupted.
        assert!(waits(20 * EXPLORES, 13));
    }

    #[test]
    fn who_wants_a_lock_asks_once_and_only_if_it_must() {
        if !several_cpus() {
            return;
        }
        let (spin, asked) = (Spin::new(), core::cell::Cell::new(0));
        let ask = || asked.set(asked.get() + 1);
        assert!(spin.until_let_in(ask, || true));
        assert_eq!(asked.get(), 0);
        for _ in 0..10 {
            assert!(!spin.until_let_in(ask, || false));
        }
        // A look that was interrupted may end before it came to that.
        assert!((1..=10).contains(&asked.get()), "{}", asked.get());
        let was = asked.get();
        assert!((0..100).any(|_| spin.until_let_in(ask, || asked.get() > was)), "it looks on");
    }

    #[test]
    fn who_gives_way_waits_for_the_other() {
        let start = now();
        give_way(|| false);
        assert!(now() - start >= COURTESY);
    }

    #[test]
    fn looks_in_vain_become_seldom_and_one_that_finds_something_brings_them_back() {
        let look = Look::new();
        let tries = |waits: u32| {
            let mut looks = 0;
            for _ in 0..waits {
                let mut asked = 0;
                look.until_with(true, || {
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
        look.misses.store(0, Ordering::Relaxed);
        assert_eq!(tries(3), 3);
        assert!(look.until_with(true, || true));
        assert_eq!(look.misses.load(Ordering::Relaxed), 0);
    }
}
