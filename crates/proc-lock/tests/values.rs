//! Values, slices, atomics and once locks: what is written in one process is read in the others.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{LockError, OnceLock, Shared, SharedAtomic, SharedSlice};
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI16, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use testkit::{SharedPage, fork, watchdog};

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn a_value_is_read_whole_while_others_change_it() {
    let _dog = watchdog(WAIT);
    let value = Shared::new([0u64; 9]).unwrap();
    let done = SharedPage::new(1);
    let writers: Vec<_> = (0..2)
        .map(|_| {
            fork(|| {
                let until = Instant::now() + Duration::from_millis(700);
                while Instant::now() < until {
                    value.update(|all| all.iter_mut().for_each(|one| *one += 1));
                }
                done[0].fetch_add(1, Relaxed);
            })
        })
        .collect();
    let (mut last, mut changes) = (0, 0u32);
    while done[0].load(Relaxed) < 2 {
        let seen = value.get();
        assert!(seen.iter().all(|one| *one == seen[0]), "torn: {seen:?}");
        assert!(seen[0] >= last, "an old value after a new one");
        changes += u32::from(seen[0] != last);
        last = seen[0];
    }
    assert!(changes > 10, "it ran beside the writers");
    writers.into_iter().for_each(testkit::Child::assert_ok);
}

#[test]
fn no_change_is_lost() {
    let _dog = watchdog(WAIT);
    let value = Shared::new(0u32).unwrap();
    let count = || (0..20_000).for_each(|_| value.update(|value| *value += 1));
    let children: Vec<_> = (0..3).map(|_| fork(count)).collect();
    children.into_iter().for_each(testkit::Child::assert_ok);
    assert_eq!(value.get(), 60_000);
}

#[test]
fn odd_sizes_and_none_are_values_too() {
    let odd = Shared::new([1u8, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]).unwrap();
    odd.update(|bytes| bytes.reverse());
    assert_eq!(odd.replace([0; 11]), [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    assert_eq!(odd.get(), [0; 11]);
    let nothing = Shared::new([0u64; 0]).unwrap();
    nothing.set([]);
    assert!(nothing.get().is_empty());
}

#[test]
fn a_change_that_panics_changes_nothing_and_poisons_nothing() {
    let value = Shared::new([1u32, 2]).unwrap();
    let failed = catch_unwind(AssertUnwindSafe(|| {
        value.update(|both| {
            both[0] = 9;
            assert_eq!(value.get(), [1, 2], "the old value can be read meanwhile");
            panic!("half-way");
        })
    }));
    assert!(failed.is_err());
    assert_eq!(value.get(), [1, 2]);
    assert_eq!(value.try_update(|both| both[1] += 1), Some(()));
    assert_eq!(value.get(), [1, 3]);
}

#[test]
fn a_change_under_way_turns_others_away() {
    let value = Shared::new(0u32).unwrap();
    value.update(|_| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert_eq!(value.try_update(|_| ()), None);
                assert_eq!(value.update_timeout(Duration::from_millis(20), |_| ()), None);
                assert_eq!(value.get(), 0);
            });
        });
    });
    assert_eq!(value.update_timeout(Duration::ZERO, |value| *value), Some(0));
}

