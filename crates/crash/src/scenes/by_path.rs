//! Things at a path: whoever is killed as he makes one, there is a whole one or none, and whoever comes finds
//! it or makes it.

use crate::fault::demand;
use crate::row::{Plan, Row, Seen, row};
use crate::stage::Stage;
use proc_lock::{Barrier, Mutex, Shared};
use proc_semaphore::{PermitPool, Semaphore};
use shm_queue::{BlockSender, Blocks, LeaseReceiver, Sender};
use std::path::{Path, PathBuf};
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
const SHARED: Thing<Shared<[u64; 2]>> =
    thing!(Shared<[u64; 2]>, (VALUE), |shared| shared.get() == VALUE);
const SEMAPHORE: Thing<Semaphore> = thing!(Semaphore, (2), |semaphore| {
    let both = semaphore.try_acquire() && semaphore.try_acquire() && !semaphore.try_acquire();
    semaphore.release_many(2).unwrap();
    both
});
const POOL: Thing<PermitPool> = thing!(PermitPool, (2), |pool| {
    pool.try_acquire_many(2).unwrap().is_some() && pool.available() == 2
});
const BARRIER: Thing<Barrier> =
    thing!(Barrier, (1), |barrier| barrier.wait().is_ok_and(|result| result.is_leader()));
const QUEUE: Thing<Sender<u64>> =
    thing!(Sender<u64>, (3), |sender| sender.capacity() == 3 && sender.is_empty());
const BLOCKS: Thing<BlockSender> = thing!(BlockSender, (3, Blocks::new(2, 64)), |sender| {
    [(); 2].map(|()| sender.try_reserve(64)).iter().all(Result::is_ok)
});
const LEASES: Thing<LeaseReceiver<u64>> =
    thing!(LeaseReceiver<u64>, (3, 2), |receiver| receiver.capacity() == 3 && receiver.is_empty());

pub(crate) const ROWS: &[Row] = &[
    row("Mutex::create", "nothing there", |plan| makes(&MUTEX, true, false, plan)),
    row("Mutex::open_or_create", "nothing there", |plan| makes(&MUTEX, false, false, plan)),
    row("Mutex::open_or_create", "another does it, too", |plan| makes(&MUTEX, false, true, plan)),
    row("Shared::open_or_create", "another does it, too", |plan| makes(&SHARED, false, true, plan)),
    row("Semaphore::open_or_create", "another does it, too", |plan| {
        makes(&SEMAPHORE, false, true, plan)
    }),
    row("PermitPool::open_or_create", "another does it, too", |plan| {
        makes(&POOL, false, true, plan)
    }),
    row("Barrier::open_or_create", "another does it, too", |plan| {
        makes(&BARRIER, false, true, plan)
    }),
    row("Sender::create", "nothing there", |plan| makes(&QUEUE, true, false, plan)),
    row("Sender::open_or_create", "another does it, too", |plan| makes(&QUEUE, false, true, plan)),
    row("BlockSender::open_or_create", "another does it, too", |plan| {
        makes(&BLOCKS, false, true, plan)
    }),
    row("LeaseReceiver::open_or_create", "another does it, too", |plan| {
        makes(&LEASES, false, true, plan)
    }),
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
