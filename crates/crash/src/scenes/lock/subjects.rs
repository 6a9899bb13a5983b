//! The locks, each as something that several processes change.

use super::{Lock, change_halves};
use crate::fault::demand;
use crate::scenes::Verb;
use proc_lock::{
    LockTimeoutError, Mutex, MutexGuard, ReentrantMutex, ReentrantMutexGuard, RwLock,
    RwLockReadGuard, RwLockWriteGuard, Shared, SharedSlice, TryLockError,
};
use proc_semaphore::PermitPool;
use std::cell::Cell;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

type Halves = [u64; 2];

/// Waits in one of the three ways: `None` when it did not get in, and the guard, repaired if need be.
macro_rules! enter {
    ($verb:expr, $repair:expr, $block:expr, $try:expr, $timeout:expr) => {
        match $verb {
            Verb::Block => Some($block),
            Verb::Try => match $try {
                Ok(guard) => Some(guard),
                Err(TryLockError::WouldBlock) => None,
                Err(TryLockError::OwnerDied(guard) | TryLockError::Poisoned(guard)) => {
                    Some($repair(guard))
                }
            },
            Verb::Timeout => match $timeout {
                Ok(guard) => Some(guard),
                Err(LockTimeoutError::TimedOut) => None,
                Err(LockTimeoutError::OwnerDied(guard) | LockTimeoutError::Poisoned(guard)) => {
                    Some($repair(guard))
                }
            },
        }
    };
}

fn repair(both: &mut Halves) {
    both[1] = both[0];
}

