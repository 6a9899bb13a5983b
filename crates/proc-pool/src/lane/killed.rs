//! Whoever is killed: an answer counts or does not, a task is begun or is not, and a sleeper is woken.

use core::cell::Cell;
use core::time::Duration;
use std::cell::RefCell;

use multiproc_core::deadline::Deadline;
use multiproc_core::spin::Look;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, assert_caught, explore_from_here,
    fork, is_asleep, kill_at_every_instruction, until, watchdog,
};

use super::hostile::{popped, task};
use super::{Bell, Lane, Working};
use core::sync::atomic::Ordering::SeqCst;

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// A rule that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    Nothing,
    /// The answer counts before it is written.
    CommitsFirst,
    /// The pool takes a task back without asking whether it is begun.
    TakesWithoutLooking,
}

thread_local! {
    /// Which rule this thread, and what it forks, breaks.
    static BROKEN: Cell<Broken> = const { Cell::new(Broken::Nothing) };
}

pub(super) fn commits_first() -> bool {
    BROKEN.get() == Broken::CommitsFirst
}

pub(super) fn takes_without_looking() -> bool {
    BROKEN.get() == Broken::TakesWithoutLooking
}

/// A pool with one worker. Each is used by whoever plays its part.
struct Scene {
    lane: RefCell<Lane>,
    worker: RefCell<Working>,
    bell: Bell,
    /// Counts how often each task was run.
    runs: SharedPage,
}

impl Scene {
    /// With so many tasks, of this length.
    fn new(tasks: u64, len: usize) -> Self {
        // What is done for the first time in a process shall not be done in a victim.
        Look::new().until(|| true);
        let bell = Bell::new().unwrap();
        let (mut lane, port) = Lane::new(&bell).unwrap();
        let mut worker = Working::new(port).unwrap();
        // One there and back: both halves of the arena are mapped.
        lane.put(task(99, &vec![1; len])).unwrap();
        let order = worker.next().unwrap();
        worker.answer(order.ticket, 1, 0, &vec![1; len]).unwrap();
        popped(&mut lane).unwrap();
        for number in 0..tasks {
            lane.put(task(number, &vec![number as u8; len])).unwrap();
        }
        Self { lane: lane.into(), worker: worker.into(), bell, runs: SharedPage::new(8) }
    }

    /// The worker's part, once.
    fn work(&self) {
        let mut worker = self.worker.borrow_mut();
        let order = worker.next().unwrap();
        let number = order.call[0];
        self.runs[number as usize].fetch_add(1, SeqCst);
        let len = worker.arguments(&order).unwrap().len();
        worker.answer(order.ticket, 1, 0, &vec![0x40 + number as u8; len]).unwrap();
    }

    /// What the pool does once the worker is dead: takes what counts, tells what was begun, gives the rest
    /// to another worker, which is played by this process.
    fn settle(&self, tasks: u64, len: usize, point: KillPoint) {
        let mut lane = self.lane.borrow_mut();
        let mut answered = 0;
        while let Some((number, bytes)) = popped(&mut lane) {
            assert_eq!(number, answered);
            assert_eq!(bytes, vec![0x40 + number as u8; len], "an answer that is none");
            assert_eq!(self.runs[number as usize].load(SeqCst), 1);
            answered += 1;
        }
        let died_in = lane.begun().map(|(number, at)| {
            assert!(at > 0);
            assert_eq!(number, answered, "begun out of order");
            number
        });
        assert!(!point.finished || answered == tasks && died_in.is_none());
        for number in answered..tasks {
            let begun = died_in == Some(number);
            assert_eq!(lane.take_back(number, false), !begun, "begun: {begun}");
            let runs = self.runs[number as usize].load(SeqCst);
            assert!(begun || runs == 0, "a task was run and is not begun");
        }
        assert_eq!(lane.given(), usize::from(died_in.is_some()));
    }
}

fn marked<'h>() -> Limits<'h, Scene> {
    Limits { from_mark: true, max_points: 20_000, ..Limits::default() }
}

/// Kills a worker that begins tasks and answers them.
fn working(len: usize) -> Report {
    const TASKS: u64 = 2;
    let victim = |scene: &Scene| {
        explore_from_here();
        (0..TASKS).for_each(|_| scene.work());
    };
    let check = |scene: Scene, point| scene.settle(TASKS, len, point);
    kill_at_every_instruction(marked(), || Scene::new(TASKS, len), victim, check)
}

/// Kills a worker that begins a task, just after the pool has tried to take it back.
fn beginning_while_it_is_taken_back() -> Report {
    let limits = Limits {
        // The pool's part, while the worker stands at any instruction.
        before_kill: Some(Box::new(|scene: &Scene, _: &KillPoint| {
            let mut lane = scene.lane.borrow_mut();
            if lane.take_back(0, false) {
                // Another worker has run it.
                scene.runs[0].fetch_add(1, SeqCst);
            }
        })),
        ..marked()
    };
    let victim = |scene: &Scene| {
        explore_from_here();
        scene.work();
    };
    kill_at_every_instruction(
        limits,
        || Scene::new(1, 8),
        victim,
        |scene, point| {
            let runs = scene.runs[0].load(SeqCst);
            assert!(runs <= 1, "run twice");
            let mut lane = scene.lane.borrow_mut();
            let answered = popped(&mut lane).is_some();
            let died_in_it = lane.begun().is_some();
            assert!(runs == 1 || died_in_it, "lost");
            assert!(!point.finished || answered);
        },
    )
}

