//! The mutex excludes processes from each other, inherited or opened by path.

use proc_lock::Mutex;
use std::time::Duration;
use testkit::{fork, watchdog};

#[test]
fn forked_children_count_without_losing_one() {
    let _dog = watchdog(Duration::from_secs(60));
    let mutex = Mutex::new([0u64; 2]).unwrap();
    let count = || {
        for _ in 0..20_000 {
            let mut both = mutex.lock().unwrap();
            both[0] += 1;
            both[1] = both[0];
        }
    };
    let children: Vec<_> = (0..4).map(|_| fork(count)).collect();
    for child in children {
        child.assert_ok();
    }
    assert_eq!(*mutex.lock().unwrap(), [80_000; 2]);
}

#[test]
fn unrelated_handles_of_one_path_are_one_lock() {
    let _dog = watchdog(Duration::from_secs(60));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let mine = Mutex::create(&path, 5u32).unwrap();
    let held = mine.lock().unwrap();
    let child = fork(|| {
        let theirs = Mutex::<u32>::open(&path).unwrap();
        assert!(theirs.try_lock().is_err());
        *theirs.lock().unwrap() += 1;
    });
    std::thread::sleep(Duration::from_millis(30));
    drop(held);
    child.assert_ok();
    assert_eq!(*mine.lock().unwrap(), 6);
}

#[test]
fn a_copy_of_a_guard_in_a_forked_child_unlocks_nothing() {
    let _dog = watchdog(Duration::from_secs(60));
    let mutex = Mutex::new(0u32).unwrap();
    let mut held = Some(mutex.lock().unwrap());
    fork(|| {
        drop(held.take());
        assert!(mutex.try_lock().is_err(), "the parent still has it");
    })
    .assert_ok();
    assert!(fork(|| assert!(mutex.try_lock().is_err())).wait() == testkit::Outcome::Exited(0));
    drop(held);
    fork(|| drop(mutex.try_lock().unwrap())).assert_ok();
}
