//! Barriers: whoever is killed, all who wait for the same round learn the same, and a reset mends.

use crate::fault::demand;
use crate::pairs;
use crate::row::{Plan, Row, Seen, row};
use crate::stage::{Cue, Stage};
use proc_lock::{Barrier, Parties};
use std::time::Duration;
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

const LONG: Duration = Duration::from_secs(60);

/// What the victim does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Deed {
    Waits,
    /// With something to do if it leads.
    Leads,
    WaitsLong,
    /// Too short for anybody else to come.
    GivesUp,
    Aborts,
    Resets,
}

pub(crate) const ROWS: &[Row] = &[
    row("Barrier::wait", "first of three", |plan| comes_first(false, Deed::Waits, plan)),
    row("Barrier::wait", "last, two asleep", |plan| acts(false, Deed::Waits, plan)),
    row("Barrier::wait_with", "leads, two asleep", |plan| acts(false, Deed::Leads, plan)),
    row("Barrier::wait_timeout", "first of three", |plan| {
        comes_first(false, Deed::WaitsLong, plan)
    }),
    row("Barrier::wait_timeout", "last, two asleep", |plan| acts(false, Deed::WaitsLong, plan)),
    row("Barrier::wait_timeout", "gives up, one asleep", |plan| acts(false, Deed::GivesUp, plan)),
    row("Barrier::abort", "two asleep", |plan| acts(false, Deed::Aborts, plan)),
    row("Barrier::reset", "two asleep", |plan| acts(false, Deed::Resets, plan)),
    row("Barrier::wait", "shrinking, first of three", |plan| comes_first(true, Deed::Waits, plan)),
    row("Barrier::wait", "shrinking, last, two asleep", |plan| acts(true, Deed::Waits, plan)),
    row("Barrier::wait_with", "shrinking, leads, two asleep", |plan| acts(true, Deed::Leads, plan)),
    row("Barrier::reset", "broken by one who was killed too", |plan| mended_twice(false, plan)),
    row("Barrier::reset", "shrunk by one who was killed too", |plan| mended_twice(true, plan)),
];

const PARTIES: u64 = 3;

/// Where those who took part note how it went for them.
const LED: u64 = 0;
const PASSED: u64 = 1;
const TOLD: u64 = 2;
/// Where it is noted that the action began, and that it ended.
const BEGAN: u64 = 3;
const ENDED: u64 = 4;
/// What the newcomers of the end note is counted from here on.
const AFTER: u64 = 10;

struct Scene {
    barrier: Barrier,
    stage: Stage,
}

impl Scene {
    fn new(shrinks: bool) -> Self {
        let count = PARTIES as u32;
        let parties = if shrinks { Parties::shrinking(count) } else { count.into() };
        Self { barrier: Barrier::new(parties).unwrap(), stage: Stage::new() }
    }

    fn with_sleepers(shrinks: bool, count: u64) -> Self {
        let scene = Self::new(shrinks);
        (0..count).for_each(|_| scene.stage.start_sleeper(|| scene.wait(0)));
        scene
    }

    fn wait(&self, notes: u64) {
        let outcome = match self.barrier.wait() {
            Ok(result) if result.is_leader() => LED,
            Ok(_) => PASSED,
            Err(_) => TOLD,
        };
        self.stage.note(notes + outcome);
    }

    fn act(&self, deed: Deed) {
        let action = || {
            self.stage.note(BEGAN);
            self.stage.note(ENDED);
        };
        let outcome = match deed {
            Deed::Waits => self.barrier.wait().ok(),
            Deed::Leads => self.barrier.wait_with(action).ok(),
            Deed::WaitsLong => self.barrier.wait_timeout(LONG).ok(),
            Deed::GivesUp => self.barrier.wait_timeout(Duration::ZERO).ok(),
            Deed::Aborts => {
                self.barrier.abort();
                None
            }
            Deed::Resets => {
                self.barrier.reset();
                None
            }
        };
        if outcome.is_some_and(|result| result.is_leader()) {
            self.stage.note(LED);
        }
    }

