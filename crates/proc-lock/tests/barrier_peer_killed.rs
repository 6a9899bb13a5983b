//! Whoever is killed at whatever instruction of a barrier: the others are let go, or told.
//!
//! The same scenario runs over a barrier that counts, in which it must find those who wait for the
//! dead: a control that the test can see what it looks for. Nobody looks around now and then here: what
//! is not woken sleeps on.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline::{Deadline, without_slices};
use multiproc_core::futex;
use proc_lock::{Barrier, Parties};
use std::cell::RefCell;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, assert_caught, explore_from_here,
    fork, is_asleep, kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);
/// How long a victim sleeps before it counts as asleep, where each of thousands of them does.
const NAP: Duration = Duration::from_millis(6);

/// What the scenarios need of a barrier.
trait Meet {
    /// How long those who wait are given after a kill.
    const PATIENCE: Duration = WAIT;
    fn new(parties: u32, shrinks: bool) -> Self;
    /// Waits, runs `action` if it leads, and says whether all came.
    fn meet(&self, action: Option<&dyn Fn()>) -> bool;
    fn reset(&self);
}

impl Meet for Barrier {
    fn new(count: u32, shrinks: bool) -> Self {
        let parties = if shrinks { Parties::shrinking(count) } else { count.into() };
        Barrier::new(parties).unwrap()
    }

    fn meet(&self, action: Option<&dyn Fn()>) -> bool {
        match action {
            Some(action) => self.wait_with(action).is_ok(),
            None => self.wait().is_ok(),
        }
    }

    fn reset(&self) {
        Barrier::reset(self);
    }
}

/// The control: a number of arrivals and a number of rounds.
struct Counting(SharedPage, u64);

impl Meet for Counting {
    // A hang is what we look for.
    const PATIENCE: Duration = Duration::from_secs(2);

    fn new(parties: u32, _: bool) -> Self {
        Self(SharedPage::new(2), parties.into())
    }

    fn meet(&self, _: Option<&dyn Fn()>) -> bool {
        let round = self.0[1].load(SeqCst);
        if self.0[0].fetch_add(1, SeqCst) + 1 == self.1 {
            self.0[0].store(0, SeqCst);
            futex::add_and_wake(futex::low_half(&self.0[1]), 1, futex::ALL);
        }
        while self.0[1].load(SeqCst) == round {
            let low = u32::try_from(round).unwrap();
            futex::wait(futex::low_half(&self.0[1]), low, Deadline::NEVER);
        }
        true
    }

    fn reset(&self) {
        self.0[0].store(0, SeqCst);
    }
}

// The cells of the page.
const GO: usize = 0;
const LET_GO: usize = 1;
const TOLD: usize = 2;
const END: usize = 3;

/// What a scenario works with: the barrier, words by which its processes talk, and its processes.
struct Scene<B> {
    barrier: B,
    page: SharedPage,
    others: RefCell<Vec<Child>>,
}

impl<B: Meet> Scene<B> {
    fn new(parties: u32, shrinks: bool) -> Self {
        Self {
            barrier: B::new(parties, shrinks),
            page: SharedPage::new(4),
            others: RefCell::default(),
        }
    }

    fn count(&self, met: bool) {
        self.page[if met { LET_GO } else { TOLD }].fetch_add(1, SeqCst);
    }

    /// Starts a process that comes `before` times, and once more when it is told to go.
    fn start(&self, before: u32) {
        let child = fork(|| {
            for _ in 0..before {
                assert!(self.barrier.meet(None));
            }
            sleep_until_set(&self.page[GO]);
            self.count(self.barrier.meet(None));
            // Its end is a death, too: not before all have been let go.
            sleep_until_set(&self.page[END]);
        });
        self.others.borrow_mut().push(child);
    }

    /// Starts a process that comes once.
    fn start_bystander(&self) {
        let child = fork(|| {
            assert!(self.barrier.meet(None));
            sleep_until_set(&self.page[END]);
        });
        self.others.borrow_mut().push(child);
    }

    fn go(&self) {
        set(&self.page[GO]);
    }

    fn all_sleep(&self) {
        for child in &*self.others.borrow() {
            until(WAIT, "the others' sleep", || is_asleep(child.pid()));
        }
    }

    fn ended(&self) -> u64 {
        self.page[LET_GO].load(SeqCst) + self.page[TOLD].load(SeqCst)
    }

