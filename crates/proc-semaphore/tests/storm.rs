//! Random kills for `STORM_SECONDS` (three by default): nothing hangs, and nothing of the pool is lost.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline::without_slices;
use proc_semaphore::{BoundedSemaphore, PermitPool};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use testkit::{Child, Outcome, SharedPage, fork, until, watchdog};

const WAIT: Duration = Duration::from_secs(20);
const PERMITS: u32 = 4;
const VICTIMS: usize = 4;

/// Words of the page.
const ROUNDS: usize = 0;
const LONGEST: usize = 1;
const END: usize = 2;

fn storm_seconds() -> Duration {
    let wanted = std::env::var("STORM_SECONDS").ok().and_then(|text| text.parse().ok());
    Duration::from_secs(wanted.unwrap_or(3))
}

/// Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Self(u64::from(now.subsec_nanos()) | 1)
    }

    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Runs `victim`s and kills them at random, and a `witness` that nobody kills and that must go on.
///
/// `mend` is called after each kill. Returns how many there were.
fn storm(
    what: &str,
    page: &SharedPage,
    victim: impl Fn(&mut Dice),
    witness: impl Fn(),
    mend: impl Fn(),
) -> usize {
    without_slices();
    let mut dice = Dice::new();
    let seed = dice.0;
    let start_victim = |seed: u64| {
        fork(|| {
            let mut dice = Dice(seed | 1);
            loop {
                victim(&mut dice);
            }
        })
    };
    let witness = fork(|| {
        while page[END].load(SeqCst) == 0 {
            let start = Instant::now();
            witness();
            let micros = u64::try_from(start.elapsed().as_micros()).unwrap();
            page[LONGEST].fetch_max(micros, SeqCst);
            page[ROUNDS].fetch_add(1, SeqCst);
        }
    });
    let mut victims: Vec<Child> =
        (0..VICTIMS).map(|_| start_victim(dice.below(u64::MAX))).collect();
    let (start, mut kills) = (Instant::now(), 0);
    while start.elapsed() < storm_seconds() {
        std::thread::sleep(Duration::from_micros(dice.below(800)));
        let next = start_victim(dice.below(u64::MAX));
        let at = usize::try_from(dice.below(VICTIMS as u64)).unwrap();
        let old = std::mem::replace(&mut victims[at], next);
        old.kill();
        assert_eq!(old.wait(), Outcome::Signaled(9), "a victim failed by itself, seed {seed}");
        kills += 1;
        mend();
    }
    for victim in victims.drain(..) {
        victim.kill();
        victim.wait();
    }
    mend();
    let rounds = page[ROUNDS].load(SeqCst);
    until(WAIT, "the witness, who hangs", || page[ROUNDS].load(SeqCst) > rounds + 1);
    page[END].store(1, SeqCst);
    witness.assert_ok();
    println!(
        "| {what:<20} | {kills:>8} kills | {rounds:>10} rounds | longest {:>8} us | seed {seed} |",
        page[LONGEST].load(SeqCst),
    );
    kills
}

#[test]
fn no_permit_of_a_pool_is_lost() {
    let _dog = watchdog(storm_seconds() + WAIT * 3);
    let (pool, page) = (PermitPool::new(PERMITS).unwrap(), SharedPage::new(3));
    let victim = |dice: &mut Dice| {
        let wanted = 1 + dice.below(u64::from(PERMITS)) as u32;
        let wait = Duration::from_micros(dice.below(300));
        match dice.below(5) {
            0 => drop(pool.acquire().unwrap()),
            1 => drop(pool.acquire_many(wanted).unwrap()),
            2 => drop(pool.acquire_many_timeout(wanted, wait).unwrap()),
            3 => drop(pool.try_acquire_many(wanted).unwrap()),
            _ => {
                let permit = pool.acquire_timeout(wait).unwrap();
                std::thread::sleep(Duration::from_micros(dice.below(50)));
                drop(permit);
            }
        }
    };
    let kills = storm("permit pool", &page, victim, || drop(pool.acquire().unwrap()), || ());
    assert!(kills > 0);
    assert_eq!(pool.available(), PERMITS);
    assert_eq!(pool.acquire_many(PERMITS).unwrap().len(), PERMITS as usize);
}

#[test]
fn a_semaphore_goes_on_with_the_permits_that_are_left() {
    let _dog = watchdog(storm_seconds() + WAIT * 3);
    let (semaphore, page) = (BoundedSemaphore::new(PERMITS).unwrap(), SharedPage::new(3));
    let victim = |dice: &mut Dice| {
        let wanted = 1 + dice.below(u64::from(PERMITS)) as u32;
        let wait = Duration::from_micros(dice.below(300));
        let taken = match dice.below(3) {
            0 => semaphore.acquire_many(wanted).is_ok(),
            1 => semaphore.acquire_many_timeout(wanted, wait),
            _ => semaphore.try_acquire_many(wanted),
        };
        if taken {
            // Refused when the test has replaced permits that were not lost.
            let _ = semaphore.release_many(wanted);
        } else {
            std::thread::sleep(wait / 4);
        }
    };
    let witness = || {
        semaphore.acquire();
        let _ = semaphore.release();
    };
    // What the dead one had is spent. If it had none, these are too many, and the others find it full.
    let mend = || {
        for _ in 0..PERMITS {
            let _ = semaphore.release();
        }
    };
    let kills = storm("bounded semaphore", &page, victim, witness, mend);
    assert!(kills > 0);
    while semaphore.release().is_ok() {}
    assert_eq!(semaphore.value(), PERMITS, "never beyond its bound");
    assert!(semaphore.try_acquire_many(PERMITS));
}
