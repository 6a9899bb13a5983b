//! Semaphores without owners: a permit is there, or it was spent, and whoever waits for one that is
//! there gets it.

use crate::fault::demand;
use crate::pairs;
use crate::row::{Plan, Row, Seen, row};
use crate::scenes::Verb;
use crate::stage::{Cue, Stage};
use proc_semaphore::{BoundedSemaphore, Semaphore};
use std::time::Duration;
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

/// How permits are taken and put back.
pub(crate) struct Permits<P> {
    /// With room for [`ROOM`] permits, and none there.
    pub(crate) make: fn() -> P,
    /// What a process does that comes, before it matters, while others may sleep already.
    pub(crate) acquaint: fn(&P),
    /// Says whether it got one.
    pub(crate) acquire: fn(&P, Verb) -> bool,
    pub(crate) release: fn(&P),
    pub(crate) value: fn(&P) -> u32,
}

/// The most permits of a bounded one.
const ROOM: u32 = 4;
const LONG: Duration = Duration::from_secs(60);

macro_rules! permits {
    ($make:expr) => {
        Permits {
            make: $make,
            acquaint: |_| (),
            acquire: |permits, verb| match verb {
                Verb::Block => {
                    permits.acquire();
                    true
                }
                Verb::Try => permits.try_acquire(),
                Verb::Timeout => permits.acquire_timeout(LONG),
            },
            release: |permits| permits.release().unwrap(),
            value: |permits| permits.value(),
        }
    };
}

const PLAIN: Permits<Semaphore> = permits!(|| Semaphore::new(0).unwrap());
const BOUNDED: Permits<BoundedSemaphore> = permits!(|| {
    let permits = BoundedSemaphore::new(ROOM).unwrap();
    (0..ROOM).for_each(|_| permits.acquire());
    permits
});

/// Two permits at once, each time: half of them is a fault.
macro_rules! pairs {
    ($make:expr) => {
        Permits {
            make: $make,
            acquaint: |_| (),
            acquire: |permits, verb| match verb {
                Verb::Block => permits.acquire_many(2).is_ok(),
                Verb::Try => permits.try_acquire_many(2),
                Verb::Timeout => permits.acquire_many_timeout(2, LONG),
            },
            release: |permits| permits.release_many(2).unwrap(),
            value: |permits| {
                let value = permits.value();
                demand!(
                    value.is_multiple_of(2),
                    Corrupt,
                    "{value} permits, two of which belong together"
                );
                value / 2
            },
        }
    };
}

const PAIRS: Permits<Semaphore> = pairs!(|| Semaphore::new(0).unwrap());
const BOUNDED_PAIRS: Permits<BoundedSemaphore> = pairs!(|| {
    let permits = BoundedSemaphore::new(2 * ROOM).unwrap();
    permits.acquire_many(2 * ROOM).unwrap();
    permits
});

/// They are taken by twos and released one by one, so one may be left over.
const SINGLES: Permits<Semaphore> = Permits {
    release: |permits| (0..2).for_each(|_| permits.release().unwrap()),
    value: |permits| permits.value() / 2,
    ..PAIRS
};

