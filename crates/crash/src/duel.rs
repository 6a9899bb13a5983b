//! Kills at random of a holder, with one who sleeps on the lock and one who barges in: over our mutex, and
//! over glibc's robust one, which must hang.

use crate::Failure;
use crate::scenes::Robust;
use crate::storm::Random;
use clap::Args;
use comfy_table::{Table, presets};
use proc_lock::{Mutex, TryLockError};
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::{Child, Outcome, SharedPage, fork, is_asleep};

/// What the command takes.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// How many kills of each
    #[arg(long, default_value_t = 20_000)]
    count: u64,
    /// After so many hangs of glibc's, enough is seen
    #[arg(long, default_value_t = 5)]
    enough: u64,
}

/// How many kills the control is given until it hangs, which it does at one in some hundred.
const LONGEST: u64 = 20_000;

/// How long the survivors are given before they count as hanging.
const PATIENCE: Duration = Duration::from_secs(2);

/// A lock as the three use it.
trait Lock {
    fn new() -> Self;
    /// Locks, does what it is given, and unlocks.
    fn with(&self, inside: impl Fn());
    /// The same if the lock is free.
    fn try_with(&self, inside: impl Fn());
}

impl Lock for Mutex<u64> {
    fn new() -> Self {
        Mutex::new(0).unwrap()
    }

    fn with(&self, inside: impl Fn()) {
        let mut changed = self.lock_or_recover(|_| ());
        inside();
        *changed += 1;
    }

    fn try_with(&self, inside: impl Fn()) {
        match self.try_lock() {
            Ok(_held) => inside(),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::OwnerDied(mut held) | TryLockError::Poisoned(mut held)) => {
                inside();
                held.mark_consistent();
            }
        }
    }
}

impl Lock for Robust {
    fn new() -> Self {
        Robust::new()
    }

    fn with(&self, inside: impl Fn()) {
        self.lock();
        inside();
        self.unlock();
    }

    fn try_with(&self, inside: impl Fn()) {
        if self.try_lock() {
            inside();
            self.unlock();
        }
    }
}

/// What was seen of one lock.
#[derive(Debug, Default)]
struct Seen {
    kills: u64,
    /// How often somebody slept at that moment.
    slept: u64,
    hangs: u64,
    changes: u64,
    seconds: f64,
}

// The words of the page.
const STOP: usize = 0;
const COUNT: usize = 16;

/// The first two lock, the third barges in; all as fast as they can.
const CREW: usize = 3;

/// So long they are inside, in rounds of a loop: long enough for the others to fall asleep.
const INSIDE: u32 = 1_000;

impl Seen {
    /// One of three is killed at a random moment, and the others must get to their end. They stop at once, for
    /// those who come later would wake whoever was left asleep.
    fn round<L: Lock>(&mut self, random: &mut Random) {
        let (lock, page) = (L::new(), SharedPage::new(COUNT + 16 * CREW));
        let work = |member: usize| {
            while page[STOP].load(SeqCst) == 0 {
                let inside = || (0..INSIDE).for_each(|_| std::hint::spin_loop());
                if member == 2 {
                    lock.try_with(inside);
                } else {
                    lock.with(inside);
                }
                page[COUNT + 16 * member].fetch_add(1, SeqCst);
            }
        };
        let mut crew: Vec<Child> = (0..CREW).map(|member| fork(|| work(member))).collect();
        std::thread::sleep(Duration::from_nanos(random.next() % 800_000));
        let victim = crew.swap_remove(random.below(CREW));
        self.slept += u64::from(crew.iter().any(|child| is_asleep(child.pid())));
        victim.kill();
        page[STOP].store(1, SeqCst);
        assert_eq!(victim.wait(), Outcome::Signaled(9), "a worker failed");
        self.kills += 1;
        let ends = crew.iter_mut().map(|child| child.wait_timeout(PATIENCE));
        let ends: Vec<Option<Outcome>> = ends.collect();
        assert!(ends.iter().flatten().all(|end| *end == Outcome::Exited(0)), "a worker failed");
        self.hangs += u64::from(ends.contains(&None));
        self.changes += (0..CREW).map(|member| page[COUNT + 16 * member].load(SeqCst)).sum::<u64>();
    }

    /// Goes on until so many kills or hangs, and if `longest` says so, until there is a hang.
    fn after<L: Lock>(kills: u64, enough: u64, longest: u64) -> Self {
        let (mut seen, mut random, start) = (Self::default(), Random::default(), Instant::now());
        while seen.kills < kills && seen.hangs < enough || seen.hangs == 0 && seen.kills < longest {
            seen.round::<L>(&mut random);
        }
        seen.seconds = start.elapsed().as_secs_f64();
        seen
    }
}

/// Kills, and prints what came of it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    multiproc_core::deadline::without_slices();
    let ours = Seen::after::<Mutex<u64>>(arguments.count, u64::MAX, 0);
    let control = Seen::after::<Robust>(arguments.count, arguments.enough, LONGEST);
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["lock", "kills", "while one slept", "changes", "hangs", "s"]);
    for (name, seen) in [("Mutex", &ours), ("pthread robust mutex", &control)] {
        let Seen { kills, slept, hangs, changes, seconds } = seen;
        let numbers = [kills, slept, changes, hangs].map(u64::to_string);
        table.add_row(
            [vec![name.to_owned()], numbers.to_vec(), vec![format!("{seconds:.0}")]].concat(),
        );
    }
    println!("{table}");
    match (ours.hangs, control.hangs) {
        (0, 1..) => Ok(()),
        (0, 0) => {
            Err("glibc's robust mutex never hung: this run could not have seen a hang".into())
        }
        (hangs, _) => Err(format!("{hangs} hangs of {} kills", ours.kills).into()),
    }
}
