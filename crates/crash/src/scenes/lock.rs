//! Locks, and permits with owners: whoever is killed inside, at the door, or on the way out.

mod subjects;

use crate::fault::demand;
use crate::pairs;
use crate::row::{Plan, Row, Seen, row};
use crate::scenes::Verb;
use crate::stage::{Cue, Stage};
use subjects::{
    COPIED, DOWNGRADES, MUTEX, POOL, POOL_ALL, READS, REENTRANT, REPLACED, SLICE, VALUE, WRITES,
    WRITES_AMONG_READS,
};
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

/// How an exclusive lock is used.
pub(crate) struct Lock<L> {
    pub(crate) make: fn() -> L,
    /// What the victim does: locks, repairs the data if it is told to, makes half a change, does what it is
    /// given, makes the other half, and unlocks.
    pub(crate) visit: fn(&L, Verb, &dyn Fn()),
    /// The same for all others. Another way into the same lock, or no other.
    pub(crate) change: fn(&L, Verb, &dyn Fn()),
    /// Locks if the lock is free, does what it is given in any case, and unlocks.
    pub(crate) barge: fn(&L, &dyn Fn(bool)),
    /// What must be true when all are gone.
    pub(crate) is_whole: fn(&L) -> bool,
}

pub(crate) const ROWS: &[Row] = &[
    row("Mutex::lock", "free, first in its process", |plan| first(&MUTEX, plan)),
    row("Mutex::lock", "free", |plan| free(&MUTEX, Verb::Block, plan)),
    row("Mutex::try_lock", "free", |plan| free(&MUTEX, Verb::Try, plan)),
    row("Mutex::lock_timeout", "free", |plan| free(&MUTEX, Verb::Timeout, plan)),
    row("Mutex::lock", "its owner died", |plan| orphaned(&MUTEX, Verb::Block, plan)),
    row("Mutex::try_lock", "its owner died", |plan| orphaned(&MUTEX, Verb::Try, plan)),
    row("Mutex::lock", "woken, another asleep", |plan| woken(&MUTEX, Verb::Block, false, plan)),
    row("Mutex::lock", "woken, another asleep, barger", |plan| {
        woken(&MUTEX, Verb::Block, true, plan)
    }),
    row("Mutex::lock_timeout", "woken, another asleep, barger", |plan| {
        woken(&MUTEX, Verb::Timeout, true, plan)
    }),
    row("MutexGuard::drop", "sleeper", |plan| unlock(&MUTEX, 1, false, plan)),
    row("MutexGuard::drop", "sleeper, barger", |plan| unlock(&MUTEX, 1, true, plan)),
    row("MutexGuard::drop", "two sleepers, barger", |plan| unlock(&MUTEX, 2, true, plan)),
    row("Mutex::lock", "recoverer killed too", |plan| recoverer(&MUTEX, false, plan)),
    row("Mutex::lock", "recoverer killed too, sleeper", |plan| recoverer(&MUTEX, true, plan)),
    row("ReentrantMutex::lock", "free, twice", |plan| free(&REENTRANT, Verb::Block, plan)),
    row("ReentrantMutex::try_lock", "free, twice", |plan| free(&REENTRANT, Verb::Try, plan)),
    row("ReentrantMutex::lock_timeout", "free, twice", |plan| {
        free(&REENTRANT, Verb::Timeout, plan)
    }),
    row("ReentrantMutex::lock", "its owner died", |plan| orphaned(&REENTRANT, Verb::Block, plan)),
    row("ReentrantMutex::lock", "woken, another asleep, barger", |plan| {
        woken(&REENTRANT, Verb::Block, true, plan)
    }),
    row("ReentrantMutex::lock_timeout", "woken, another asleep, barger", |plan| {
        woken(&REENTRANT, Verb::Timeout, true, plan)
    }),
    row("ReentrantMutexGuard::drop", "sleeper, barger", |plan| unlock(&REENTRANT, 1, true, plan)),
    row("RwLock::write", "free, first in its process", |plan| first(&WRITES, plan)),
    row("RwLock::write", "free", |plan| free(&WRITES, Verb::Block, plan)),
    row("RwLock::try_write", "free", |plan| free(&WRITES, Verb::Try, plan)),
    row("RwLock::write_timeout", "free", |plan| free(&WRITES, Verb::Timeout, plan)),
    row("RwLock::write", "the last writer died", |plan| orphaned(&WRITES, Verb::Block, plan)),
    row("RwLock::write", "writer inside, woken, another asleep", |plan| {
        woken(&WRITES, Verb::Block, false, plan)
    }),
    row("RwLock::write", "reader inside, woken, another asleep", |plan| {
        woken(&WRITES_AMONG_READS, Verb::Block, false, plan)
    }),
    row("RwLock::write_timeout", "writer inside, woken, another asleep, barger", |plan| {
        woken(&WRITES, Verb::Timeout, true, plan)
    }),
    row("RwLockWriteGuard::drop", "writer asleep, barger", |plan| unlock(&WRITES, 1, true, plan)),
    row("RwLockWriteGuard::drop", "two readers asleep, barger", |plan| {
        unlock(&WRITES_AMONG_READS, 2, true, plan)
    }),
    row("RwLock::write", "recoverer killed too, reader asleep", |plan| {
        recoverer(&WRITES_AMONG_READS, true, plan)
    }),
    row("RwLockWriteGuard::downgrade, drop", "free", |plan| free(&DOWNGRADES, Verb::Block, plan)),
    row("RwLockWriteGuard::downgrade, drop", "two readers asleep, barger", |plan| {
        unlock(&DOWNGRADES, 2, true, plan)
    }),
    row("RwLockWriteGuard::downgrade, drop", "next one killed too, reader asleep", |plan| {
        recoverer(&DOWNGRADES, true, plan)
    }),
    row("RwLock::read", "free, first in its process", |plan| first(&READS, plan)),
    row("RwLock::read", "free", |plan| free(&READS, Verb::Block, plan)),
    row("RwLock::try_read", "free", |plan| free(&READS, Verb::Try, plan)),
    row("RwLock::read_timeout", "free", |plan| free(&READS, Verb::Timeout, plan)),
    row("RwLock::read", "the last writer died", |plan| orphaned(&READS, Verb::Block, plan)),
    row("RwLock::read", "writer inside, woken, writer asleep", |plan| {
        woken(&READS, Verb::Block, false, plan)
    }),
    row("RwLock::read_timeout", "writer inside, woken, writer asleep, barger", |plan| {
        woken(&READS, Verb::Timeout, true, plan)
    }),
    row("RwLockReadGuard::drop", "writer asleep, barger", |plan| unlock(&READS, 1, true, plan)),
    row("RwLockReadGuard::drop", "two writers asleep", |plan| unlock(&READS, 2, false, plan)),
    row("RwLock::read", "writer killed too", |plan| recoverer(&READS, true, plan)),
    row("PermitPool::acquire", "free, first in its process", |plan| first(&POOL, plan)),
    row("PermitPool::acquire", "last permit", |plan| free(&POOL, Verb::Block, plan)),
    row("PermitPool::try_acquire", "last permit", |plan| free(&POOL, Verb::Try, plan)),
    row("PermitPool::acquire_timeout", "last permit", |plan| free(&POOL, Verb::Timeout, plan)),
    row("PermitPool::acquire", "its owner died", |plan| orphaned(&POOL, Verb::Block, plan)),
    row("PermitPool::try_acquire", "its owner died", |plan| orphaned(&POOL, Verb::Try, plan)),
    row("PermitPool::acquire", "woken, another asleep", |plan| {
        woken(&POOL, Verb::Block, false, plan)
    }),
    row("PermitPool::acquire", "woken, another asleep, barger", |plan| {
        woken(&POOL, Verb::Block, true, plan)
    }),
    row("PermitPool::acquire_timeout", "woken, another asleep, barger", |plan| {
        woken(&POOL, Verb::Timeout, true, plan)
    }),
    row("PermitPool::acquire_many", "all free", |plan| free(&POOL_ALL, Verb::Block, plan)),
    row("PermitPool::try_acquire_many", "all free", |plan| free(&POOL_ALL, Verb::Try, plan)),
    row("PermitPool::acquire_many_timeout", "all free", |plan| {
        free(&POOL_ALL, Verb::Timeout, plan)
    }),
    row("PermitPool::acquire_many", "woken, another asleep, barger", |plan| {
        woken(&POOL_ALL, Verb::Block, true, plan)
    }),
    row("PermitPool::acquire_many_timeout", "woken, another asleep, barger", |plan| {
        woken(&POOL_ALL, Verb::Timeout, true, plan)
    }),
    row("Permit::drop", "sleeper", |plan| unlock(&POOL, 1, false, plan)),
    row("Permit::drop", "sleeper, barger", |plan| unlock(&POOL, 1, true, plan)),
    row("Permit::drop", "two sleepers, barger", |plan| unlock(&POOL, 2, true, plan)),
    row("Permits::drop", "two sleepers, barger", |plan| unlock(&POOL_ALL, 2, true, plan)),
    row("PermitPool::acquire", "next owner killed too, sleeper", |plan| {
        recoverer(&POOL, true, plan)
    }),
    row("Shared::update", "free, first in its process", |plan| first(&VALUE, plan)),
    row("Shared::update", "free", |plan| free(&VALUE, Verb::Block, plan)),
    row("Shared::try_update", "free", |plan| free(&VALUE, Verb::Try, plan)),
    row("Shared::update_timeout", "free", |plan| free(&VALUE, Verb::Timeout, plan)),
    row("Shared::update_timeout", "woken, another asleep, barger", |plan| {
        woken(&VALUE, Verb::Timeout, true, plan)
    }),
    row("Shared::replace, set", "free", |plan| free(&REPLACED, Verb::Block, plan)),
    row("Shared::replace, set", "another asleep", |plan| {
        woken(&REPLACED, Verb::Block, false, plan)
    }),
    row("Shared::update", "its owner died", |plan| orphaned(&VALUE, Verb::Block, plan)),
    row("Shared::update", "woken, another asleep, barger", |plan| {
        woken(&VALUE, Verb::Block, true, plan)
    }),
    row("Shared::update", "two sleepers, barger", |plan| unlock(&VALUE, 2, true, plan)),
    row("Shared::update", "next owner killed too, sleeper", |plan| recoverer(&VALUE, true, plan)),
    row("SharedSlice::lock", "free", |plan| free(&SLICE, Verb::Block, plan)),
    row("SharedSlice::try_lock", "free", |plan| free(&SLICE, Verb::Try, plan)),
    row("SharedSlice::lock_timeout", "free", |plan| free(&SLICE, Verb::Timeout, plan)),
    row("SharedSlice::copy_from", "free", |plan| free(&COPIED, Verb::Block, plan)),
    row("SharedSlice::try_lock", "its owner died", |plan| orphaned(&SLICE, Verb::Try, plan)),
    row("SharedSlice::lock_timeout", "woken, another asleep, barger", |plan| {
        woken(&SLICE, Verb::Timeout, true, plan)
    }),
    row("SharedSlice guard, drop", "sleeper, barger", |plan| unlock(&SLICE, 1, true, plan)),
    row("SharedSlice::lock", "recoverer killed too, sleeper", |plan| recoverer(&SLICE, true, plan)),
];