pub(crate) const ROWS: &[Row] = &[
    row("Semaphore::acquire", "free", |plan| free(&PLAIN, Verb::Block, plan)),
    row("Semaphore::try_acquire", "free", |plan| free(&PLAIN, Verb::Try, plan)),
    row("Semaphore::acquire_timeout", "free", |plan| free(&PLAIN, Verb::Timeout, plan)),
    row("Semaphore::acquire", "last permit, barger", |plan| last(&PLAIN, plan)),
    row("Semaphore::acquire", "woken, another asleep", |plan| {
        woken(&PLAIN, Verb::Block, false, plan)
    }),
    row("Semaphore::acquire", "woken, another asleep, barger", |plan| {
        woken(&PLAIN, Verb::Block, true, plan)
    }),
    row("Semaphore::acquire_timeout", "woken, another asleep, barger", |plan| {
        woken(&PLAIN, Verb::Timeout, true, plan)
    }),
    row("Semaphore::release", "sleeper", |plan| release(&PLAIN, 1, false, plan)),
    row("Semaphore::release", "sleeper, barger", |plan| release(&PLAIN, 1, true, plan)),
    row("Semaphore::release", "two sleepers, barger", |plan| release(&PLAIN, 2, true, plan)),
    row("Semaphore::release", "next releaser killed too, two sleepers", |plan| {
        release_twice(&PLAIN, plan)
    }),
    row("Semaphore::acquire_many", "two free", |plan| free(&PAIRS, Verb::Block, plan)),
    row("Semaphore::try_acquire_many", "two free", |plan| free(&PAIRS, Verb::Try, plan)),
    row("Semaphore::acquire_many_timeout", "two free", |plan| free(&PAIRS, Verb::Timeout, plan)),
    row("Semaphore::acquire_many", "last two, barger", |plan| last(&PAIRS, plan)),
    row("Semaphore::acquire_many", "woken, another asleep", |plan| {
        woken(&PAIRS, Verb::Block, false, plan)
    }),
    row("Semaphore::acquire_many", "woken by one, then by one more, another asleep", |plan| {
        woken(&SINGLES, Verb::Block, false, plan)
    }),
    row("Semaphore::acquire_many_timeout", "woken, another asleep, barger", |plan| {
        woken(&PAIRS, Verb::Timeout, true, plan)
    }),
    row("Semaphore::release_many", "one sleeper wants two, barger", |plan| {
        release(&PAIRS, 1, true, plan)
    }),
    row("Semaphore::release_many", "two sleepers want two each, barger", |plan| {
        release(&PAIRS, 2, true, plan)
    }),
    row("Semaphore::release", "twice, sleeper wants two, barger", |plan| {
        release(&SINGLES, 1, true, plan)
    }),
    row("Semaphore::release_many", "next releaser killed too, two sleepers", |plan| {
        release_twice(&PAIRS, plan)
    }),
    row("BoundedSemaphore::acquire", "free", |plan| free(&BOUNDED, Verb::Block, plan)),
    row("BoundedSemaphore::try_acquire", "free", |plan| free(&BOUNDED, Verb::Try, plan)),
    row("BoundedSemaphore::acquire_timeout", "free", |plan| free(&BOUNDED, Verb::Timeout, plan)),
    row("BoundedSemaphore::acquire", "woken, another asleep, barger", |plan| {
        woken(&BOUNDED, Verb::Block, true, plan)
    }),
    row("BoundedSemaphore::acquire_timeout", "woken, another asleep, barger", |plan| {
        woken(&BOUNDED, Verb::Timeout, true, plan)
    }),
    row("BoundedSemaphore::release", "sleeper", |plan| release(&BOUNDED, 1, false, plan)),
    row("BoundedSemaphore::release", "two sleepers, barger", |plan| {
        release(&BOUNDED, 2, true, plan)
    }),
    row("BoundedSemaphore::release", "next releaser killed too, two sleepers", |plan| {
        release_twice(&BOUNDED, plan)
    }),
    row("BoundedSemaphore::acquire_many", "two free", |plan| {
        free(&BOUNDED_PAIRS, Verb::Block, plan)
    }),
    row("BoundedSemaphore::try_acquire_many", "two free", |plan| {
        free(&BOUNDED_PAIRS, Verb::Try, plan)
    }),
    row("BoundedSemaphore::acquire_many_timeout", "two free", |plan| {
        free(&BOUNDED_PAIRS, Verb::Timeout, plan)
    }),
    row("BoundedSemaphore::acquire_many", "woken, another asleep, barger", |plan| {
        woken(&BOUNDED_PAIRS, Verb::Block, true, plan)
    }),
    row("BoundedSemaphore::acquire_many_timeout", "woken, another asleep, barger", |plan| {
        woken(&BOUNDED_PAIRS, Verb::Timeout, true, plan)
    }),
    row("BoundedSemaphore::release_many", "two sleepers want two each, barger", |plan| {
        release(&BOUNDED_PAIRS, 2, true, plan)
    }),
];

pub(crate) struct Scene<P> {
    permits: P,
    stage: Stage,
}

impl<P> Permits<P> {
    /// With no permits, and a few processes that sleep for one.
    fn scene(&self, sleepers: usize) -> Scene<P> {
        let scene = Scene { permits: (self.make)(), stage: Stage::new() };
        self.warm_up(&scene);
        (0..sleepers).for_each(|_| scene.stage.start_sleeper(|| self.take_one(&scene)));
        scene
    }

    /// What is done for the first time is done. Leaves no permit, as it found it.
    fn warm_up(&self, scene: &Scene<P>) {
        for verb in [Verb::Timeout, Verb::Try, Verb::Block] {
            (self.release)(&scene.permits);
            (self.acquire)(&scene.permits, verb);
        }
    }

    /// All that comes before the first kill point.
    fn begin(&self, scene: &Scene<P>, warm: &Scene<P>) {
        self.warm_up(warm);
        (self.acquaint)(&scene.permits);
        scene.stage.wait_until_asleep();
        explore_from_here();
    }

    fn take_one(&self, scene: &Scene<P>) {
        demand!((self.acquire)(&scene.permits, Verb::Block), Corrupt, "no permit");
    }

    fn release(&self, scene: &Scene<P>) {
        (self.release)(&scene.permits);
    }

    /// Takes the permit away just before the kill, if there is one, and puts it back at the end.
    fn start_barger(&self, scene: &Scene<P>) {
        scene.stage.start_barger(|tried| {
            let got = (self.acquire)(&scene.permits, Verb::Try);
            tried(got);
            if got {
                self.release(scene);
            }
        });
    }