/// A worker goes on after the pool has tried to take its task back at every instruction: the task is run
/// once, by the one or by the other.
fn taken_back_from_a_worker_that_goes_on() -> Report {
    struct Race(Scene, RefCell<Option<Child>>, SharedPage);
    let setup = || Race(Scene::new(1, 8), RefCell::default(), SharedPage::new(1));
    // The victim is the pool; the worker runs freely from the kill on.
    let victim = |Race(scene, ..): &Race| {
        explore_from_here();
        if scene.lane.borrow_mut().take_back(0, false) {
            scene.runs[1].store(1, SeqCst);
        }
    };
    let limits = Limits { from_mark: true, ..Limits::default() };
    kill_at_every_instruction(limits, setup, victim, |Race(scene, child, page), point| {
        // Whether or not the pool said so before it died, the word says it.
        scene.lane.borrow_mut().close();
        *child.borrow_mut() = Some(fork(|| {
            let mut worker = scene.worker.borrow_mut();
            while let Some(order) = worker.next() {
                page[0].fetch_add(1, SeqCst);
                worker.answer(order.ticket, 1, 0, &[]).unwrap();
            }
        }));
        let end = child.borrow_mut().as_mut().unwrap().wait_timeout(WAIT);
        assert_eq!(end, Some(Outcome::Exited(0)));
        let (pool, worker) = (scene.runs[1].load(SeqCst), page[0].load(SeqCst));
        assert!(pool + worker <= 1, "run twice");
        assert!(!point.finished || pool == 1);
    })
}

/// Kills a worker that answers, while the pool sleeps: it wakes, once whoever sees the death has rung.
fn answering_a_sleeper() -> Report {
    struct Asleep(Scene, RefCell<Child>, SharedPage);
    let setup = || {
        let scene = Scene::new(1, 8);
        let page = SharedPage::new(1);
        let child = fork(|| {
            let mut lane = scene.lane.borrow_mut();
            let mut sleep = 0;
            let watch = lane.watch();
            while !watch.has_answer() && page[0].load(SeqCst) == 0 {
                scene.bell.sleep(&mut sleep, Deadline::NEVER, || {
                    watch.has_answer() || page[0].load(SeqCst) != 0
                });
            }
            assert!(popped(&mut lane).is_some() || page[0].load(SeqCst) != 0);
        });
        until(WAIT, "the pool's sleep", || is_asleep(child.pid()));
        Asleep(scene, RefCell::new(child), page)
    };
    let victim = |Asleep(scene, ..): &Asleep| {
        explore_from_here();
        scene.work();
    };
    let limits = Limits { from_mark: true, max_points: 20_000, ..Limits::default() };
    kill_at_every_instruction(limits, setup, victim, |Asleep(scene, child, page), point| {
        if point.finished {
            let end = child.borrow_mut().wait_timeout(WAIT);
            assert_eq!(end, Some(Outcome::Exited(0)), "the ring was not heard");
            return;
        }
        page[0].store(1, SeqCst);
        scene.bell.ring();
        let end = child.borrow_mut().wait_timeout(WAIT);
        assert_eq!(end, Some(Outcome::Exited(0)), "the pool sleeps on");
    })
}

/// Kills a worker that falls asleep: the pool can give it tasks, and take them back.
fn falling_asleep() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene| {
            let mut lane = scene.lane.borrow_mut();
            lane.put(task(0, &[0; 8])).unwrap();
            lane.wake();
        })),
        ..marked()
    };
    let victim = |scene: &Scene| {
        explore_from_here();
        scene.work();
    };
    kill_at_every_instruction(
        limits,
        || Scene::new(0, 8),
        victim,
        |scene, point| {
            let tasks = scene.lane.borrow().given() as u64;
            scene.settle(tasks, 8, point);
        },
    )
}

fn passes(explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("{report}");
    assert_eq!(report.end, End::Finished);
}

fn is_caught(rule: Broken, explore: impl FnOnce() -> Report, what: &str) {
    let _dog = watchdog(DOG);
    BROKEN.set(rule);
    assert_caught(explore, what);
    BROKEN.set(Broken::Nothing);
}

#[test]
fn killed_beginning_and_answering() {
    passes(|| working(8));
}

#[test]
fn killed_with_payloads_in_the_arena() {
    passes(|| working(300));
}

#[test]
fn killed_while_its_task_is_taken_back() {
    passes(beginning_while_it_is_taken_back);
    passes(taken_back_from_a_worker_that_goes_on);
}

#[test]
fn killed_answering_a_pool_that_sleeps() {
    passes(answering_a_sleeper);
}

#[test]
fn killed_falling_asleep() {
    passes(falling_asleep);
}

#[test]
fn an_answer_that_counts_before_it_is_written_is_caught() {
    let what = "has answered another task";
    is_caught(Broken::CommitsFirst, || working(8), what);
}

#[test]
fn a_pool_that_takes_back_what_is_begun_is_caught() {
    is_caught(Broken::TakesWithoutLooking, beginning_while_it_is_taken_back, "run twice");
}
