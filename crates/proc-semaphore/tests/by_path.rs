//! Programs that meet at a path: one makes, the others open, nobody sees half of it.

use proc_semaphore::{BoundedSemaphore, PermitPool, Semaphore};
use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;
use testkit::{fork, watchdog};

#[test]
fn what_one_made_another_opens() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    assert_eq!(Semaphore::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
    let made = Semaphore::open_or_create(&path, 3).unwrap();
    let opened = Semaphore::open_or_create(&path, 8).unwrap();
    assert!(opened.try_acquire_many(3), "the number is its maker's");
    assert_eq!(made.value(), 0);
    assert_eq!(Semaphore::create(&path, 1).unwrap_err().kind(), ErrorKind::AlreadyExists);
    Semaphore::unlink(&path).unwrap();
    assert_eq!(Semaphore::unlink(&path).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(Semaphore::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
    opened.release().unwrap();
    assert_eq!(made.value(), 1, "those who have it keep it");
}

#[test]
fn a_bound_is_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _made = BoundedSemaphore::open_or_create(&path, 2).unwrap();
    let opened = BoundedSemaphore::open_or_create(&path, 9).unwrap();
    assert_eq!(opened.release().unwrap_err().bound(), 2);
}

#[test]
fn a_pool_is_shared_by_those_who_open_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    let made = PermitPool::open_or_create(&path, 2).unwrap();
    let opened = PermitPool::open(&path).unwrap();
    assert_eq!(opened.capacity(), 2);
    let permit = opened.acquire().unwrap();
    assert_eq!(made.available(), 1);
    fork(|| {
        let pool = PermitPool::open_or_create(&path, 7).unwrap();
        assert!(pool.try_acquire().unwrap().is_some());
        assert!(pool.try_acquire_many(2).unwrap().is_none());
    })
    .assert_ok();
    drop(permit);
    assert_eq!(made.available(), 2);
    PermitPool::unlink(&path).unwrap();
    assert_eq!(PermitPool::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn one_thing_is_not_taken_for_another() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p");
    let _made = PermitPool::create(&path, 2).unwrap();
    let error = Semaphore::open_or_create(&path, 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("failed to open or create semaphore `{}`", path.display())
    );
    assert_eq!(error.source().unwrap().to_string(), "it holds a `permit pool`, not a `semaphore`");
}

#[test]
fn of_many_makers_at_once_one_makes_it() {
    let _dog = watchdog(Duration::from_secs(60));
    let dir = tempfile::tempdir().unwrap();
    for round in 0..50 {
        let path = dir.path().join(format!("{round}"));
        let body = || {
            let semaphore = Semaphore::open_or_create(&path, 100).unwrap();
            semaphore.acquire();
        };
        let children = [fork(body), fork(body), fork(body)];
        for child in children {
            child.assert_ok();
        }
        assert_eq!(Semaphore::open(&path).unwrap().value(), 97);
    }
}
