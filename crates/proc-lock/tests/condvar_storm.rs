//! Givers and takers of a buffer with one slot, killed at random: it never stands still.
//!
//! There is room for one item, and nobody is notified twice: a notification that is lost can leave both
//! sides asleep for good. Where exactly it could be lost is explored in `peer_killed_condvar.rs`.

#![allow(unsafe_code, reason = "one CPU for all")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline::without_slices;
use proc_lock::{Condvar, LockError, Mutex, MutexGuard, SharedAtomic};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use testkit::{Child, fork, watchdog};

const STORM: Duration = Duration::from_secs(2);
/// Two of each kind, so that one of each is left.
const WORKERS: usize = 4;
/// How long it may stand still. A machine with other work may be slow; a lost wake-up lasts for ever.
const STILL: Duration = Duration::from_secs(20);

struct Buffer {
    items: Mutex<u32>,
    filled: Condvar,
    emptied: Condvar,
    moved: SharedAtomic<AtomicU64>,
}

/// Takes the guard, whatever died: one item or none is right in any case.
fn whole<'a>(
    locked: Result<MutexGuard<'a, u32>, LockError<MutexGuard<'a, u32>>>,
) -> MutexGuard<'a, u32> {
    locked.unwrap_or_else(|error| {
        let mut guard = error.into_inner();
        guard.mark_consistent();
        guard
    })
}

impl Buffer {
    /// Waits until there are `before` items, makes it `after`, and tells who waits for that.
    fn step(&self, before: u32, after: u32, mine: &Condvar, theirs: &Condvar) {
        let mut items = whole(self.items.lock());
        while *items != before {
            items = whole(mine.wait_while(items, |items| *items != before));
        }
        *items = after;
        self.moved.fetch_add(1, Relaxed);
        drop(items);
        theirs.notify_one();
    }

    fn work(&self, gives: bool) {
        // Who is killed between its change and its notification is missed if it was here before.
        self.filled.notify_one();
        self.emptied.notify_one();
        loop {
            if gives {
                self.step(0, 1, &self.emptied, &self.filled);
            } else {
                self.step(1, 0, &self.filled, &self.emptied);
            }
        }
    }
}

/// Lets this thread, and those whom it forks, run on one CPU only: there who waits is asleep, and who is woken
/// does not run at once, which is when to kill it.
fn share_one_cpu() {
    // SAFETY: plain bits, of which zero is a value.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    let size = size_of::<libc::cpu_set_t>();
    // SAFETY: a whole set to be filled.
    assert_eq!(unsafe { libc::sched_getaffinity(0, size, &raw mut set) }, 0);
    // SAFETY: the numbers are below the set's size.
    let first = (0..1_024).find(|cpu| unsafe { libc::CPU_ISSET(*cpu, &set) }).unwrap();
    // SAFETY: as above.
    set = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    unsafe { libc::CPU_SET(first, &mut set) };
    // SAFETY: a whole set.
    assert_eq!(unsafe { libc::sched_setaffinity(0, size, &raw const set) }, 0);
}

#[test]
fn it_never_stands_still() {
    let _dog = watchdog(Duration::from_secs(100));
    without_slices();
    share_one_cpu();
    let buffer = Buffer {
        items: Mutex::new(0).unwrap(),
        filled: Condvar::new().unwrap(),
        emptied: Condvar::new().unwrap(),
        moved: SharedAtomic::new(AtomicU64::new(0)).unwrap(),
    };
    let start_one = |index: usize| fork(|| buffer.work(index.is_multiple_of(2)));
    let mut workers: Vec<Child> = (0..WORKERS).map(start_one).collect();
    let (start, mut random, mut kills) = (Instant::now(), 88_172_645_463_325_252u64, 0u32);
    let mut longest = Duration::ZERO;
    while start.elapsed() < STORM {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_micros(random % 700));
        let victim = usize::try_from(random >> 40).unwrap() % WORKERS;
        workers[victim].kill();
        kills += 1;
        // The others go on by themselves: a newcomer would wake all of them.
        let (moved, since) = (buffer.moved.load(Relaxed), Instant::now());
        while buffer.moved.load(Relaxed) < moved + 20 {
            assert!(since.elapsed() < STILL, "it stands still after {kills} kills, {moved} moves");
            std::thread::yield_now();
        }
        longest = longest.max(since.elapsed());
        workers[victim] = start_one(victim);
    }
    let moved = buffer.moved.load(Relaxed);
    println!("| condvar storm: {kills} kills, {moved} moves, longest pause {longest:?}");
    assert!(kills > 50);
}
