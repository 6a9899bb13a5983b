//! A peer that writes nonsense over the words can stall the others. It cannot crash them.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{
    Condvar, Event, Mutex, OnceLock, ReentrantMutex, Shared, SharedAtomic, SharedSlice,
};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use testkit::{Outcome, fork, watchdog};

const ROUND: Duration = Duration::from_millis(300);
const SHORT: Duration = Duration::from_micros(200);

/// Runs `work` again and again in one process while another writes over all that is behind the header.
fn under_fire(path: &Path, work: impl Fn()) {
    let _dog = watchdog(Duration::from_secs(60));
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let words = file.metadata().unwrap().len() / 8;
    let vandal = fork(|| {
        let (start, mut random) = (Instant::now(), 88_172_645_463_325_252u64);
        while start.elapsed() < ROUND * 2 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            // Most of all the first words and the last ones, which mean something.
            let at = match random % 4 {
                0 => 16 + random / 4 % 4,
                1 => words - 1 - random / 4 % 4,
                _ => 16 + random / 4 % (words - 16),
            };
            let value = if random % 3 == 0 { random } else { random >> 40 };
            file.write_all_at(&value.to_le_bytes(), at * 8).unwrap();
        }
    });
    let mut worker = fork(|| {
        let start = Instant::now();
        while start.elapsed() < ROUND {
            work();
        }
    });
    match worker.wait_timeout(ROUND * 6) {
        // To be stalled is allowed.
        None | Some(Outcome::Exited(0)) => {}
        Some(end) => panic!("the worker {end}"),
    }
    vandal.assert_ok();
}

#[test]
fn of_a_mutex() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mutex = Mutex::create(&path, [0u64; 8]).unwrap();
    under_fire(&path, || {
        drop(mutex.try_lock().map(|mut all| all[0] += 1));
        drop(mutex.lock_timeout(SHORT).map(|mut all| all[7] += 1));
        let _ = (mutex.owner(), mutex.is_poisoned());
    });
}

#[test]
fn of_a_reentrant_mutex() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mutex = ReentrantMutex::create(&path, 0u64).unwrap();
    under_fire(&path, || {
        let outer = mutex.lock_timeout(SHORT);
        let inner = mutex.try_lock();
        drop(outer);
        drop(inner.map(|value| value.set(1)));
    });
}

#[test]
fn of_an_event() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("e");
    let event = Event::create(&path).unwrap();
    under_fire(&path, || {
        event.set();
        event.clear();
        let _ = (event.wait_timeout(SHORT), event.is_set());
    });
}

#[test]
fn of_a_condvar() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c");
    let (mutex, condvar) = (Mutex::new(0u64).unwrap(), Condvar::create(&path).unwrap());
    under_fire(&path, || {
        condvar.notify_one();
        drop(condvar.wait_timeout_while(mutex.lock().unwrap(), SHORT, |_| true));
        condvar.notify_all();
    });
}

#[test]
fn of_values_and_slices() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("v");
    let shared = Shared::create(&path, [0u64; 5]).unwrap();
    under_fire(&path, || {
        shared.update_timeout(SHORT, |all| all[1] += 1);
        let _ = shared.get();
    });
    let path = dir.path().join("s");
    let slice = SharedSlice::create(&path, &[0u32; 300]).unwrap();
    under_fire(&path, || {
        assert_eq!(slice.len(), 300);
        drop(slice.lock_timeout(SHORT).map(|mut all| all[299] += 1));
    });
    let path = dir.path().join("a");
    let atomic = SharedAtomic::create(&path, AtomicU64::new(0)).unwrap();
    under_fire(&path, || {
        atomic.fetch_add(1, Relaxed);
    });
}

#[test]
fn of_a_once_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o");
    let once = OnceLock::<[u64; 2]>::create(&path).unwrap();
    under_fire(&path, || {
        let _ = (once.get(), once.wait_timeout(SHORT), once.set([1, 2]));
    });
}

/// A clear word that nobody of us writes: both bits.
#[test]
fn who_waits_for_a_garbled_event_gives_up_in_time_or_goes() {
    let _dog = watchdog(Duration::from_secs(20));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("e");
    let event = Event::create(&path).unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    let garble = || file.write_all_at(&0x8000_0001_u32.to_le_bytes(), 128).unwrap();
    garble();
    assert!(!event.wait_timeout(SHORT));
    garble();
    event.set();
    assert!(event.is_set());
    event.clear();
    garble();
    std::thread::scope(|scope| {
        scope.spawn(|| event.wait());
        std::thread::sleep(ROUND / 10);
        garble();
        event.set();
    });
}
