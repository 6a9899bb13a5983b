//! Events, condition variables, values that are set once: those who wait are woken, whoever is killed.

use super::semaphore::{self, Permits};
use crate::fault::demand;
use crate::pairs;
use crate::row::{Plan, Row, Seen, row};
use crate::scenes::Verb;
use crate::stage::{Cue, Stage};
use proc_lock::{Condvar, Event, Mutex, OnceLock};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{KillPoint, SharedPage, explore_from_here, kill_at_every_instruction};

const LONG: Duration = Duration::from_secs(60);

/// Permits made of a mutex and a condition variable. The number lies beside the mutex, so that the
/// checker can look at it without becoming part of the scene.
pub(crate) struct Store {
    mutex: Mutex<()>,
    condvar: Condvar,
    number: SharedPage,
}

const STORE: Permits<Store> = Permits {
    make: || Store {
        mutex: Mutex::new(()).unwrap(),
        condvar: Condvar::new().unwrap(),
        number: SharedPage::new(1),
    },
    acquaint: |store| store.condvar.notify_all(),
    acquire: |store, verb| {
        let number = &store.number[0];
        let mut guard = store.mutex.lock_or_recover(|()| ());
        loop {
            let is_empty = |_: &mut ()| number.load(SeqCst) == 0;
            if verb == Verb::Try && number.load(SeqCst) == 0 {
                return false;
            }
            let waited = match verb {
                Verb::Timeout => {
                    let waited = store.condvar.wait_timeout_while(guard, LONG, is_empty);
                    waited.map_err(|error| error.into_inner())
                }
                _ => store.condvar.wait_while(guard, is_empty).map_err(|error| error.into_inner()),
            };
            match waited {
                Ok(_inside) => {
                    number.fetch_sub(1, SeqCst);
                    return true;
                }
                // The number is whole at any time: there is nothing to repair.
                Err(mut told) => {
                    told.mark_consistent();
                    guard = told;
                }
            }
        }
    },
    release: |store| {
        let _inside = store.mutex.lock_or_recover(|()| ());
        store.number[0].fetch_add(1, SeqCst);
        store.condvar.notify_one();
    },
    value: |store| u32::try_from(store.number[0].load(SeqCst)).unwrap(),
};

/// All who wait are told, and all but one find nothing.
const TOLD_ALL: Permits<Store> = Permits {
    release: |store| {
        let _inside = store.mutex.lock_or_recover(|()| ());
        store.number[0].fetch_add(1, SeqCst);
        store.condvar.notify_all();
    },
    ..STORE
};

pub(crate) const ROWS: &[Row] = &[
    row("Condvar::notify_one", "nobody waits", |plan| semaphore::free(&STORE, Verb::Block, plan)),
    row("Condvar::notify_one", "sleeper", |plan| semaphore::release(&STORE, 1, false, plan)),
    row("Condvar::notify_one", "two sleepers, barger", |plan| {
        semaphore::release(&STORE, 2, true, plan)
    }),
    row("Condvar::wait_while", "woken, another asleep", |plan| {
        semaphore::woken(&STORE, Verb::Block, false, plan)
    }),
    row("Condvar::wait_while", "woken, another asleep, barger", |plan| {
        semaphore::woken(&STORE, Verb::Block, true, plan)
    }),
    row("Condvar::wait_timeout_while", "woken, another asleep, barger", |plan| {
        semaphore::woken(&STORE, Verb::Timeout, true, plan)
    }),
    row("Condvar::notify_one", "next one killed too, two sleepers", |plan| {
        semaphore::release_twice(&STORE, plan)
    }),
    row("Condvar::notify_all", "two sleepers, barger", |plan| {
        semaphore::release(&TOLD_ALL, 2, true, plan)
    }),
    row("Condvar::notify_all", "next one killed too, two sleepers", |plan| {
        semaphore::release_twice(&TOLD_ALL, plan)
    }),
    row("Event::set", "two sleepers", |plan| opens(&EVENT, false, 2, plan)),
    row("Event::set", "sleeper, another sets it", |plan| opens(&EVENT, true, 1, plan)),
    row("Event::wait", "woken, another asleep", |plan| passes(&EVENT, Verb::Block, plan)),
    row("Event::wait_timeout", "woken, another asleep", |plan| passes(&EVENT, Verb::Timeout, plan)),
    row("Event::clear", "set", cleared),
    row("OnceLock::get_or_init", "empty, two wait", |plan| opens(&ONCE, false, 2, plan)),
    row("OnceLock::get_or_init", "empty, another inits", |plan| opens(&ONCE, true, 1, plan)),
    row("OnceLock::get_or_init", "next one killed too, two wait", |plan| {
        opens_twice(&ONCE, 2, plan)
    }),
    row("OnceLock::set", "empty, two wait", |plan| opens(&ONCE_SET, false, 2, plan)),
    row("OnceLock::set", "empty, another sets it", |plan| opens(&ONCE_SET, true, 1, plan)),
    row("OnceLock::wait", "woken, another asleep", |plan| passes(&ONCE, Verb::Block, plan)),
    row("OnceLock::wait_timeout", "woken, another asleep", |plan| {
        passes(&ONCE, Verb::Timeout, plan)
    }),
];