    /// After the kill: `count` processes are let go, or all of them are told. Says which.
    fn all_end(&self, count: u64, point: KillPoint) -> bool {
        self.go();
        let start = std::time::Instant::now();
        while self.ended() < count {
            assert!(start.elapsed() < B::PATIENCE, "they wait for the dead: {point}");
            std::thread::sleep(Duration::from_micros(100));
        }
        let told = self.page[TOLD].load(SeqCst);
        assert!(told == 0 || told == count, "one was told and another let go: {point}");
        told == 0
    }

    /// Newcomers meet as on the first day.
    fn newcomers_meet(&self, parties: u32) {
        set(&self.page[END]);
        self.others.take().into_iter().for_each(Child::assert_ok);
        self.barrier.reset();
        let children: Vec<_> =
            (0..parties).map(|_| fork(|| assert!(self.barrier.meet(None)))).collect();
        // One that ends may be found dead by another only after all were let go.
        for mut child in children {
            assert_eq!(child.wait_timeout(B::PATIENCE), Some(Outcome::Exited(0)), "a newcomer");
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
    futex::wake(futex::low_half(cell), futex::ALL);
}

/// Three who have met before meet again; the victim comes last, with the others asleep.
fn comes_last<B: Meet + 'static>(shrinks: bool, action: bool) -> Report {
    let victim = |scene: &Scene<B>| {
        assert!(scene.barrier.meet(None));
        scene.go();
        scene.all_sleep();
        explore_from_here();
        let act = || {
            scene.page[GO].fetch_add(1, SeqCst);
        };
        assert!(scene.barrier.meet(action.then_some(&act)));
    };
    kill_at_every_instruction(
        Limits { from_mark: true, ..Limits::default() },
        || {
            let scene = Scene::<B>::new(3, shrinks);
            scene.start(1);
            scene.start(1);
            scene
        },
        victim,
        |scene, point| {
            let met = scene.all_end(2, point);
            assert!(met || !point.finished, "it had come");
            assert!(met || action || !shrinks, "one less was to be waited for: {point}");
            scene.newcomers_meet(3);
        },
    )
}

/// Three who have met before meet again; the victim comes first, sleeps, and is woken by the others'
/// coming.
fn comes_first<B: Meet + 'static>(shrinks: bool) -> Report {
    let limits = Limits {
        from_mark: true,
        on_sleep: Some(Box::new(|scene: &Scene<B>| scene.go())),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        || {
            let scene = Scene::<B>::new(3, shrinks);
            scene.start(1);
            scene.start(1);
            scene
        },
        |scene| {
            assert!(scene.barrier.meet(None));
            explore_from_here();
            assert!(scene.barrier.meet(None));
        },
        |scene, point| {
            let met = scene.all_end(2, point);
            assert!(met || !(point.finished || shrinks), "they had met: {point}");
            scene.newcomers_meet(3);
        },
    )
}

/// The victim, whom nobody knows yet, comes last; the others sleep. It may be as if it had never come.
fn a_stranger_comes_last() -> Report {
    kill_at_every_instruction(
        Limits::default(),
        two_asleep,
        |scene| assert!(scene.barrier.meet(None)),
        |scene, point| {
            let start = std::time::Instant::now();
            let mut has_help = false;
            while scene.ended() < 2 + u64::from(has_help) {
                assert!(start.elapsed() < WAIT, "they wait for the dead: {point}");
                let sleep = || scene.others.borrow().iter().all(|child| is_asleep(child.pid()));
                if !has_help && !scene.barrier.is_broken() && sleep() && scene.ended() == 0 {
                    assert!(!point.finished, "it had come");
                    has_help = true;
                    scene.start(0);
                }
                std::thread::sleep(Duration::from_micros(100));
            }
            let met = scene.all_end(2 + u64::from(has_help), point);
            assert!(met || !has_help, "two slept, and the third died: {point}");
            scene.newcomers_meet(3);
        },
    )
}

/// As before, and a fourth comes just before the victim dies.
fn a_stranger_and_another_come_last() -> Report {
    let limits = Limits {
        before_kill: Some(Box::new(|scene: &Scene<Barrier>, _| {
            scene.start(0);
            let pid = scene.others.borrow().last().map(Child::pid).unwrap();
            until(WAIT, "the barger", || is_asleep(pid));
        })),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        two_asleep,
        |scene| assert!(scene.barrier.meet(None)),
        |scene, point| {
            let start = std::time::Instant::now();
            while scene.ended() < 3 {
                assert!(start.elapsed() < WAIT, "they wait for the dead: {point}");
                std::thread::sleep(Duration::from_micros(100));
            }
            // The two meet the victim or the fourth, or all are told.
            let met = scene.page[LET_GO].load(SeqCst);
            assert!(met != 1 && !(point.finished && met < 2), "{met} met: {point}");
            scene.newcomers_meet(3);
        },
    )
}

