//! Whoever is killed at whatever instruction of locking a reentrant mutex twice: the next is told.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use proc_lock::{LockError, ReentrantMutex};
use std::time::Duration;
use testkit::{
    End, Limits, Outcome, explore_from_here, fork, is_asleep, kill_at_every_instruction, until,
    watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

fn mutex() -> ReentrantMutex<[u64; 2]> {
    multiproc_core::deadline::without_slices();
    let mutex = ReentrantMutex::new([0; 2]).unwrap();
    // What a process does the first time is not the subject.
    drop(mutex.lock().unwrap());
    mutex
}

/// Changes one half in an outer guard and the other in an inner one.
fn change(mutex: &ReentrantMutex<[u64; 2]>) {
    let outer = mutex.lock_or_recover(|both| both.set([both.get()[0]; 2]));
    let [a, b] = outer.get();
    assert_eq!(a, b, "somebody else is inside, or a death was not told");
    outer.set([a + 1, b]);
    let inner = mutex.lock_or_recover(|_| panic!("it was repaired"));
    inner.set([a + 1, b + 1]);
}

#[test]
fn twice_and_free_again() {
    let _dog = watchdog(DOG);
    let mut told = 0;
    // Whatever is thinned elsewhere: some of them must lie inside.
    let limits = Limits { stride: 1, ..Limits::default() };
    let report = kill_at_every_instruction(limits, mutex, change, |mutex, point| {
        let mut child = fork(|| match mutex.lock() {
            Ok(both) => assert_eq!(both.get()[0], both.get()[1], "a half-change was not told"),
            Err(LockError::OwnerDied(_)) => std::process::exit(1),
            Err(error) => panic!("{error}"),
        });
        let end = child.wait_timeout(WAIT);
        assert!(matches!(end, Some(Outcome::Exited(0 | 1))), "{end:?}: {point}");
        told += u32::from(end == Some(Outcome::Exited(1)));
        change(&mutex);
    });
    println!("| reentrant: lock twice                    {report}");
    assert_eq!(report.end, End::Finished);
    assert!(told > 0, "some kill points lie inside");
}

#[test]
fn unlocking_twice_to_a_sleeper() {
    let _dog = watchdog(DOG);
    let report = kill_at_every_instruction(
        Limits { from_mark: true, ..Limits::default() },
        || {
            let page = testkit::SharedPage::new(1);
            let mutex = mutex();
            let sleeper = fork(|| {
                until(WAIT, "the lock", || page[0].load(std::sync::atomic::Ordering::SeqCst) == 1);
                change(&mutex);
            });
            (mutex, page, sleeper)
        },
        |(mutex, page, sleeper)| {
            let (outer, inner) = (mutex.lock().unwrap(), mutex.lock().unwrap());
            page[0].store(1, std::sync::atomic::Ordering::SeqCst);
            until(WAIT, "the sleeper", || is_asleep(sleeper.pid()));
            explore_from_here();
            drop(outer);
            drop(inner);
        },
        |(mutex, _page, mut sleeper), point| {
            let end = sleeper.wait_timeout(WAIT);
            assert_eq!(end, Some(Outcome::Exited(0)), "the sleeper hangs: {point}");
            change(&mutex);
        },
    );
    println!("| reentrant: unlock twice to a sleeper     {report}");
    assert_eq!(report.end, End::Finished);
}
