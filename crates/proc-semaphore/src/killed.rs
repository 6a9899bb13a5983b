//! Whoever of a pool's users is killed at whatever instruction: the others go on.
//!
//! No sleeper looks around by itself in these tests, so a wake-up that is lost shows as a hang. The control
//! sleeps without watching the owners' lives.

#![allow(clippy::print_stdout, reason = "tests print what they did")]

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use multiproc_core::deadline::without_slices;
use testkit::{
    Child, End, Limits, Outcome, Report, SharedPage, assert_caught, explore_from_here, fork,
    is_asleep, kill_at_every_instruction, until, watchdog,
};

use crate::{PermitPool, Semaphore};

mod gathering;
mod hurry;

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// What a thread does otherwise than its author has written, and what it forks likewise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Otherwise {
    No,
    /// Sleeps without watching the owners' lives.
    Blind,
    /// Tells the others that nobody sleeps any more before it wakes who does.
    WakesInTwoSteps,
    /// Is killed between freeing a permit and looking who sleeps for it.
    Doomed,
    /// Is as slow as a stopped process there.
    Slow,
}

thread_local! {
    static OTHERWISE: Cell<Otherwise> = const { Cell::new(Otherwise::No) };
    /// Where a slow one waits: 1 in the first word says that it is there, in the second that it may go on.
    /// Of the test's thread, and of what that forks once it has looked here.
    static GATE: SharedPage = SharedPage::new(2);
}

pub(crate) fn is_blind() -> bool {
    OTHERWISE.get() == Otherwise::Blind
}

pub(crate) fn wakes_in_two_steps() -> bool {
    OTHERWISE.get() == Otherwise::WakesInTwoSteps
}

/// Called where a permit is free and nobody has been woken for it.
pub(crate) fn between_free_and_wake() {
    match OTHERWISE.get() {
        // To the others as good as SIGKILL.
        Otherwise::Doomed => std::process::abort(),
        Otherwise::Slow => {
            GATE.with(|gate| gate[0].store(1, SeqCst));
            until(WAIT, "the gate", || GATE.with(|gate| gate[1].load(SeqCst) == 1));
        }
        _ => {}
    }
}

/// A pool of one or more permits, and who waits for them.
struct Scene {
    pool: PermitPool,
    /// 0: the victim has what it wants. 1..: told by a scenario.
    page: SharedPage,
    waiters: Vec<Child>,
}

const READY: usize = 0;

impl Scene {
    fn new(permits: u32) -> Self {
        let pool = PermitPool::new(permits).unwrap();
        Self { pool, page: SharedPage::new(8), waiters: Vec::new() }
    }

    /// Adds a process, the first of the waiters, that has a permit until `page[2]` says so.
    fn start_owner(&mut self) {
        let owner = fork(|| {
            let permit = self.pool.acquire().unwrap();
            self.page[1].store(1, SeqCst);
            until(Duration::from_secs(60), "the end", || self.page[2].load(SeqCst) == 1);
            drop(permit);
        });
        until(WAIT, "the owner", || self.page[1].load(SeqCst) == 1);
        self.waiters.push(owner);
    }

    /// Adds processes that each want `n` permits once the victim has its own.
    fn with_waiters(mut self, wants: &[u32]) -> Self {
        for n in wants {
            let body = || {
                until(WAIT, "the victim's permits", || self.page[READY].load(SeqCst) == 1);
                drop(self.pool.acquire_many(*n).unwrap());
            };
            let child = fork(body);
            self.waiters.push(child);
        }
        self
    }

    /// For the victim that has what it wants: lets the waiters come and sleep.
    fn let_them_sleep(&self) {
        self.page[READY].store(1, SeqCst);
        for child in &self.waiters {
            until(WAIT, "a waiter's sleep", || is_asleep(child.pid()));
        }
    }

    /// Waits until all have had their permits.
    fn go_on(&mut self) {
        let control = OTHERWISE.get() != Otherwise::No;
        let patience = if control { Duration::from_secs(2) } else { WAIT };
        for child in &mut self.waiters {
            let end = child.wait_timeout(patience);
            assert_eq!(end, Some(Outcome::Exited(0)), "a waiter sleeps on");
        }
    }

