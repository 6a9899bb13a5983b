//! Every crate of the family is reached through the umbrella, and its handles go together.

#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc::{
    Barrier, BoundedSemaphore, Condvar, Event, Mutex, PermitPool, Pool, RwLock, Semaphore, Task,
    lock, pipe, queue, spawn, start,
};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;

#[derive(serde::Serialize, serde::Deserialize)]
struct Everything {
    lock: multiproc::lock::Mutex<u64>,
    counting: multiproc::semaphore::Semaphore,
    bounded: BoundedSemaphore,
    items: queue::Sender<u64>,
    values: queue::ValueSender<Option<String>>,
    bytes: queue::ByteSender,
    pipe: pipe::Duplex<String>,
}

impl Task for Everything {
    type Output = pipe::PipeReceiver<u8>;

    fn run(self) -> Self::Output {
        *self.lock.lock().unwrap() += 1;
        self.counting.acquire();
        self.bounded.release().unwrap();
        self.items.send(5).unwrap();
        self.values.send(Some("five".to_owned())).unwrap();
        self.bytes.send(b"5").unwrap();
        let text = self.pipe.recv().unwrap();
        self.pipe.send(&text.to_uppercase()).unwrap();
        // A handle comes back as part of the result.
        let (tx, rx) = pipe::simplex().unwrap();
        tx.send(&5).unwrap();
        rx
    }
}

#[test]
fn one_process_uses_all_of_them_at_once() {
    let lock = Mutex::new(1).unwrap();
    let counting = Semaphore::new(1).unwrap();
    let bounded = BoundedSemaphore::new(1).unwrap();
    bounded.acquire();
    let (items, got_items) = queue::bounded(1).unwrap();
    let (values, got_values) = queue::bounded_values(1, 1024).unwrap();
    let (bytes, got_bytes) = queue::bounded_bytes(1, 1024).unwrap();
    let (theirs, ours) = pipe::duplex().unwrap();
    let task = Everything {
        lock: lock.clone(),
        counting: counting.clone(),
        bounded: bounded.clone(),
        items,
        values,
        bytes,
        pipe: theirs,
    };
    let process = start(task).unwrap();
    ours.send(&"five".to_owned()).unwrap();
    assert_eq!(ours.recv().unwrap(), "FIVE");
    assert_eq!(process.join().unwrap().recv().unwrap(), 5);
    assert_eq!(*lock.lock().unwrap(), 2);
    assert_eq!((counting.value(), bounded.value()), (0, 1));
    assert_eq!(got_items.recv().unwrap(), 5);
    assert_eq!(got_values.recv().unwrap(), Some("five".to_owned()));
    assert_eq!(got_bytes.recv().unwrap(), b"5");
    assert!(got_items.recv().is_err(), "its senders are gone with it");
}

#[test]
fn the_modules_are_the_crates() {
    let sum = multiproc::process::spawn((1, 2), |a: i32, b: i32| a + b).unwrap();
    assert_eq!(sum.join().unwrap(), 3);
    let pool = multiproc::pool::Pool::builder().workers(1).build().unwrap();
    assert_eq!(pool.apply((2,), |x: i32| x * 2).unwrap(), 4);
    drop::<Pool>(pool);
    assert!(spawn((), || ()).unwrap().join().is_ok());
}

/// All that has a place in shared memory besides.
#[derive(serde::Serialize, serde::Deserialize)]
struct TheRest {
    rwlock: RwLock<u64>,
    reentrant: lock::ReentrantMutex<u64>,
    guarded: Mutex<u64>,
    condvar: Condvar,
    event: Event,
    barrier: Barrier,
    once: lock::OnceLock<u64>,
    shared: lock::Shared<f64>,
    slice: lock::SharedSlice<u32>,
    atomic: lock::SharedAtomic<AtomicU64>,
    permits: PermitPool,
    jobs: queue::LeaseReceiver<u64>,
    blocks: queue::BlockSender,
}

impl Task for TheRest {
    type Output = ();

    fn run(self) {
        *self.rwlock.write().unwrap() += 1;
        let twice = self.reentrant.lock().unwrap();
        self.reentrant.lock().unwrap().set(twice.get() + 1);
        *self.guarded.lock().unwrap() += 1;
        self.condvar.notify_all();
        self.once.set(9).unwrap();
        self.shared.update(|value| *value *= 2.0);
        self.slice.set(2, 7);
        self.atomic.fetch_add(5, SeqCst);
        self.jobs.lease().unwrap().ack();
        self.blocks.send(b"from a block").unwrap();
        self.event.set();
        self.barrier.wait().unwrap();
        std::mem::forget(self.permits.acquire().unwrap());
    }
}

#[test]
fn one_process_uses_the_rest_of_them_at_once() {
    let (jobs, at_jobs) = queue::bounded_leased(4, 2).unwrap();
    let (at_blocks, blocks) = queue::bounded_blocks(4, queue::Blocks::new(2, 64)).unwrap();
    let ours = TheRest {
        rwlock: RwLock::new(1).unwrap(),
        reentrant: lock::ReentrantMutex::new(1).unwrap(),
        guarded: Mutex::new(0).unwrap(),
        condvar: Condvar::new().unwrap(),
        event: Event::new().unwrap(),
        barrier: Barrier::new(2).unwrap(),
        once: lock::OnceLock::new().unwrap(),
        shared: lock::Shared::new(1.5).unwrap(),
        slice: lock::SharedSlice::zeroed(3).unwrap(),
        atomic: lock::SharedAtomic::new(AtomicU64::new(1)).unwrap(),
        permits: PermitPool::new(1).unwrap(),
        jobs: at_jobs,
        blocks: at_blocks,
    };
    let theirs = TheRest {
        rwlock: ours.rwlock.clone(),
        reentrant: ours.reentrant.clone(),
        guarded: ours.guarded.clone(),
        condvar: ours.condvar.clone(),
        event: ours.event.clone(),
        barrier: ours.barrier.clone(),
        once: ours.once.clone(),
        shared: ours.shared.clone(),
        slice: ours.slice.clone(),
        atomic: ours.atomic.clone(),
        permits: ours.permits.clone(),
        jobs: ours.jobs.clone(),
        blocks: ours.blocks.clone(),
    };
    jobs.send(3).unwrap();
    let process = start(theirs).unwrap();
    let count = ours.guarded.lock().unwrap();
    assert_eq!(*ours.condvar.wait_while(count, |count| *count == 0).unwrap(), 1);
    ours.event.wait();
    ours.barrier.wait().unwrap();
    jobs.join().unwrap();
    assert_eq!(blocks.recv().unwrap().to_vec(), b"from a block");
    assert_eq!(*ours.rwlock.read().unwrap(), 2);
    assert_eq!(ours.reentrant.lock().unwrap().get(), 2);
    assert_eq!((ours.once.get(), ours.shared.get()), (Some(9), 3.0));
    assert_eq!((ours.slice.get(2), ours.atomic.load(SeqCst)), (Some(7), 6));
    process.join().unwrap();
    // It forgot to give it back, and has ended.
    drop(ours.permits.acquire().unwrap());
}