fn two_asleep() -> Scene<Barrier> {
    let scene = Scene::<Barrier>::new(3, false);
    scene.start(0);
    scene.start(0);
    scene.go();
    until(WAIT, "two to wait", || scene.barrier.waiting() == 2);
    scene.all_sleep();
    scene
}

/// A third dies, the kernel tells the victim, and the victim dies while it sees to that.
fn is_told_of_a_death(shrinks: bool) -> Report {
    let limits = Limits {
        from_mark: true,
        nap: NAP,
        max_points: 20_000,
        on_sleep: Some(Box::new(|scene: &Scene<Barrier>| {
            scene.go();
            scene.all_sleep();
            // The first: in another round than the others it would come no more.
            scene.others.borrow()[0].kill();
        })),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        || {
            let scene = Scene::<Barrier>::new(4, shrinks);
            // The one that dies sleeps elsewhere, not at the barrier.
            scene.start_bystander();
            scene.start(1);
            scene.start(1);
            scene
        },
        |scene| {
            assert!(scene.barrier.meet(None));
            explore_from_here();
            assert_eq!(scene.barrier.meet(None), shrinks);
        },
        |scene, point| {
            let dead = scene.others.borrow_mut().remove(0);
            dead.kill();
            drop(dead);
            assert_eq!(scene.all_end(2, point), shrinks, "{point}");
            scene.newcomers_meet(4);
        },
    )
}

/// The victim says something to the barrier while two sleep there.
fn says(what: fn(&Barrier)) -> Report {
    kill_at_every_instruction(
        Limits { from_mark: true, nap: NAP, on_sleep: Some(Box::new(|_| ())), ..Limits::default() },
        || {
            let scene = Scene::<Barrier>::new(4, false);
            scene.start_bystander();
            scene.start(1);
            scene.start(1);
            scene
        },
        |scene| {
            assert!(scene.barrier.meet(None));
            scene.go();
            scene.all_sleep();
            explore_from_here();
            what(&scene.barrier);
        },
        |scene, point| {
            // The victim was a member.
            assert!(!scene.all_end(2, point));
            scene.newcomers_meet(4);
        },
    )
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    without_slices();
    let report = explore();
    println!("| {what:<50} {report}");
    assert_eq!(report.end, End::Finished);
}

#[test]
fn one_comes_last() {
    passes("last to come, others asleep", || comes_last::<Barrier>(false, false));
}

#[test]
fn one_comes_last_to_a_shrinking_barrier() {
    passes("last to come, others asleep, shrinking", || comes_last::<Barrier>(true, false));
}

#[test]
fn one_leads() {
    passes("last to come, with an action", || comes_last::<Barrier>(false, true));
}

#[test]
fn one_leads_at_a_shrinking_barrier() {
    passes("last to come, with an action, shrinking", || comes_last::<Barrier>(true, true));
}

#[test]
fn one_comes_first() {
    passes("first to come, and woken", || comes_first::<Barrier>(false));
}

#[test]
fn one_comes_first_to_a_shrinking_barrier() {
    passes("first to come, and woken, shrinking", || comes_first::<Barrier>(true));
}

#[test]
fn a_stranger_comes() {
    passes("a stranger comes last", a_stranger_comes_last);
}

#[test]
fn a_stranger_comes_while_another_does() {
    passes("a stranger comes last, barger", a_stranger_and_another_come_last);
}

#[test]
fn one_is_told_of_a_death() {
    passes("told of a death", || is_told_of_a_death(false));
}

#[test]
fn one_is_told_of_a_death_at_a_shrinking_barrier() {
    passes("told of a death, shrinking", || is_told_of_a_death(true));
}

#[test]
fn one_aborts() {
    passes("abort, others asleep", || says(Barrier::abort));
}

#[test]
fn one_resets() {
    passes("reset, others asleep", || says(Barrier::reset));
}

#[test]
fn one_gives_up() {
    passes("timeout, others asleep", || {
        says(|barrier| assert!(barrier.wait_timeout(3 * NAP).is_err()))
    });
}

#[test]
fn a_count_of_arrivals_is_caught() {
    let _dog = watchdog(DOG);
    assert_caught(|| comes_last::<Counting>(false, false), "they wait for the dead");
}
