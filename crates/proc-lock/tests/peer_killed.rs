//! Whoever is killed at whatever instruction of lock and unlock: the others go on.
//!
//! The same scenarios run over a robust pthread mutex, in which they must find the sleeper that is
//! left on a free lock: a control that the test can see what it looks for.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod pthread;

use multiproc_core::deadline::{Deadline, without_slices};
use multiproc_core::futex;
use proc_lock::{LockTimeoutError, Mutex, TryLockError};
use pthread::Pthread;
use std::cell::RefCell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, assert_caught, fork, is_asleep,
    kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// What the scenarios need of a lock.
trait Lock {
    /// How long those who wait are given after a kill.
    const PATIENCE: Duration;
    fn new() -> Self;
    /// Locks, makes half a change, does `midway`, makes the other half, and unlocks.
    fn change(&self, midway: impl FnOnce());
    /// Locks if the lock is free, does `inside` in any case, and unlocks.
    fn barge(&self, inside: impl FnOnce(bool));
}

impl Lock for Mutex<[u64; 2]> {
    const PATIENCE: Duration = WAIT;

    fn new() -> Self {
        Mutex::new([0; 2]).unwrap()
    }

    fn change(&self, midway: impl FnOnce()) {
        let mut both = self.lock_or_recover(|both| both[1] = both[0]);
        assert_eq!(both[0], both[1], "somebody else is inside, or a death was not told");
        both[0] += 1;
        midway();
        both[1] += 1;
    }

    fn barge(&self, inside: impl FnOnce(bool)) {
        let held = self.try_lock();
        inside(!matches!(held, Err(TryLockError::WouldBlock)));
    }
}

impl Lock for Pthread {
    // A hang is what we look for.
    const PATIENCE: Duration = Duration::from_secs(2);

    fn new() -> Self {
        Pthread::new()
    }

    fn change(&self, midway: impl FnOnce()) {
        self.lock();
        midway();
        self.unlock();
    }

    fn barge(&self, inside: impl FnOnce(bool)) {
        let held = self.try_lock();
        inside(held);
        if held {
            self.unlock();
        }
    }
}

/// What a scenario works with: the lock, words by which its processes talk, and its processes.
struct Scene<L> {
    lock: L,
    page: SharedPage,
    others: RefCell<Vec<Child>>,
}

// The cells of the page.
const ROUSE_VICTIM: usize = 0;
const ROUSE_BARGER: usize = 1;
const BARGED: usize = 2;

impl<L: Lock> Scene<L> {
    fn new() -> Self {
        // A wake-up that comes by a belt is one that was lost.
        without_slices();
        let lock = L::new();
        // What a process does the first time is not the subject.
        lock.change(|| ());
        Self { lock, page: SharedPage::new(3), others: RefCell::default() }
    }

    /// Starts a process that waits for the lock, and leaves the data whole.
    fn start_locker(&self) {
        self.others.borrow_mut().push(fork(|| self.lock.change(|| ())));
    }

    /// Starts a process that keeps the lock, if it is free now, until it is roused.
    fn start_barger(&self) {
        self.page[ROUSE_BARGER].store(0, SeqCst);
        self.page[BARGED].store(0, SeqCst);
        let child = fork(|| {
            self.lock.barge(|held| {
                self.page[BARGED].store(1, SeqCst);
                if held {
                    sleep_until_set(&self.page[ROUSE_BARGER]);
                }
            });
        });
        until(WAIT, "the barger's try", || self.page[BARGED].load(SeqCst) == 1);
        self.others.borrow_mut().push(child);
    }

    /// Starts a process that sleeps on the lock when this returns.
    fn start_sleeper(&self) {
        self.start_locker();
        let pid = self.others.borrow().last().map(Child::pid).unwrap();
        until(WAIT, "the other's sleep", || is_asleep(pid));
    }

    /// After the kill: all who wait get the lock, and so does a newcomer.
    fn all_go_on(&self, point: KillPoint) {
        set(&self.page[ROUSE_BARGER]);
        self.start_locker();
        for mut child in self.others.take() {
            let end = child.wait_timeout(L::PATIENCE);
            assert_eq!(end, Some(Outcome::Exited(0)), "a process hangs or fails: {point}");
        }
    }
}

fn sleep_until_set(cell: &AtomicU64) {
    while cell.load(SeqCst) == 0 {
        futex::wait(futex::low_half(cell), 0, Deadline::NEVER);
    }
}

fn set(cell: &AtomicU64) {
    cell.store(1, SeqCst);
    futex::wake(futex::low_half(cell), 1);
}

fn barger_before_kill<L: Lock>(wanted: bool) -> Option<testkit::BeforeKill<'static, Scene<L>>> {
    wanted.then(|| Box::new(|scene: &Scene<L>, _: &KillPoint| scene.start_barger()) as _)
}

/// The victim takes the lock, waits until another process sleeps on it, and goes on to unlock.
fn unlocker<L: Lock>(barger: bool) -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<L>| {
            scene.start_sleeper();
            set(&scene.page[ROUSE_VICTIM]);
        })),
        before_kill: barger_before_kill(barger),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        Scene::<L>::new,
        |scene| scene.lock.change(|| sleep_until_set(&scene.page[ROUSE_VICTIM])),
        |scene, point| scene.all_go_on(point),
    )
}

/// The victim sleeps on the lock before another sleeper does, and is woken.
fn woken_waiter<L: Lock>(barger: bool) -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<L>| {
            scene.start_sleeper();
            // Wakes the holder, which unlocks, which wakes the victim.
            set(&scene.page[ROUSE_BARGER]);
        })),
        before_kill: barger_before_kill(barger),
        ..Limits::default()
    };
    let setup = || {
        let scene = Scene::<L>::new();
        scene.start_barger();
        scene
    };
    let victim = |scene: &Scene<L>| scene.lock.change(|| ());
    kill_at_every_instruction(limits, setup, victim, |scene, point| scene.all_go_on(point))
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("| {what:<40} {report}");
    assert_eq!(report.end, End::Finished);
}

#[test]
fn alone() {
    let mut told = 0;
    passes("lock, change, unlock", || {
        kill_at_every_instruction(
            // Whatever is thinned elsewhere: some of them must lie inside.
            Limits { stride: 1, ..Limits::default() },
            Scene::<Mutex<[u64; 2]>>::new,
            |scene| scene.lock.change(|| ()),
            |scene, point| {
                match scene.lock.lock_timeout(WAIT) {
                    Ok(both) => assert_eq!(both[0], both[1], "a half-change was not told"),
                    Err(LockTimeoutError::OwnerDied(_)) => told += 1,
                    Err(error) => panic!("{error}"),
                }
                scene.all_go_on(point);
            },
        )
    });
    assert!(told > 0, "some kill points lie inside");
}

#[test]
fn unlocking_to_a_sleeper() {
    passes("unlock to a sleeper", || unlocker::<Mutex<_>>(false));
}

#[test]
fn unlocking_to_a_sleeper_while_a_third_barges_in() {
    passes("unlock to a sleeper, barger", || unlocker::<Mutex<_>>(true));
}

#[test]
fn woken_to_lock() {
    passes("woken to lock", || woken_waiter::<Mutex<_>>(false));
}

#[test]
fn woken_to_lock_while_a_third_barges_in() {
    passes("woken to lock, barger", || woken_waiter::<Mutex<_>>(true));
}

#[test]
fn a_robust_pthread_mutex_is_caught() {
    let _dog = watchdog(DOG);
    assert_caught(|| unlocker::<Pthread>(true), "a process hangs");
}
