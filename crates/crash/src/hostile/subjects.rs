//! Every type that lives in shared memory, and how it is used with timeouts.

use super::{Role, Subject};
use proc_lock::{
    Barrier, Condvar, Event, LockTimeoutError, Mutex, OnceLock, ReentrantMutex, RwLock, Shared,
    SharedSlice,
};
use proc_semaphore::{BoundedSemaphore, PermitPool, Semaphore};
use shm_queue::{
    BlockReceiver, BlockSender, Blocks, ByteReceiver, ByteSender, LeaseReceiver, Receiver, Sender,
    ValueReceiver, ValueSender,
};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

const BRIEFLY: Duration = Duration::from_millis(1);

/// A role: opens by `$open`, and does `$work` with it.
macro_rules! role {
    ($open:expr, |$it:ident| $work:expr) => {{
        let role: Role = |path: &Path| {
            #[allow(unused_mut, reason = "some need it")]
            let mut $it = $open(path).ok()?;
            Some(Box::new(move || {
                let _ = $work;
            }))
        };
        role
    }};
}

/// The lock is not the subject's only way to say no: what it guards may be garbled, too.
fn change(mutex: &Mutex<[u64; 2]>) {
    let mut both = match mutex.lock_timeout(BRIEFLY) {
        Ok(both) => both,
        Err(LockTimeoutError::TimedOut) => return,
        Err(LockTimeoutError::OwnerDied(mut both) | LockTimeoutError::Poisoned(mut both)) => {
            both.mark_consistent();
            both
        }
    };
    both[0] = both[0].wrapping_add(1);
    both[1] = both[0];
}

/// Believes the index that it finds, which must be found out.
pub(super) const CONTROL: Subject = Subject {
    name: "control: one that believes an index",
    make: |path| std::fs::write(path, [0; 4_096]).unwrap(),
    roles: &[role!(std::fs::File::open, |file| {
        let mut index = [0];
        file.read_exact_at(&mut index, 200).unwrap();
        std::hint::black_box([0u8; 1][usize::from(index[0])])
    })],
};