    /// Waits until all have had their permits, and all permits are back.
    fn all_go_on(mut self) {
        self.go_on();
        let (there, all) = (self.pool.available(), self.pool.capacity());
        assert_eq!(there, all, "permits are missing");
        let newcomer = self.pool.acquire_timeout(WAIT).unwrap();
        assert!(newcomer.is_some(), "a newcomer waits for nothing");
    }
}

/// Kills a victim anywhere while it gives back its permit, of which there is one, and `wants` wait.
///
/// `bargers` are let in while it stands at the kill point, after it has died they may go.
fn give_back(wants: &[u32], barger: Option<fn(&Scene) -> Child>) -> Report {
    let held: Cell<Option<Child>> = Cell::new(None);
    kill_at_every_instruction(
        Limits {
            from_mark: true,
            before_kill: Some(Box::new(|scene, _| held.set(barger.map(|barger| barger(scene))))),
            ..Limits::default()
        },
        || Scene::new(1).with_waiters(wants),
        |scene| {
            let permit = scene.pool.acquire().unwrap();
            scene.let_them_sleep();
            explore_from_here();
            drop(permit);
        },
        |scene, _| {
            if let Some(barger) = held.take() {
                // Who has taken the permit is killed now, or gives it back.
                scene.page[2].store(1, SeqCst);
                if scene.page[1].load(SeqCst) == 1 {
                    barger.kill();
                }
                barger.wait();
            }
            scene.all_go_on();
        },
    )
}

/// A process that takes the permit if it can, and has it until it is killed.
fn holder(scene: &Scene) -> Child {
    let child = fork(|| {
        let permit = scene.pool.try_acquire().unwrap();
        scene.page[3].store(1, SeqCst);
        if permit.is_some() {
            scene.page[1].store(1, SeqCst);
            until(Duration::from_secs(60), "its death", || false);
        }
    });
    until(WAIT, "the barger", || scene.page[3].load(SeqCst) == 1);
    child
}

/// A process that takes the permit if it can, and gives it back after the victim's death.
fn borrower(scene: &Scene) -> Child {
    let child = fork(|| {
        let permit = scene.pool.try_acquire().unwrap();
        scene.page[3].store(1, SeqCst);
        until(WAIT, "the victim's death", || scene.page[2].load(SeqCst) == 1);
        drop(permit);
    });
    until(WAIT, "the barger", || scene.page[3].load(SeqCst) == 1);
    child
}

/// A process that takes the permit if it can, frees it, and dies before it has woken anybody.
fn doomed(scene: &Scene) -> Child {
    let mut child = fork(|| {
        OTHERWISE.set(Otherwise::Doomed);
        drop(scene.pool.try_acquire().unwrap());
    });
    assert!(child.wait_timeout(WAIT).is_some());
    child
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    without_slices();
    // The first spin and look at the clock of a process are not the subject.
    assert!(!Semaphore::new(0).unwrap().acquire_timeout(Duration::ZERO));
    let report = explore();
    println!("| {what:<44} {report}");
    assert_eq!(report.end, End::Finished);
}

#[test]
fn giving_back_to_a_sleeper() {
    passes("give back, one asleep", || give_back(&[1], None));
}

#[test]
fn giving_back_to_a_line() {
    passes("give back, three in line", || give_back(&[1, 1, 1], None));
}

#[test]
fn giving_back_while_a_barger_takes_it_and_is_killed() {
    passes("give back, barger killed holding", || give_back(&[1], Some(holder)));
}

#[test]
fn giving_back_while_a_barger_takes_it_and_gives_it_back() {
    passes("give back, barger gives back", || give_back(&[1], Some(borrower)));
}

#[test]
fn giving_back_while_a_barger_dies_before_it_wakes() {
    passes("give back, barger killed before its wake", || give_back(&[1], Some(doomed)));
}