#[test]
fn a_slice_has_the_length_that_it_was_made_with() {
    let _dog = watchdog(WAIT);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let slice = SharedSlice::create(&path, &[1.5f64, 2.5, 3.5]).unwrap();
    fork(|| {
        let slice = SharedSlice::<f64>::open(&path).unwrap();
        assert_eq!((slice.len(), slice.get(2), slice.get(3)), (3, Some(3.5), None));
        slice.set(0, -1.0);
        slice.copy_from(1, &[7.0, 8.0]);
    })
    .assert_ok();
    let mut two = [0.0; 2];
    slice.copy_to(1, &mut two);
    assert_eq!((slice.get(0), two), (Some(-1.0), [7.0, 8.0]));
    assert!(catch_unwind(AssertUnwindSafe(|| slice.set(3, 0.0))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| slice.copy_from(usize::MAX, &[0.0]))).is_err());
    assert_eq!(SharedSlice::open_or_create(&path, &[0.0f64]).unwrap().len(), 3);
    assert_eq!(SharedSlice::<u64>::open(&path).unwrap_err().kind(), ErrorKind::InvalidData);
    SharedSlice::unlink(&path).unwrap();

    assert!(SharedSlice::<u64>::new(&[]).unwrap().is_empty());
    let error = SharedSlice::<u64>::zeroed(usize::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn a_killed_owner_of_a_slice_is_told() {
    let _dog = watchdog(WAIT);
    let slice = SharedSlice::new(&[1u8, 2, 3]).unwrap();
    fork(|| {
        let mut guard = slice.lock().unwrap();
        guard[0] = 99;
        std::mem::forget(guard);
    })
    .assert_ok();
    assert_eq!(slice.get(0), Some(99), "get does not tell");
    assert!(slice.is_poisoned(), "but does not forget");
    assert!(matches!(slice.lock(), Err(LockError::OwnerDied(_))));
    drop(slice.lock_or_recover(|values| values[0] = 1));
    assert_eq!(*slice.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn atomics_are_shared_one_by_one_and_by_the_row() {
    let _dog = watchdog(WAIT);
    let dir = tempfile::tempdir().unwrap();
    let (one, row) = (dir.path().join("one"), dir.path().join("row"));
    let counter = SharedAtomic::create(&one, AtomicU64::new(5)).unwrap();
    let slots = SharedAtomic::<[AtomicI16]>::open_or_zeroed(&row, 100).unwrap();
    let pair = SharedAtomic::new([AtomicU64::new(1), AtomicU64::new(2)]).unwrap();
    let count = |me: usize| {
        let counter = SharedAtomic::<AtomicU64>::open(&one).unwrap();
        let slots = SharedAtomic::<[AtomicI16]>::open(&row).unwrap();
        for _ in 0..10_000 {
            counter.fetch_add(1, Relaxed);
            slots[me].fetch_sub(1, Relaxed);
        }
        pair[1].fetch_add(1, Relaxed);
    };
    let children: Vec<_> = (0..3).map(|me| fork(move || count(me))).collect();
    children.into_iter().for_each(testkit::Child::assert_ok);
    assert_eq!(counter.load(Relaxed), 30_005);
    assert_eq!((slots.len(), slots[2].load(Relaxed), slots[3].load(Relaxed)), (100, -10_000, 0));
    assert_eq!(pair[1].load(Relaxed), 5);
    assert_eq!(SharedAtomic::<AtomicI16>::open(&row).unwrap_err().kind(), ErrorKind::InvalidData);
    SharedAtomic::unlink(&one).unwrap();
}

#[test]
fn one_of_many_computes() {
    let _dog = watchdog(WAIT);
    let once = OnceLock::<u64>::new().unwrap();
    let (computed, waiter) = (SharedPage::new(1), fork(|| assert!(once.wait() >= 100)));
    let want = |me: u64| {
        let value = once.get_or_init(|| {
            computed[0].fetch_add(1, Relaxed);
            100 + me
        });
        assert_eq!(once.get(), Some(value));
    };
    let children: Vec<_> = (0..4).map(|me| fork(move || want(me))).collect();
    children.into_iter().for_each(testkit::Child::assert_ok);
    waiter.assert_ok();
    assert_eq!(computed[0].load(Relaxed), 1);
    assert_eq!(once.wait_timeout(Duration::ZERO), once.get());
}

#[test]
fn a_computation_that_panics_leaves_the_lock_empty() {
    let once = OnceLock::<u64>::new().unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| once.get_or_init(|| panic!("no value")))).is_err());
    assert_eq!(once.get(), None);
    assert_eq!(once.wait_timeout(Duration::from_millis(20)), None);
    assert_eq!(once.set(4), Ok(()));
    assert_eq!(once.set(5), Err(5));
}

#[test]
fn a_once_lock_meets_at_a_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("o");
    let one = OnceLock::<[u8; 3]>::open_or_create(&path).unwrap();
    let two = OnceLock::<[u8; 3]>::open(&path).unwrap();
    one.set([1, 2, 3]).unwrap();
    assert_eq!(two.wait(), [1, 2, 3]);
    assert!(OnceLock::<[u8; 3]>::create(&path).is_err());
    OnceLock::unlink(&path).unwrap();
}