pub(super) const SUBJECTS: &[Subject] = &[
    Subject {
        name: "Mutex",
        make: |path| drop(Mutex::create(path, [0u64; 2]).unwrap()),
        roles: &[
            role!(Mutex::<[u64; 2]>::open, |mutex| change(&mutex)),
            role!(Mutex::<[u64; 2]>::open, |mutex| change(&mutex)),
            role!(Mutex::<[u64; 2]>::open, |mutex| mutex.try_lock().map(|both| both[0])),
        ],
    },
    Subject {
        name: "ReentrantMutex",
        make: |path| drop(ReentrantMutex::create(path, 0u64).unwrap()),
        roles: &[
            role!(ReentrantMutex::<u64>::open, |mutex| mutex.lock_timeout(BRIEFLY).is_ok()),
            role!(ReentrantMutex::<u64>::open, |mutex| mutex.try_lock().is_ok()),
        ],
    },
    Subject {
        name: "RwLock",
        make: |path| drop(RwLock::create(path, [0u64; 2]).unwrap()),
        roles: &[
            role!(RwLock::<[u64; 2]>::open, |lock| lock.read_timeout(BRIEFLY).is_ok()),
            role!(RwLock::<[u64; 2]>::open, |lock| lock.write_timeout(BRIEFLY).is_ok()),
            role!(RwLock::<[u64; 2]>::open, |lock| lock.try_read().is_ok()),
        ],
    },
    Subject {
        name: "Condvar",
        make: |path| drop(Condvar::create(path).unwrap()),
        roles: &[
            role!(Condvar::open, |condvar| {
                let mutex = Mutex::new(0u64).unwrap();
                let guard = mutex.lock().unwrap();
                condvar.wait_timeout_while(guard, BRIEFLY, |_| true).is_ok()
            }),
            role!(Condvar::open, |condvar| condvar.notify_one()),
            role!(Condvar::open, |condvar| condvar.notify_all()),
        ],
    },
    Subject {
        name: "Event",
        make: |path| drop(Event::create(path).unwrap()),
        roles: &[
            role!(Event::open, |event| event.wait_timeout(BRIEFLY)),
            role!(Event::open, |event| {
                event.set();
                event.clear();
            }),
        ],
    },
    Subject {
        name: "Barrier",
        make: |path| drop(Barrier::create(path, 2).unwrap()),
        roles: &[
            role!(Barrier::open, |barrier| barrier.wait_timeout(BRIEFLY).is_ok()),
            role!(Barrier::open, |barrier| barrier.wait_timeout(BRIEFLY).is_ok()),
            role!(Barrier::open, |barrier| barrier.reset()),
        ],
    },
    Subject {
        name: "OnceLock",
        make: |path| drop(OnceLock::<u64>::create(path).unwrap()),
        roles: &[
            role!(OnceLock::<u64>::open, |once| once.wait_timeout(BRIEFLY)),
            role!(OnceLock::<u64>::open, |once| once.get()),
        ],
    },
    Subject {
        name: "Shared",
        make: |path| drop(Shared::create(path, [0u64; 3]).unwrap()),
        roles: &[
            role!(Shared::<[u64; 3]>::open, |shared| shared
                .update_timeout(BRIEFLY, |all| all[0] = all[1])),
            role!(Shared::<[u64; 3]>::open, |shared| shared.try_update(|all| all[0] = all[1])),
        ],
    },
    Subject {
        name: "SharedSlice",
        make: |path| drop(SharedSlice::create(path, &[0u64; 5]).unwrap()),
        roles: &[
            role!(SharedSlice::<u64>::open, |slice| slice.lock_timeout(BRIEFLY).is_ok()),
            role!(SharedSlice::<u64>::open, |slice| slice.try_lock().is_ok()),
        ],
    },
    Subject {
        name: "Semaphore",
        make: |path| drop(Semaphore::create(path, 1).unwrap()),
        roles: &[
            role!(Semaphore::open, |permits| permits.acquire_timeout(BRIEFLY)),
            role!(Semaphore::open, |permits| permits.try_acquire()),
            role!(Semaphore::open, |permits| permits.release()),
        ],
    },
    Subject {
        name: "BoundedSemaphore",
        make: |path| drop(BoundedSemaphore::create(path, 2).unwrap()),
        roles: &[
            role!(BoundedSemaphore::open, |permits| permits.acquire_timeout(BRIEFLY)),
            role!(BoundedSemaphore::open, |permits| permits.release()),
        ],
    },
    Subject {
        name: "PermitPool",
        make: |path| drop(PermitPool::create(path, 2).unwrap()),
        roles: &[
            role!(PermitPool::open, |permits| permits.acquire_timeout(BRIEFLY).is_ok()),
            role!(PermitPool::open, |permits| permits.acquire_many_timeout(2, BRIEFLY).is_ok()),
            role!(PermitPool::open, |permits| permits.try_acquire().is_ok()),
        ],
    },
    Subject {
        name: "queue of items",
        make: |path| drop(Sender::<[u64; 3]>::create(path, 4).unwrap()),
        roles: &[
            role!(Sender::<[u64; 3]>::open, |tx| tx.send_timeout([1; 3], BRIEFLY)),
            role!(Sender::<[u64; 3]>::open, |tx| tx.try_send([2; 3])),
            role!(Receiver::<[u64; 3]>::open, |rx| rx.recv_timeout(BRIEFLY)),
            role!(Receiver::<[u64; 3]>::open, |rx| rx.try_recv()),
        ],
    },
    Subject {
        name: "queue of bytes",
        make: |path| drop(ByteSender::create(path, 4, 200).unwrap()),
        roles: &[
            role!(ByteSender::open, |tx| tx.send_timeout(&[7; 90], BRIEFLY)),
            role!(ByteSender::open, |tx| tx.try_send(&[8; 3])),
            role!(ByteReceiver::open, |rx| rx.recv_timeout(BRIEFLY)),
            role!(ByteReceiver::open, |rx| rx.try_recv()),
        ],
    },
    Subject {
        name: "queue of values",
        make: |path| drop(ValueSender::<Vec<String>>::create(path, 4, 400).unwrap()),
        roles: &[
            role!(ValueSender::<Vec<String>>::open, |tx| tx
                .send_timeout(vec!["ab".into(), String::new()], BRIEFLY)),
            role!(ValueReceiver::<Vec<String>>::open, |rx| rx.recv_timeout(BRIEFLY)),
            role!(ValueReceiver::<Vec<String>>::open, |rx| rx.try_recv()),
        ],
    },
    Subject {
        name: "queue with leases",
        make: |path| drop(Sender::<[u64; 3]>::create_leased(path, 4, 3).unwrap()),
        roles: &[
            role!(Sender::<[u64; 3]>::open, |tx| tx.send_timeout([1; 3], BRIEFLY)),
            role!(LeaseReceiver::<[u64; 3]>::open, |rx| rx
                .lease_timeout(BRIEFLY)
                .map(|lease| lease.ack())),
            role!(LeaseReceiver::<[u64; 3]>::open, |rx| rx.try_lease().is_ok()),
        ],
    },
    Subject {
        name: "queue of blocks",
        make: |path| drop(BlockSender::create(path, 4, Blocks::new(3, 256)).unwrap()),
        roles: &[
            role!(BlockSender::open, |tx| tx.send_timeout(&[7; 200], BRIEFLY)),
            role!(BlockReceiver::open, |rx| rx
                .recv_timeout(BRIEFLY)
                .map(|message| message.to_vec())),
            role!(BlockReceiver::open, |rx| rx.try_recv().map(|message| message.to_vec())),
        ],
    },
];