/// The victim takes and gives back what another has freed, who has not come to wake the sleeper yet.
///
/// The sleeper does not know of the victim. When that is killed, the slow one must still find whom to wake.
fn borrow_from_a_slow_one() -> Report {
    kill_at_every_instruction(
        Limits { from_mark: true, ..Limits::default() },
        || {
            let scene = Scene::new(1).with_waiters(&[1]);
            GATE.with(|gate| gate.iter().for_each(|word| word.store(0, SeqCst)));
            let slow = fork(|| {
                let permit = scene.pool.acquire().unwrap();
                scene.let_them_sleep();
                OTHERWISE.set(Otherwise::Slow);
                drop(permit);
                // Its end must not be what wakes the sleeper.
                until(WAIT, "the end", || scene.page[2].load(SeqCst) == 1);
            });
            until(WAIT, "the slow one", || GATE.with(|gate| gate[0].load(SeqCst) == 1));
            (scene, slow)
        },
        |(scene, _)| {
            // Takes its place in the pool.
            drop(scene.pool.acquire_many(0).unwrap());
            explore_from_here();
            drop(scene.pool.try_acquire().unwrap());
        },
        |(mut scene, slow), _| {
            GATE.with(|gate| gate[1].store(1, SeqCst));
            scene.go_on();
            scene.page[2].store(1, SeqCst);
            slow.assert_ok();
            scene.all_go_on();
        },
    )
}

#[test]
fn borrowing_from_a_slow_one() {
    passes("take and give back, another slow to wake", borrow_from_a_slow_one);
}

fn is_caught(otherwise: Otherwise, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    without_slices();
    OTHERWISE.set(otherwise);
    assert_caught(explore, "a waiter sleeps on");
    OTHERWISE.set(Otherwise::No);
}

#[test]
fn not_to_watch_is_caught() {
    is_caught(Otherwise::Blind, || give_back(&[1], None));
}

#[test]
fn to_wake_in_two_steps_is_caught() {
    is_caught(Otherwise::WakesInTwoSteps, borrow_from_a_slow_one);
}

#[test]
fn acquiring_and_giving_back_alone() {
    passes("acquire, give back", || {
        kill_at_every_instruction(
            Limits { from_mark: true, ..Limits::default() },
            || Scene::new(2),
            |scene| {
                drop(scene.pool.acquire().unwrap());
                explore_from_here();
                drop(scene.pool.acquire().unwrap());
            },
            |scene, _| scene.all_go_on(),
        )
    });
}

#[test]
fn acquiring_for_the_first_time() {
    passes("first acquire of a process", || {
        kill_at_every_instruction(
            Limits::default(),
            || Scene::new(1),
            |scene| drop(scene.pool.acquire().unwrap()),
            |scene, _| {
                // Another one finds a place, and the permit.
                let mut next = fork(|| drop(scene.pool.acquire().unwrap()));
                assert_eq!(next.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a newcomer hangs");
                scene.all_go_on();
            },
        )
    });
}

#[test]
fn taking_over_from_the_dead() {
    passes("take over a dead one's permit", || {
        kill_at_every_instruction(
            Limits { from_mark: true, ..Limits::default() },
            || Scene::new(2),
            |scene| {
                drop(scene.pool.acquire_many(2).unwrap());
                fork(|| std::mem::forget(scene.pool.acquire_many(2))).assert_ok();
                explore_from_here();
                drop(scene.pool.acquire().unwrap());
            },
            |scene, _| scene.all_go_on(),
        )
    });
}

/// The victim is the one that sleeps, another stands behind it; the permit is given back to them.
fn woken(how: fn(&Scene)) -> Report {
    let limits = Limits {
        from_mark: true,
        on_sleep: Some(Box::new(|scene: &Scene| {
            scene.page[READY].store(1, SeqCst);
            until(WAIT, "the one behind", || is_asleep(scene.waiters[1].pid()));
            how(scene);
        })),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        || {
            let mut scene = Scene::new(1);
            scene.start_owner();
            scene.with_waiters(&[1])
        },
        |scene| {
            // What it does for the first time is not the subject.
            assert!(scene.pool.acquire_timeout(Duration::ZERO).unwrap().is_none());
            explore_from_here();
            drop(scene.pool.acquire().unwrap());
        },
        |mut scene, _| {
            // Killed before it slept: then nobody has told the owner.
            scene.page[READY].store(1, SeqCst);
            scene.page[2].store(1, SeqCst);
            let owner = scene.waiters.remove(0);
            owner.wait();
            scene.all_go_on();
        },
    )
}

#[test]
fn woken_by_one_who_gives_back() {
    passes("woken by one who gives back", || woken(|scene| scene.page[2].store(1, SeqCst)));
}

#[test]
fn woken_by_a_death() {
    passes("woken by a death", || woken(|scene| scene.waiters[0].kill()));
}