    /// After the kill: who waits and is not told waits for one who never came, and one comes instead.
    fn all_learn_the_same(&self, plan: &Plan, deed: Deed, shrinks: bool, point: KillPoint) {
        let came_instead = self.stage.goes_on(plan.patience, || false);
        if came_instead {
            let done = point.finished;
            demand!(!done, Lost, "it took part, and the others wait on");
            let missing = if deed == Deed::GivesUp { 2 } else { 1 };
            (0..missing).for_each(|_| self.stage.start(|| self.wait(0)));
            self.stage.all_end(plan.patience);
        }
        let [led, passed, told, began, ended] =
            [LED, PASSED, TOLD, BEGAN, ENDED].map(|number| self.stage.noted(number));
        demand!(led + passed == 0 || told == 0, Corrupt, "{led}+{passed} pass, {told} are told");
        // The one who was killed may be the one who led.
        demand!(led <= 1, Twice, "{led} led in one round");
        demand!(led == 1 || !came_instead || told > 0, Lost, "nobody led");
        demand!(began <= 1, Twice, "the action ran {began} times");
        demand!(began == ended || told > 0, Corrupt, "they go on after half an action");
        demand!(began == ended || !point.finished, Corrupt, "half an action");
        let all_came = matches!(deed, Deed::Waits | Deed::Leads | Deed::WaitsLong);
        if all_came && point.finished {
            demand!(told == 0, Corrupt, "{told} are told of a death after they all came");
        }
        if all_came && shrinks && began == ended && deed != Deed::Leads {
            demand!(told == 0, Corrupt, "{told} are told that it broke, and it shrinks");
        }
        if !all_came && point.finished {
            demand!(passed + led == 0, Corrupt, "they pass, and not all came");
        }
    }

    /// A reset, and three newcomers have a round.
    fn works_again(&self, plan: &Plan) {
        self.stage.newcomer(plan.patience, || self.barrier.reset());
        (0..PARTIES).for_each(|_| self.stage.start(|| self.wait(AFTER)));
        self.stage.all_end(plan.patience);
        let [led, passed, told] =
            [LED, PASSED, TOLD].map(|number| self.stage.noted(AFTER + number));
        let well = (led, passed, told) == (1, PARTIES - 1, 0);
        demand!(well, Corrupt, "after a reset {led} led, {passed} passed, {told} were told");
    }
}

/// What is done for the first time is done, at another barrier.
fn warm_up() {
    let warm = Barrier::new(1).unwrap();
    warm.wait().unwrap();
    warm.wait_with(|| ()).unwrap();
    warm.wait_timeout(LONG).unwrap();
    warm.abort();
    warm.reset();
    explore_from_here();
}

/// The victim does something while others sleep at the barrier: one fewer than it needs, if it can come.
fn acts(shrinks: bool, deed: Deed, plan: &Plan) -> Seen {
    let sleepers = if deed == Deed::GivesUp { 1 } else { PARTIES - 1 };
    let victim = |scene: &Scene| {
        warm_up();
        scene.act(deed);
    };
    let check = |scene: Scene, point: KillPoint| {
        scene.all_learn_the_same(plan, deed, shrinks, point);
        scene.works_again(plan);
    };
    let setup = || Scene::with_sleepers(shrinks, sleepers);
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}

/// The victim sleeps at the barrier before the others come.
fn comes_first(shrinks: bool, deed: Deed, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    let start_others = |scene: &Scene| {
        scene.stage.give(Cue::Mattered);
        (1..PARTIES).for_each(|_| scene.stage.start(|| scene.wait(0)));
    };
    limits.on_sleep = Some(Box::new(start_others));
    let victim = |scene: &Scene| {
        warm_up();
        scene.act(deed);
    };
    let check = |scene: Scene, point: KillPoint| {
        if !scene.stage.was_given(Cue::Mattered) {
            start_others(&scene);
        }
        scene.all_learn_the_same(plan, deed, shrinks, point);
        scene.works_again(plan);
    };
    let seen: Seen =
        kill_at_every_instruction(limits, || Scene::new(shrinks), victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}

/// The victim comes last, and who mends the barrier after that is killed, too.
fn mended_twice(shrinks: bool, plan: &Plan) -> Seen {
    let victim = |scene: &Scene| {
        warm_up();
        scene.act(Deed::Waits);
    };
    let mender = |scene: &Scene| {
        warm_up();
        scene.act(Deed::Resets);
    };
    let check = |scene: Scene, points: [KillPoint; 2]| {
        // Those who wait are told by a reset that was finished, and wait on for one who did not come.
        let waits_on = scene.stage.goes_on(plan.patience, || false);
        demand!(!waits_on || !points[1].finished, Hangs, "a reset did not tell those who wait");
        scene.stage.newcomer(plan.patience, || scene.barrier.reset());
        scene.stage.all_end(plan.patience);
        scene.works_again(plan);
    };
    let setup = || Scene::with_sleepers(shrinks, PARTIES - 1);
    pairs::explore(plan, setup, victim, mender, |_| (), check)
}
