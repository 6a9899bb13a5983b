//! Things at a path: whoever is killed as he makes one, there is a whole one or none, and whoever comes finds
//! it or makes it.

use crate::fault::demand;
use crate::row::{Plan, Row, Seen, row};
use crate::stage::Stage;
use proc_lock::{
    Barrier, Condvar, Event, Mutex, OnceLock, ReentrantMutex, RwLock, Shared, SharedSlice,
};
use proc_semaphore::{BoundedSemaphore, PermitPool, Semaphore};
use shm_queue::{
    BlockReceiver, BlockSender, Blocks, ByteLeaseReceiver, ByteReceiver, ByteSender, LeaseReceiver,
    Receiver, Sender, ValueLeaseReceiver, ValueReceiver, ValueSender,
};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;
use testkit::{KillPoint, explore_from_here, kill_at_every_instruction};

/// Something that can lie at a path.
struct Thing<T> {
    /// `None` if there is something already.
    create: fn(&Path) -> Option<T>,
    open: fn(&Path) -> Option<T>,
    open_or_create: fn(&Path) -> T,
    /// Says whether it is as it was made, and leaves it so.
    is_whole: fn(&T) -> bool,
}

macro_rules! thing {
    ($type:ty, ($($argument:expr),*), $is_whole:expr) => {
        Thing {
            create: |path| <$type>::create(path, $($argument),*).ok(),
            open: |path| <$type>::open(path).ok(),
            open_or_create: |path| <$type>::open_or_create(path, $($argument),*).unwrap(),
            is_whole: $is_whole,
        }
    };
}

const VALUE: [u64; 2] = [7, 77];

const MUTEX: Thing<Mutex<[u64; 2]>> =
    thing!(Mutex<[u64; 2]>, (VALUE), |mutex| mutex.lock().is_ok_and(|value| *value == VALUE));
const REENTRANT: Thing<ReentrantMutex<[u64; 2]>> =
    thing!(ReentrantMutex<[u64; 2]>, (VALUE), |mutex| mutex
        .lock()
        .is_ok_and(|it| it.get() == VALUE));
const RW_LOCK: Thing<RwLock<[u64; 2]>> = thing!(RwLock<[u64; 2]>, (VALUE), |lock| {
    lock.read().is_ok_and(|value| *value == VALUE) && lock.try_write().is_ok()
});
/// Nobody waits, so nobody is told.
const CONDVAR: Thing<Condvar> = thing!(Condvar, (), |condvar| {
    condvar.notify_all();
    let mutex = Mutex::new(()).unwrap();
    let guard = mutex.lock().unwrap();
    condvar.wait_timeout_while(guard, Duration::ZERO, |()| true).is_err()
});
const EVENT: Thing<Event> =
    thing!(Event, (), |event| !event.is_set() && !event.wait_timeout(Duration::ZERO));
const ONCE: Thing<OnceLock<[u64; 2]>> = thing!(OnceLock<[u64; 2]>, (), |once| once.get().is_none());
const SLICE: Thing<SharedSlice<u64>> =
    thing!(SharedSlice<u64>, (&VALUE), |slice| slice.to_vec() == VALUE);
const SHARED: Thing<Shared<[u64; 2]>> =
    thing!(Shared<[u64; 2]>, (VALUE), |shared| shared.get() == VALUE);
const SEMAPHORE: Thing<Semaphore> = thing!(Semaphore, (2), |semaphore| {
    let both = semaphore.try_acquire() && semaphore.try_acquire() && !semaphore.try_acquire();
    semaphore.release_many(2).unwrap();
    both
});
const BOUNDED: Thing<BoundedSemaphore> = thing!(BoundedSemaphore, (2), |semaphore| {
    semaphore.release().is_err() && semaphore.try_acquire_many(2) && {
        let is_empty = !semaphore.try_acquire();
        semaphore.release_many(2).is_ok() && is_empty
    }
});
const POOL: Thing<PermitPool> = thing!(PermitPool, (2), |pool| {
    pool.try_acquire_many(2).unwrap().is_some() && pool.available() == 2
});
const BARRIER: Thing<Barrier> =
    thing!(Barrier, (1), |barrier| barrier.wait().is_ok_and(|result| result.is_leader()));
const QUEUE: Thing<Sender<u64>> =
    thing!(Sender<u64>, (3), |sender| sender.capacity() == 3 && sender.is_empty());
const RECEIVER: Thing<Receiver<u64>> =
    thing!(Receiver<u64>, (3), |receiver| receiver.capacity() == 3 && receiver.is_empty());
const BYTES: Thing<ByteSender> =
    thing!(ByteSender, (3, 200), |sender| sender.capacity() == 3 && sender.is_empty());
const BYTE_RECEIVER: Thing<ByteReceiver> = thing!(ByteReceiver, (3, 200), |receiver| {
    receiver.capacity() == 3 && receiver.try_recv().is_err()
});
const VALUES: Thing<ValueSender<u64>> =
    thing!(ValueSender<u64>, (3, 200), |sender| sender.capacity() == 3 && sender.is_empty());
const VALUE_RECEIVER: Thing<ValueReceiver<u64>> =
    thing!(ValueReceiver<u64>, (3, 200), |receiver| {
        receiver.capacity() == 3 && receiver.try_recv().is_err()
    });