/// Both halves are equal, except in the middle of a change.
pub(crate) fn change_halves(
    mut both: impl std::ops::DerefMut<Target = [u64; 2]>,
    midway: &dyn Fn(),
) {
    demand!(both[0] == both[1], Corrupt, "two are inside, or a death was not told");
    both[0] += 1;
    midway();
    both[1] += 1;
}

pub(crate) struct Scene<L> {
    lock: L,
    stage: Stage,
}

impl<L> Lock<L> {
    fn scene(&self) -> Scene<L> {
        let scene = Scene { lock: (self.make)(), stage: Stage::new() };
        self.change(&scene);
        scene
    }

    fn change(&self, scene: &Scene<L>) {
        (self.change)(&scene.lock, Verb::Block, &|| ());
    }

    /// What a process does for the first time is done, on this lock, which is free.
    fn warm_up(&self, scene: &Scene<L>) {
        for verb in [Verb::Timeout, Verb::Try, Verb::Block] {
            (self.visit)(&scene.lock, verb, &|| ());
        }
        self.change(scene);
        explore_from_here();
    }

    fn start_barger(&self, scene: &Scene<L>) {
        scene.stage.start_barger(|tried| (self.barge)(&scene.lock, tried));
    }

    /// After the kill: all who wait get the lock, and so does a newcomer.
    fn all_go_on(&self, scene: &Scene<L>, plan: &Plan) {
        scene.stage.give(Cue::GoOn);
        scene.stage.all_end(plan.patience);
        scene.stage.newcomer(plan.patience, || self.change(scene));
        scene.stage.newcomer(plan.patience, || (self.visit)(&scene.lock, Verb::Block, &|| ()));
        demand!((self.is_whole)(&scene.lock), Lost, "something does not come back");
    }
}

