//! Who owns a permit of a pool, and what becomes of it: a thread, and it comes back when that ends.

#![allow(clippy::unwrap_used, reason = "a test")]
#![allow(unsafe_code, reason = "a fork whose child outlives its parent")]

use proc_semaphore::{Permit, PermitPool};
use std::cell::RefCell;
use std::sync::Barrier;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{Outcome, SharedPage, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(30);

#[test]
fn a_thread_that_ends_has_given_back_what_it_forgot() {
    let pool = PermitPool::new(3).unwrap();
    std::thread::scope(|scope| {
        let forgetful = scope.spawn(|| {
            std::mem::forget(pool.acquire());
            std::mem::forget(pool.acquire_many(2));
            assert_eq!(pool.available(), 0);
        });
        forgetful.join().unwrap();
    });
    assert_eq!(pool.available(), 3);
    assert_eq!(pool.acquire_many(3).unwrap().len(), 3);
}

#[test]
fn the_end_of_a_thread_wakes_who_sleeps() {
    let _dog = watchdog(WAIT * 2);
    let pool = PermitPool::new(1).unwrap();
    let (has_it, may_end) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::mem::forget(pool.acquire());
            has_it.wait();
            may_end.wait();
        });
        has_it.wait();
        let sleeper = fork(|| drop(pool.acquire().unwrap()));
        until(WAIT, "the sleeper", || is_asleep(sleeper.pid()));
        may_end.wait();
        sleeper.assert_ok();
    });
}

#[test]
fn the_child_of_a_fork_gives_back_nothing() {
    let pool = PermitPool::new(2).unwrap();
    let (one, page) = (pool.acquire().unwrap(), SharedPage::new(1));
    let held = RefCell::new(Some(one));
    fork(|| {
        drop(held.take());
        page[0].store(pool.available().into(), SeqCst);
        // It can have one of its own.
        drop(pool.acquire().unwrap());
    })
    .assert_ok();
    assert_eq!(page[0].load(SeqCst), 1, "still the parent's");
    assert_eq!(pool.available(), 1);
    drop(held.take());
    assert_eq!(pool.available(), 2);
}

#[test]
fn the_holder_that_forked_is_killed_and_the_child_lives() {
    let _dog = watchdog(WAIT * 2);
    let (pool, page) = (PermitPool::new(1).unwrap(), SharedPage::new(2));
    let holder = fork(|| {
        let permit = pool.acquire().unwrap();
        // SAFETY: one thread; the child only looks at shared words. Not testkit's fork, whose child dies
        // with its parent.
        if unsafe { libc::fork() } == 0 {
            // SAFETY: it must end, whatever becomes of the test.
            unsafe { libc::alarm(60) };
            page[0].store(1, SeqCst);
            until(WAIT, "the end", || page[1].load(SeqCst) == 1);
            drop(permit);
            page[0].store(2, SeqCst);
            // SAFETY: ends the process, and runs nothing of ours.
            unsafe { libc::_exit(0) };
        }
        until(WAIT, "its death", || false);
    });
    until(WAIT, "the child", || page[0].load(SeqCst) == 1);
    assert_eq!(pool.available(), 0);
    holder.kill();
    assert_eq!(holder.wait(), Outcome::Signaled(9));
    let permit = pool.try_acquire().unwrap();
    assert!(permit.is_some());
    page[1].store(1, SeqCst);
    until(WAIT, "the child's drop", || page[0].load(SeqCst) == 2);
    assert_eq!(pool.available(), 0, "the copy gives back nothing");
}

#[test]
fn exec_gives_back() {
    use std::os::unix::process::CommandExt;
    let _dog = watchdog(WAIT * 2);
    let pool = PermitPool::new(1).unwrap();
    let mut holder = fork(|| {
        std::mem::forget(pool.acquire());
        let error = std::process::Command::new("sleep").arg("60").exec();
        panic!("{error}");
    });
    // The process lives on, as another program.
    assert!(pool.acquire_timeout(WAIT).unwrap().is_some());
    assert_eq!(holder.try_wait(), None);
}

#[test]
fn a_zombie_has_nothing() {
    let _dog = watchdog(WAIT * 2);
    let pool = PermitPool::new(1).unwrap();
    let holder = fork(|| std::mem::forget(pool.acquire()));
    // Nobody reaps it until the end of this test.
    assert!(pool.acquire_timeout(WAIT).unwrap().is_some());
    until(WAIT, "its end", || pool.available() == 1);
    assert_eq!(holder.wait(), Outcome::Exited(0));
}

#[test]
fn a_thread_local_guard_that_outlives_its_thread_gives_back_once() {
    static POOL: std::sync::OnceLock<PermitPool> = std::sync::OnceLock::new();
    thread_local! {
        static GUARD: RefCell<Option<Permit<'static>>> = const { RefCell::new(None) };
    }
    let pool = POOL.get_or_init(|| PermitPool::new(1).unwrap());
    for _ in 0..20 {
        std::thread::spawn(|| GUARD.with(|guard| *guard.borrow_mut() = pool.acquire().ok()))
            .join()
            .unwrap();
        let mine = pool.acquire().unwrap();
        assert_eq!(pool.available(), 0);
        drop(mine);
    }
    assert_eq!(pool.available(), 1);
}

#[test]
fn a_thread_local_guard_keeps_its_permit_to_the_end() {
    struct Late(Option<Permit<'static>>);

    impl Drop for Late {
        fn drop(&mut self) {
            let held = self.0.take();
            std::thread::spawn(|| assert!(pool().try_acquire().unwrap().is_none())).join().unwrap();
            drop(held);
            assert_eq!(pool().available(), 1);
        }
    }

    fn pool() -> &'static PermitPool {
        static POOL: std::sync::OnceLock<PermitPool> = std::sync::OnceLock::new();
        POOL.get_or_init(|| PermitPool::new(1).unwrap())
    }

    thread_local! {
        static LATE: RefCell<Late> = const { RefCell::new(Late(None)) };
    }
    let _dog = watchdog(WAIT);
    std::thread::spawn(|| {
        // Made before the thread has a place, so destroyed after the places.
        LATE.with_borrow_mut(|late| late.0 = None);
        let permit = pool().acquire().unwrap();
        LATE.with_borrow_mut(|late| late.0 = Some(permit));
    })
    .join()
    .unwrap();
    assert_eq!(pool().available(), 1);
}

#[test]
fn dead_holders_never_use_up_the_places() {
    let pool = PermitPool::new(2).unwrap();
    for _ in 0..300 {
        fork(|| {
            std::mem::forget(pool.acquire());
            std::process::abort();
        })
        .wait();
    }
    assert_eq!(pool.available(), 2);
    assert_eq!(pool.acquire_many(2).unwrap().len(), 2);
}