const BLOCK_RECEIVER: Thing<BlockReceiver> =
    thing!(BlockReceiver, (3, Blocks::new(2, 64)), |receiver| {
        receiver.capacity() == 3 && receiver.try_recv().is_err()
    });
const BLOCKS: Thing<BlockSender> = thing!(BlockSender, (3, Blocks::new(2, 64)), |sender| {
    [(); 2].map(|()| sender.try_reserve(64)).iter().all(Result::is_ok)
});
const LEASES: Thing<LeaseReceiver<u64>> =
    thing!(LeaseReceiver<u64>, (3, 2), |receiver| receiver.capacity() == 3 && receiver.is_empty());
const BYTE_LEASES: Thing<ByteLeaseReceiver> = thing!(ByteLeaseReceiver, (3, 200, 2), |receiver| {
    receiver.capacity() == 3 && receiver.try_lease().is_err()
});
const VALUE_LEASES: Thing<ValueLeaseReceiver<u64>> =
    thing!(ValueLeaseReceiver<u64>, (3, 200, 2), |receiver| {
        receiver.capacity() == 3 && receiver.try_lease().is_err()
    });

/// The victim makes the thing, and so does another.
macro_rules! both_make {
    ($name:literal, $thing:expr) => {
        row(concat!($name, "::open_or_create"), "another does it, too", |plan| {
            makes(&$thing, false, true, plan)
        })
    };
}

pub(crate) const ROWS: &[Row] = &[
    row("Mutex::create", "nothing there", |plan| makes(&MUTEX, true, false, plan)),
    row("Mutex::open_or_create", "nothing there", |plan| makes(&MUTEX, false, false, plan)),
    row("Mutex::open_or_create", "another does it, too", |plan| makes(&MUTEX, false, true, plan)),
    both_make!("ReentrantMutex", REENTRANT),
    both_make!("RwLock", RW_LOCK),
    both_make!("Condvar", CONDVAR),
    both_make!("Event", EVENT),
    both_make!("OnceLock", ONCE),
    both_make!("Shared", SHARED),
    both_make!("SharedSlice", SLICE),
    both_make!("Semaphore", SEMAPHORE),
    both_make!("BoundedSemaphore", BOUNDED),
    both_make!("PermitPool", POOL),
    both_make!("Barrier", BARRIER),
    row("Sender::create", "nothing there", |plan| makes(&QUEUE, true, false, plan)),
    both_make!("Sender", QUEUE),
    both_make!("Receiver", RECEIVER),
    both_make!("ByteSender", BYTES),
    both_make!("ByteReceiver", BYTE_RECEIVER),
    both_make!("ValueSender", VALUES),
    both_make!("ValueReceiver", VALUE_RECEIVER),
    both_make!("BlockSender", BLOCKS),
    both_make!("BlockReceiver", BLOCK_RECEIVER),
    both_make!("LeaseReceiver", LEASES),
    both_make!("ByteLeaseReceiver", BYTE_LEASES),
    both_make!("ValueLeaseReceiver", VALUE_LEASES),
];

struct Scene {
    directory: TempDir,
    stage: Stage,
}

impl Scene {
    fn new() -> Self {
        Self { directory: TempDir::new().unwrap(), stage: Stage::new() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("it")
    }

    fn names(&self) -> usize {
        std::fs::read_dir(self.directory.path()).unwrap().count()
    }
}

/// The victim makes the thing; another does, too, just before the kill.
fn makes<T>(thing: &Thing<T>, anew: bool, barger: bool, plan: &Plan) -> Seen {
    let make = |path: &Path| {
        if anew { (thing.create)(path).unwrap() } else { (thing.open_or_create)(path) }
    };
    let looks_whole = |made: Option<T>| {
        let is_whole = made.is_some_and(|made| (thing.is_whole)(&made));
        demand!(is_whole, Corrupt, "what is at the path is not whole");
    };
    let mut limits = plan.limits();
    if barger {
        limits.before_kill = Some(Box::new(|scene: &Scene, _| {
            scene.stage.start_barger(|tried| {
                looks_whole(Some((thing.open_or_create)(&scene.path())));
                tried(false);
            });
        }));
    }
    let warm = Scene::new();
    let victim = |scene: &Scene| {
        _ = std::fs::remove_file(warm.path());
        drop(make(&warm.path()));
        explore_from_here();
        // Not to be dropped: that is no part of it.
        std::mem::forget(make(&scene.path()));
    };
    let check = |scene: Scene, point: KillPoint| {
        scene.stage.all_end(plan.patience);
        let path = scene.path();
        let is_there = path.exists();
        demand!(is_there || !point.finished && !barger, Lost, "what was made is not there");
        demand!(scene.names() == usize::from(is_there), Corrupt, "something else was left there");
        scene.stage.newcomer(plan.patience, || {
            let opened = (thing.open)(&path);
            demand!(opened.is_some() == is_there, Corrupt, "it is there and cannot be opened");
            let created = (thing.create)(&path);
            demand!(created.is_none() == is_there, Corrupt, "it is there and was made anew");
            looks_whole(created.or(opened));
        });
        scene.stage.newcomer(plan.patience, || looks_whole(Some((thing.open_or_create)(&path))));
    };
    kill_at_every_instruction(limits, Scene::new, victim, check).into()
}
