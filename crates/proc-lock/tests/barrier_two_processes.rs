//! Processes meet at a barrier, round after round, and hear of each other's deaths.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{Barrier, BarrierWaitResult, BrokenBarrier};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{SharedPage, fork, is_asleep, until, watchdog};

const DOG: Duration = Duration::from_secs(60);

fn met(waited: Result<BarrierWaitResult, BrokenBarrier>) {
    assert!(waited.is_ok(), "the barrier is broken");
}

#[test]
fn processes_go_in_step() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(3).unwrap();
    let page = SharedPage::new(2);
    let march = || {
        for round in 1..=2_000u64 {
            page[0].fetch_add(1, SeqCst);
            barrier.wait_with(|| assert_eq!(page[0].load(SeqCst), 3 * round)).unwrap();
            page[1].fetch_add(1, SeqCst);
            barrier.wait_with(|| assert_eq!(page[1].load(SeqCst), 3 * round)).unwrap();
        }
        // Without this, one that has ended would look like one that died too early.
        barrier.wait().unwrap();
    };
    let children = [fork(march), fork(march), fork(march)];
    children.into_iter().for_each(testkit::Child::assert_ok);
}

#[test]
fn the_death_of_a_member_breaks_the_barrier_wherever_it_is() {
    let _dog = watchdog(DOG);
    for waits in [true, false] {
        let barrier = Barrier::new(3).unwrap();
        let page = SharedPage::new(1);
        let dies = fork(|| {
            barrier.wait().unwrap();
            page[0].store(1, SeqCst);
            if waits {
                let _ = barrier.wait();
            }
            std::thread::sleep(DOG);
        });
        let told = fork(|| {
            barrier.wait().unwrap();
            assert_eq!(barrier.wait(), Err(BrokenBarrier));
        });
        barrier.wait().unwrap();
        until(DOG, "the first round's end", || page[0].load(SeqCst) == 1);
        until(DOG, "the other's sleep", || is_asleep(told.pid()));
        until(DOG, "the victim's wait", || barrier.waiting() == 1 + u32::from(waits));
        dies.kill();
        told.assert_ok();
        drop(dies);
        assert!(barrier.is_broken());
        assert_eq!(barrier.wait(), Err(BrokenBarrier));
        barrier.reset();
        let others = [fork(|| met(barrier.wait())), fork(|| met(barrier.wait()))];
        barrier.wait().unwrap();
        others.into_iter().for_each(testkit::Child::assert_ok);
    }
}

#[test]
fn a_death_before_anybody_waits_is_told_to_who_comes() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(2).unwrap();
    let other = fork(|| met(barrier.wait()));
    barrier.wait().unwrap();
    other.assert_ok(); // It ended with `_exit`: that is a death.
    assert_eq!(barrier.wait(), Err(BrokenBarrier));
}

#[test]
fn a_shrinking_barrier_waits_for_the_living() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::shrinking(4).unwrap();
    let march = || {
        for _ in 0..2 {
            barrier.wait().unwrap();
        }
        std::thread::sleep(DOG);
    };
    let children = [fork(march), fork(march), fork(march)];
    barrier.wait().unwrap();
    until(DOG, "all others", || barrier.waiting() == 3);
    let [one, two, three] = children;
    one.kill();
    drop(one);
    two.kill();
    drop(two);
    barrier.wait().unwrap();
    assert_eq!((barrier.parties(), barrier.is_broken()), (2, false));
    drop(three);
    // Alone it goes through.
    barrier.wait().unwrap();
    assert_eq!(barrier.parties(), 1);
    barrier.reset();
    assert_eq!(barrier.parties(), 4);
}

#[test]
fn the_death_of_one_that_is_awaited_lets_the_others_go() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::shrinking(3).unwrap();
    let page = SharedPage::new(1);
    let dies = fork(|| {
        barrier.wait().unwrap();
        std::thread::sleep(DOG);
    });
    let other = fork(|| {
        barrier.wait().unwrap();
        barrier
            .wait_with(|| {
                page[0].fetch_add(1, SeqCst);
            })
            .unwrap();
        std::thread::sleep(DOG);
    });
    barrier.wait().unwrap();
    until(DOG, "the other's wait", || barrier.waiting() == 1 && is_asleep(other.pid()));
    let mut last = fork(|| {
        // It has not been here before.
        met(barrier.wait_with(|| {
            page[0].fetch_add(1, SeqCst);
        }));
    });
    until(DOG, "the third's wait", || barrier.waiting() == 2 && is_asleep(last.pid()));
    dies.kill();
    assert_eq!(last.wait_timeout(DOG), Some(testkit::Outcome::Exited(0)));
    assert_eq!(page[0].load(SeqCst), 1, "one of the two led");
    drop(other);
}

#[test]
fn one_that_is_stopped_is_waited_for() {
    let _dog = watchdog(DOG);
    let barrier = Barrier::new(2).unwrap();
    let stopped = fork(|| {
        barrier.wait().unwrap();
        barrier.wait().unwrap();
    });
    barrier.wait().unwrap();
    until(DOG, "its wait", || barrier.waiting() == 1);
    stopped.signal(libc::SIGSTOP);
    barrier.wait().unwrap();
    stopped.signal(libc::SIGCONT);
    stopped.assert_ok();
}

/// A thread is a member of the barrier, by whichever of its handles it came.
#[test]
fn one_handle_less_is_no_membership_less() {
    let _dog = watchdog(DOG);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("barrier");
    let barrier = Barrier::create(&path, 2).unwrap();
    let peer = fork(|| {
        let (one, other) = (Barrier::open(&path).unwrap(), Barrier::open(&path).unwrap());
        one.wait().unwrap();
        drop(one);
        assert!(!other.is_broken());
        std::thread::sleep(Duration::from_secs(3600));
    });
    barrier.wait().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    peer.kill();
    assert!(barrier.wait().is_err(), "a member was killed");
}

/// The last handle of the process takes all memberships along, of those who came by others, too.
#[test]
fn the_last_handle_ends_all_memberships() {
    let _dog = watchdog(DOG);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("barrier");
    // Dropped, as the peer would inherit it.
    drop(Barrier::create(&path, 2).unwrap());
    let peer = fork(|| {
        let (one, other) = (Barrier::open(&path).unwrap(), Barrier::open(&path).unwrap());
        one.wait().unwrap();
        drop(one);
        drop(other);
        std::thread::sleep(Duration::from_secs(3600));
    });
    let barrier = Barrier::open(&path).unwrap();
    met(barrier.wait());
    std::thread::sleep(Duration::from_millis(200));
    peer.kill();
    let newcomer = fork(|| met(barrier.wait()));
    met(barrier.wait());
    newcomer.assert_ok();
}