/// The first lock that a process takes: it announces itself to the kernel, too.
pub(crate) fn first<L>(lock: &Lock<L>, plan: &Plan) -> Seen {
    let victim = |scene: &Scene<L>| {
        explore_from_here();
        (lock.visit)(&scene.lock, Verb::Block, &|| ());
    };
    let check = |scene: Scene<L>, _| lock.all_go_on(&scene, plan);
    kill_at_every_instruction(plan.limits(), || lock.scene(), victim, check).into()
}

/// The victim locks and unlocks, and nobody else is there.
pub(crate) fn free<L>(lock: &Lock<L>, verb: Verb, plan: &Plan) -> Seen {
    let victim = |scene: &Scene<L>| {
        lock.warm_up(scene);
        (lock.visit)(&scene.lock, verb, &|| ());
    };
    let check = |scene: Scene<L>, _| lock.all_go_on(&scene, plan);
    kill_at_every_instruction(plan.limits(), || lock.scene(), victim, check).into()
}

/// The one who had it before was killed in the middle of a change.
pub(crate) fn orphaned<L>(lock: &Lock<L>, verb: Verb, plan: &Plan) -> Seen {
    let victim = |scene: &Scene<L>| {
        (lock.visit)(&scene.lock, Verb::Block, &|| ());
        let holder = testkit::fork(|| {
            (lock.change)(&scene.lock, Verb::Block, &|| {
                nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL).unwrap();
            });
        });
        holder.wait();
        explore_from_here();
        (lock.visit)(&scene.lock, verb, &|| ());
    };
    let check = |scene: Scene<L>, _| lock.all_go_on(&scene, plan);
    kill_at_every_instruction(plan.limits(), || lock.scene(), victim, check).into()
}