fn mutex_put_right(mut both: MutexGuard<'_, Halves>) -> MutexGuard<'_, Halves> {
    repair(&mut both);
    both.mark_consistent();
    both
}

fn change_mutex(lock: &Mutex<Halves>, verb: Verb, midway: &dyn Fn()) {
    let entered = enter!(
        verb,
        mutex_put_right,
        lock.lock_or_recover(repair),
        lock.try_lock(),
        lock.lock_timeout(LONG)
    );
    if let Some(both) = entered {
        change_halves(both, midway);
    }
}

pub(crate) const MUTEX: Lock<Mutex<Halves>> = Lock {
    make: || Mutex::new([0; 2]).unwrap(),
    visit: change_mutex,
    change: change_mutex,
    barge: |lock, inside| {
        let held = lock.try_lock();
        inside(!matches!(held, Err(TryLockError::WouldBlock)));
    },
    is_whole: |_| true,
};

fn reentrant_put_right(guard: ReentrantMutexGuard<'_, Halves>) -> ReentrantMutexGuard<'_, Halves> {
    fix(&guard);
    guard.mark_consistent();
    guard
}

fn fix(both: &Cell<Halves>) {
    both.set([both.get()[0]; 2]);
}

/// Locks twice, as only this one may, and changes the data with both guards.
fn change_reentrant(lock: &ReentrantMutex<Halves>, verb: Verb, midway: &dyn Fn()) {
    let entered = enter!(
        verb,
        reentrant_put_right,
        lock.lock_or_recover(fix),
        lock.try_lock(),
        lock.lock_timeout(LONG)
    );
    let Some(guard) = entered else { return };
    let [one, other] = guard.get();
    demand!(one == other, Corrupt, "two are inside, or a death was not told");
    guard.set([one + 1, other]);
    midway();
    let again = lock.lock().unwrap();
    again.set([one + 1, other + 1]);
    drop(again);
    drop(guard);
}

pub(crate) const REENTRANT: Lock<ReentrantMutex<Halves>> = Lock {
    make: || ReentrantMutex::new([0; 2]).unwrap(),
    visit: change_reentrant,
    change: change_reentrant,
    barge: |lock, inside| {
        let held = lock.try_lock();
        inside(!matches!(held, Err(TryLockError::WouldBlock)));
    },
    is_whole: |_| true,
};

fn writer_put_right(mut both: RwLockWriteGuard<'_, Halves>) -> RwLockWriteGuard<'_, Halves> {
    repair(&mut both);
    both.mark_consistent();
    both
}

fn write(lock: &RwLock<Halves>, verb: Verb, midway: &dyn Fn()) {
    let entered = enter!(
        verb,
        writer_put_right,
        lock.write_or_recover(repair),
        lock.try_write(),
        lock.write_timeout(LONG)
    );
    if let Some(both) = entered {
        change_halves(both, midway);
    }
}

/// Reads; when told that a writer died, goes away and writes instead.
fn read(lock: &RwLock<Halves>, verb: Verb, midway: &dyn Fn()) {
    let look = |both: RwLockReadGuard<'_, Halves>| {
        demand!(both[0] == both[1], Corrupt, "read half a change, or a death was not told");
        midway();
        demand!(both[0] == both[1], Corrupt, "a writer is inside with a reader");
    };
    let told = match verb {
        Verb::Block => lock.read().map(look).is_err(),
        Verb::Try => match lock.try_read() {
            Ok(both) => {
                look(both);
                false
            }
            Err(TryLockError::WouldBlock) => false,
            Err(_) => true,
        },
        Verb::Timeout => match lock.read_timeout(LONG) {
            Ok(both) => {
                look(both);
                false
            }
            Err(LockTimeoutError::TimedOut) => false,
            Err(_) => true,
        },
    };
    if told {
        write(lock, Verb::Block, midway);
    }
}

fn barge_to_write(lock: &RwLock<Halves>, inside: &dyn Fn(bool)) {
    let held = lock.try_write();
    inside(!matches!(held, Err(TryLockError::WouldBlock)));
}

fn barge_to_read(lock: &RwLock<Halves>, inside: &dyn Fn(bool)) {
    let held = lock.try_read();
    inside(!matches!(held, Err(TryLockError::WouldBlock)));
}

/// All write.
pub(crate) const WRITES: Lock<RwLock<Halves>> = Lock {
    make: || RwLock::new([0; 2]).unwrap(),
    visit: write,
    change: write,
    barge: barge_to_read,
    is_whole: |_| true,
};

/// The victim writes, the others read.
pub(crate) const WRITES_AMONG_READS: Lock<RwLock<Halves>> =
    Lock { change: read, barge: barge_to_write, ..WRITES };

/// The victim reads, the others write.
pub(crate) const READS: Lock<RwLock<Halves>> = Lock { visit: read, ..WRITES };

/// The victim goes on as a reader once it has written; the others read.
pub(crate) const DOWNGRADES: Lock<RwLock<Halves>> = Lock {
    visit: |lock, _, midway| {
        let mut both = lock.write_or_recover(repair);
        change_halves(&mut *both, midway);
        let both = RwLockWriteGuard::downgrade(both);
        demand!(both[0] == both[1], Corrupt, "a writer is inside with a reader");
    },
    ..WRITES_AMONG_READS
};

/// Changes the value as a whole: whoever looks, also meanwhile, sees both halves equal.
fn update(value: &Shared<Halves>, verb: Verb, midway: &dyn Fn()) {
    let change = |both: &mut Halves| {
        change_halves(both, &|| {
            demand!(is_one(value), Corrupt, "half a change is seen before it is done");
            midway();
        });
    };
    match verb {
        Verb::Block => value.update(change),
        Verb::Try => _ = value.try_update(change),
        Verb::Timeout => _ = value.update_timeout(LONG, change),
    }
}

fn is_one(value: &Shared<Halves>) -> bool {
    let [one, other] = value.get();
    one == other
}

/// Nobody is told of a death, and nobody repairs anything.
pub(crate) const VALUE: Lock<Shared<Halves>> = Lock {
    make: || Shared::new([0; 2]).unwrap(),
    visit: update,
    change: update,
    barge: |value, inside| {
        if value.try_update(|_| inside(true)).is_none() {
            inside(false);
        }
    },
    is_whole: is_one,
};

/// The victim puts another value in its place, twice.
pub(crate) const REPLACED: Lock<Shared<Halves>> = Lock {
    visit: |value, _, _| {
        let [one, other] = value.replace([7; 2]);
        demand!(one == other, Corrupt, "what was there is half a change");
        value.set([8; 2]);
    },
    ..VALUE
};

fn repair_slice(both: &mut [u64]) {
    both[1] = both[0];
}

fn slice_put_right(mut both: MutexGuard<'_, [u64]>) -> MutexGuard<'_, [u64]> {
    repair_slice(&mut both);
    both.mark_consistent();
    both
}

fn change_slice(slice: &SharedSlice<u64>, verb: Verb, midway: &dyn Fn()) {
    let entered = enter!(
        verb,
        slice_put_right,
        slice.lock_or_recover(repair_slice),
        slice.try_lock(),
        slice.lock_timeout(LONG)
    );
    if let Some(mut both) = entered {
        let both: &mut Halves = (&mut *both).try_into().unwrap();
        change_halves(both, midway);
    }
}

pub(crate) const SLICE: Lock<SharedSlice<u64>> = Lock {
    make: || SharedSlice::new(&[0; 2]).unwrap(),
    visit: change_slice,
    change: change_slice,
    barge: |slice, inside| {
        let held = slice.try_lock();
        inside(!matches!(held, Err(TryLockError::WouldBlock)));
    },
    is_whole: |slice| slice.get(0) == slice.get(1),
};

/// The victim writes over it without being told anything.
pub(crate) const COPIED: Lock<SharedSlice<u64>> =
    Lock { visit: |slice, _, _| slice.copy_from(0, &[7; 2]), ..SLICE };

fn hold_permit(pool: &PermitPool, verb: Verb, midway: &dyn Fn()) {
    let permit = match verb {
        Verb::Block => Some(pool.acquire().unwrap()),
        Verb::Try => pool.try_acquire().unwrap(),
        Verb::Timeout => pool.acquire_timeout(LONG).unwrap(),
    };
    if let Some(permit) = permit {
        midway();
        drop(permit);
    }
}

fn barge_for_permit(pool: &PermitPool, inside: &dyn Fn(bool)) {
    let permit = pool.try_acquire().unwrap();
    inside(permit.is_some());
}

fn all_are_there(pool: &PermitPool) -> bool {
    let all = pool.capacity();
    pool.available() == all && pool.try_acquire_many(all).unwrap().is_some()
}

/// One permit, for which all contend.
pub(crate) const POOL: Lock<PermitPool> = Lock {
    make: || PermitPool::new(1).unwrap(),
    visit: hold_permit,
    change: hold_permit,
    barge: barge_for_permit,
    is_whole: all_are_there,
};

/// Three permits: the victim takes all of them, the others one each.
pub(crate) const POOL_ALL: Lock<PermitPool> = Lock {
    make: || PermitPool::new(3).unwrap(),
    visit: |pool, verb, midway| {
        let permits = match verb {
            Verb::Block => Some(pool.acquire_many(3).unwrap()),
            Verb::Try => pool.try_acquire_many(3).unwrap(),
            Verb::Timeout => pool.acquire_many_timeout(3, LONG).unwrap(),
        };
        if let Some(permits) = permits {
            midway();
            drop(permits);
        }
    },
    ..POOL
};