/// Something closed that is opened once, and that others wait for.
pub(crate) struct Gate<G> {
    pub(crate) make: fn() -> G,
    pub(crate) open: fn(&G),
    pub(crate) is_open: fn(&G) -> bool,
    /// Waits until it is open.
    pub(crate) pass: fn(&G, Verb),
}

const EVENT: Gate<Event> = Gate {
    make: || Event::new().unwrap(),
    open: |event| event.set(),
    is_open: |event| event.is_set(),
    pass: |event, verb| match verb {
        Verb::Timeout => demand!(event.wait_timeout(LONG), Hangs, "an event that was set"),
        _ => event.wait(),
    },
};

const VALUE: [u64; 2] = [7, 77];

const ONCE: Gate<OnceLock<[u64; 2]>> = Gate {
    make: || OnceLock::new().unwrap(),
    open: |once| demand!(once.get_or_init(|| VALUE) == VALUE, Corrupt, "half a value"),
    is_open: |once| {
        let value = once.get();
        demand!(value.is_none_or(|value| value == VALUE), Corrupt, "half a value");
        value.is_some()
    },
    pass: |once, verb| {
        let value = match verb {
            Verb::Timeout => once.wait_timeout(LONG),
            _ => Some(once.wait()),
        };
        demand!(value == Some(VALUE), Corrupt, "half a value, or none");
    },
};

/// Filled with a value that is there, or refused.
const ONCE_SET: Gate<OnceLock<[u64; 2]>> = Gate { open: |once| _ = once.set(VALUE), ..ONCE };

struct Scene<G> {
    gate: G,
    stage: Stage,
}

impl<G> Gate<G> {
    fn scene(&self, sleepers: usize) -> Scene<G> {
        let scene = Scene { gate: (self.make)(), stage: Stage::new() };
        for _ in 0..sleepers {
            scene.stage.start_sleeper(|| (self.pass)(&scene.gate, Verb::Block));
        }
        scene
    }

    /// What is done for the first time is done, on another one.
    fn warm_up(&self) {
        let warm = (self.make)();
        (self.open)(&warm);
        (self.pass)(&warm, Verb::Timeout);
        (self.pass)(&warm, Verb::Block);
        explore_from_here();
    }

    /// Once it is open, all go through; whoever comes opens it if the victim did not.
    fn all_pass(&self, scene: &Scene<G>, plan: &Plan, finished: bool) {
        let is_open = (self.is_open)(&scene.gate);
        demand!(is_open || !finished, Lost, "what was opened is closed");
        scene.stage.give(Cue::GoOn);
        if !is_open {
            scene.stage.newcomer(plan.patience, || (self.open)(&scene.gate));
        }
        scene.stage.all_end(plan.patience);
        scene.stage.newcomer(plan.patience, || {
            demand!((self.is_open)(&scene.gate), Lost, "what was opened is closed");
            (self.open)(&scene.gate);
            (self.pass)(&scene.gate, Verb::Block);
        });
    }
}

/// The victim opens it while others wait; another opens it, too, just before the kill.
pub(crate) fn opens<G>(gate: &Gate<G>, barger: bool, sleepers: usize, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene<G>, _| {
            scene.stage.start_barger(|tried| {
                (gate.open)(&scene.gate);
                tried(false);
            });
        }));
    }
    let victim = |scene: &Scene<G>| {
        gate.warm_up();
        (gate.open)(&scene.gate);
    };
    let check = |scene: Scene<G>, point: KillPoint| gate.all_pass(&scene, plan, point.finished);
    kill_at_every_instruction(limits, || gate.scene(sleepers), victim, check).into()
}

/// Two who open it, one after the other, are killed, while others wait.
fn opens_twice<G>(gate: &Gate<G>, sleepers: usize, plan: &Plan) -> Seen {
    let victim = |scene: &Scene<G>| {
        gate.warm_up();
        (gate.open)(&scene.gate);
    };
    let check = |scene: Scene<G>, points: [KillPoint; 2]| {
        gate.all_pass(&scene, plan, points.iter().any(|point| point.finished));
    };
    pairs::explore(plan, || gate.scene(sleepers), victim, victim, |_| (), check)
}

/// The victim waits for it before another one does; then it is opened.
pub(crate) fn passes<G>(gate: &Gate<G>, verb: Verb, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|scene: &Scene<G>| {
        scene.stage.start_sleeper(|| (gate.pass)(&scene.gate, Verb::Block));
        (gate.open)(&scene.gate);
    }));
    let victim = |scene: &Scene<G>| {
        gate.warm_up();
        (gate.pass)(&scene.gate, verb);
    };
    let check = |scene: Scene<G>, _| gate.all_pass(&scene, plan, false);
    let seen: Seen = kill_at_every_instruction(limits, || gate.scene(0), victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}

/// The victim clears an event that is set.
fn cleared(plan: &Plan) -> Seen {
    let setup = || {
        let scene = EVENT.scene(0);
        scene.gate.set();
        scene
    };
    let victim = |scene: &Scene<Event>| {
        EVENT.warm_up();
        scene.gate.clear();
    };
    let check = |scene: Scene<Event>, point: KillPoint| {
        demand!(!point.finished || !scene.gate.is_set(), Lost, "what was cleared is set");
        scene.gate.clear();
        scene.stage.start_sleeper(|| scene.gate.wait());
        EVENT.all_pass(&scene, plan, false);
    };
    kill_at_every_instruction(plan.limits(), setup, victim, check).into()
}