/// The victim has the lock, `sleepers` others sleep on it, and it unlocks. A barger takes the lock,
/// if it is free by then, just before the kill.
pub(crate) fn unlock<L>(lock: &Lock<L>, sleepers: usize, barger: bool, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    if barger {
        limits.before_kill = Some(Box::new(|scene, _: &KillPoint| lock.start_barger(scene)));
    }
    let setup = || {
        let scene = lock.scene();
        for _ in 0..sleepers {
            scene.stage.start(|| {
                scene.stage.wait_for(Cue::VictimIsThere);
                lock.change(&scene);
            });
        }
        scene
    };
    let victim = |scene: &Scene<L>| {
        (lock.visit)(&scene.lock, Verb::Block, &|| {
            scene.stage.give(Cue::VictimIsThere);
            scene.stage.wait_until_asleep();
            explore_from_here();
        });
    };
    let check = |scene: Scene<L>, _| lock.all_go_on(&scene, plan);
    kill_at_every_instruction(limits, setup, victim, check).into()
}

/// The victim sleeps on the lock before another one does, and is woken. A barger takes the lock, if it is
/// free by then, just before the kill.
pub(crate) fn woken<L>(lock: &Lock<L>, verb: Verb, barger: bool, plan: &Plan) -> Seen {
    let mut limits = plan.limits();
    limits.on_sleep = Some(Box::new(|scene: &Scene<L>| {
        scene.stage.start_sleeper(|| lock.change(scene));
        // The holder unlocks, which wakes the victim.
        scene.stage.give(Cue::VictimIsThere);
    }));
    if barger {
        limits.before_kill = Some(Box::new(|scene, _: &KillPoint| lock.start_barger(scene)));
    }
    let setup = || {
        let scene = lock.scene();
        scene.stage.start(|| {
            (lock.change)(&scene.lock, Verb::Block, &|| {
                scene.stage.give(Cue::Mattered);
                scene.stage.wait_for(Cue::VictimIsThere);
            });
        });
        scene.stage.wait_for(Cue::Mattered);
        scene
    };
    // Another lock, since this one is held.
    let warm = lock.scene();
    let victim = |scene: &Scene<L>| {
        lock.warm_up(&warm);
        (lock.visit)(&scene.lock, verb, &|| ());
    };
    let check = |scene: Scene<L>, _| {
        scene.stage.give(Cue::VictimIsThere);
        lock.all_go_on(&scene, plan);
    };
    let seen: Seen = kill_at_every_instruction(limits, setup, victim, check).into();
    demand!(seen.asleep > 0, Incomplete, "the victim never slept");
    seen
}

/// The victim dies anywhere between lock and unlock, and so does the one who comes next.
pub(crate) fn recoverer<L>(lock: &Lock<L>, sleeper: bool, plan: &Plan) -> Seen {
    let victim = |scene: &Scene<L>| {
        lock.warm_up(scene);
        (lock.visit)(&scene.lock, Verb::Block, &|| ());
    };
    let start_sleeper = |scene: &Scene<L>| {
        if sleeper {
            scene.stage.start(|| lock.change(scene));
        }
    };
    let warm = lock.scene();
    let recoverer = |scene: &Scene<L>| {
        lock.warm_up(&warm);
        lock.change(scene);
    };
    let check = |scene: Scene<L>, _| lock.all_go_on(&scene, plan);
    pairs::explore(plan, || lock.scene(), victim, recoverer, start_sleeper, check)
}