    /// After the kill: who waits gets the permits that are there; for the rest permits are released,
    /// one at a time. Returns how many.
    fn all_go_on(&self, scene: &Scene<P>, plan: &Plan) -> u32 {
        scene.stage.give(Cue::GoOn);
        let mut released = 0;
        while scene.stage.goes_on(plan.patience, || (self.value)(&scene.permits) > 0) {
            self.release(scene);
            released += 1;
        }
        scene.stage.newcomer(plan.patience, || {
            self.release(scene);
            self.take_one(scene);
        });
        released
    }
}

/// The victim takes a permit that is there and puts it back.
pub(crate) fn free<P>(permits: &Permits<P>, verb: Verb, plan: &Plan) -> Seen {
    let setup = || {
        let scene = permits.scene(0);
        permits.release(&scene);
        scene
    };
    let warm = permits.scene(0);
    let victim = |scene: &Scene<P>| {
        permits.begin(scene, &warm);
        demand!((permits.acquire)(&scene.permits, verb), Corrupt, "no permit");
        permits.release(scene);
    };
    let check = |scene: Scene<P>, point: KillPoint| {
        let left = (permits.value)(&scene.permits);
        demand!(left <= 1, Twice, "{left} permits of one");
        demand!(left == 1 || !point.finished, Lost, "a permit that was put back");
        permits.all_go_on(&scene, plan);
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}

/// The victim goes for the last permit, and so does another one, just before the kill.
pub(crate) fn last<P>(permits: &Permits<P>, plan: &Plan) -> Seen {
    let setup = || {
        let scene = permits.scene(0);
        permits.release(&scene);
        scene
    };
    let mut limits = plan.limits();
    limits.before_kill = Some(Box::new(|scene: &Scene<P>, _| permits.start_barger(scene)));
    let warm = permits.scene(0);
    let victim = |scene: &Scene<P>| {
        permits.begin(scene, &warm);
        permits.take_one(scene);
    };
    let check = |scene: Scene<P>, _| {
        let left = (permits.value)(&scene.permits);
        demand!(left == 0, Twice, "{left} permits of one, and the barger took what was there");
        permits.all_go_on(&scene, plan);
    };
    kill_at_every_instruction(limits, setup, victim, check).into()
}

/// The victim releases a permit while others sleep for one. A barger takes it, if it is there by then, just
/// before the kill.
pub(crate) fn release<P>(permits: &Permits<P>, sleepers: usize, barger: bool, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene<P>, _| permits.start_barger(scene)));
    }
    let warm = permits.scene(0);
    let victim = |scene: &Scene<P>| {
        permits.begin(scene, &warm);
        permits.release(scene);
    };
    let check = |scene: Scene<P>, point: KillPoint| {
        let released = permits.all_go_on(&scene, plan);
        let left = (permits.value)(&scene.permits);
        // The victim's own permit: there was one or there was none.
        let given = released + 1 - u32::try_from(sleepers).unwrap();
        demand!(left <= given, Twice, "{left} permits left of {given}");
        demand!(left + 1 >= given, Lost, "{left} permits left of {given}");
        demand!(left == given || !point.finished, Lost, "a permit that was released");
    };
    kill_at_every_instruction(limits, || permits.scene(sleepers), victim, check).into()
}

/// The victim sleeps for a permit before another one does; two are released. A barger takes one, if there
/// is one by then, just before the kill.
pub(crate) fn woken<P>(permits: &Permits<P>, verb: Verb, barger: bool, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|scene: &Scene<P>| {
        scene.stage.start_sleeper(|| permits.take_one(scene));
        permits.release(scene);
        permits.release(scene);
    }));
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene<P>, _| permits.start_barger(scene)));
    }
    let warm = permits.scene(0);
    let victim = |scene: &Scene<P>| {
        permits.begin(scene, &warm);
        demand!((permits.acquire)(&scene.permits, verb), Corrupt, "no permit");
    };
    let check = |scene: Scene<P>, _| {
        permits.all_go_on(&scene, plan);
    };
    let seen: Seen = kill_at_every_instruction(limits, || permits.scene(0), victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}

/// Two who release, one after the other, are killed, while two sleep.
pub(crate) fn release_twice<P>(permits: &Permits<P>, plan: &Plan) -> Seen {
    let warm = permits.scene(0);
    let victim = |scene: &Scene<P>| {
        permits.begin(scene, &warm);
        permits.release(scene);
    };
    let check = |scene: Scene<P>, points: [KillPoint; 2]| {
        let released = permits.all_go_on(&scene, plan);
        let left = (permits.value)(&scene.permits);
        let least = points.iter().filter(|point| point.finished).count() as u32 + released;
        demand!(left + 2 >= least, Lost, "{left} permits left of at least {least}");
        demand!(left <= released, Twice, "{left} permits left of {released}");
    };
    pairs::explore(plan, || permits.scene(2), victim, victim, |_| (), check)
}
