//! State in workers, and data that all of them share.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Broadcast, BroadcastSlice, Options, Pool};
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn tasks_change_the_state_of_their_worker_and_a_replacement_makes_its_own() {
    let _dog = watchdog(WAIT);
    let builder = Pool::builder().workers(1);
    let pool = builder.build_with_state((5u64,), |start| start).unwrap();
    let add = |total: &mut u64, x: u64| {
        *total += x;
        *total
    };
    assert_eq!(pool.apply(1, add).unwrap(), 6);
    assert_eq!(pool.map([10, 100], add).unwrap(), [16, 116]);
    let error = pool.apply((), |_, ()| -> () { std::process::abort() }).unwrap_err();
    assert!(error.worker_died().is_some());
    assert_eq!(pool.apply(1, add).unwrap(), 6);
    let panics = |total: &mut u64, x: u64| -> u64 {
        *total += x;
        panic!("with the state in hand")
    };
    assert!(pool.apply(50, panics).unwrap_err().panic().is_some());
    assert_eq!(pool.apply(0, add).unwrap(), 56, "as the panic left it");
}

#[test]
fn the_state_is_dropped_when_the_worker_ends_in_order() {
    let _dog = watchdog(WAIT);
    struct Tells(shm_queue::Sender<u32>);
    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.send(std::process::id()).unwrap();
        }
    }
    let (tx, rx) = shm_queue::bounded::<u32>(8).unwrap();
    let pool = Pool::builder().workers(1).build_with_state((tx,), Tells).unwrap();
    let pid = pool.apply((), |_, ()| std::process::id()).unwrap();
    pool.pool().close();
    pool.pool().join().unwrap();
    assert_eq!(rx.recv().unwrap(), pid);
}

#[test]
fn a_state_that_cannot_be_made_is_an_error_of_the_constructor() {
    let _dog = watchdog(WAIT);
    let builder = Pool::builder().workers(2).start_tries(2);
    let error = builder.build_with_state((), || -> u8 { panic!("no model") }).unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(why.contains("no model"), "{why}");
}

#[test]
fn a_task_for_another_pools_state_is_rejected() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build_with_state((), || 1u8).unwrap();
    assert_eq!(pool.pool().apply((2,), |x: i32| x).unwrap(), 2, "the pool itself is there");
    assert_eq!(pool.with(&Options::new().retries(1)).apply((), |n, ()| *n).unwrap(), 1);
}

static DECODED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

#[derive(serde::Serialize)]
struct Dear(Vec<u32>);

impl<'de> serde::Deserialize<'de> for Dear {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Vec::deserialize(deserializer).map(Self)
    }
}

#[test]
fn a_shared_value_is_decoded_once_by_each_worker() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    let dear = pool.share(Dear((0..1000).collect())).unwrap();
    assert_eq!(dear.0.len(), 1000, "it can be read here, too");
    let tasks = (0..40usize).map(|index| (dear.clone(), index));
    let one = Options::new().chunk_size(1);
    let read = |dear: Broadcast<Dear>, index: usize| {
        (dear.0[index], DECODED.load(std::sync::atomic::Ordering::Relaxed))
    };
    let read = pool.with(&one).starmap(tasks, read).unwrap();
    for (index, (value, decoded)) in (0..).zip(read) {
        assert_eq!((value, decoded), (index, 1));
    }
}

#[test]
fn a_replacement_gets_what_is_shared_as_well() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let table = pool.share_slice(&[1.5f64, 2.5]).unwrap();
    let read = |table: BroadcastSlice<f64>| table.iter().sum::<f64>();
    assert_eq!(pool.apply((table.clone(),), read).unwrap(), 4.0);
    for _ in 0..3 {
        pool.apply((table.clone(),), |_| -> () { std::process::abort() }).unwrap_err();
        assert_eq!(pool.apply((table.clone(),), read).unwrap(), 4.0);
    }
}

#[test]
fn what_nobody_needs_any_more_is_forgotten_by_the_workers() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let mapped = |_: BroadcastSlice<u8>| {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        maps.lines().filter(|line| line.contains("pool shared")).count()
    };
    for _ in 0..20 {
        let data = pool.share_slice(&[7u8; 4096]).unwrap();
        let count = pool.apply((data,), mapped).unwrap();
        assert!(count <= 2, "{count} mappings");
    }
}

#[test]
fn shared_data_goes_to_tasks_only_and_of_its_own_type() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    let data = pool.share_slice(&[1u32, 2]).unwrap();
    let error = proc_spawn::spawn((data.clone(),), |_| ()).unwrap_err();
    assert!(error.to_string().contains("an argument of a pool's task"), "{error}");
    assert!(pool.apply((data,), |data| data).is_err(), "not as a result");
    let lock = proc_lock::Mutex::new(1u8).unwrap();
    let error = pool.share(lock).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    let empty = pool.share_slice::<u64>(&[]).unwrap();
    assert_eq!(pool.apply((empty,), |empty: BroadcastSlice<u64>| empty.len()).unwrap(), 0);
}
