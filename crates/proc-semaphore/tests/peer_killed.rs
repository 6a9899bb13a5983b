//! Whoever is killed at whatever instruction of acquire and release: the others go on.
//!
//! The same scenario runs over a semaphore that adds first and wakes then, in which it must find the
//! sleeper that nobody woke: a control that the test can see what it looks for.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::{deadline::Deadline, futex};
use proc_semaphore::{BoundedSemaphore, Semaphore};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, fork, is_asleep,
    kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

trait Permits {
    /// How long a waiter for whom there is a permit is given.
    const PATIENCE: Duration = WAIT;
    fn empty() -> Self;
    fn acquire(&self);
    fn release(&self);
    fn value(&self) -> u32;
}

impl Permits for Semaphore {
    fn empty() -> Self {
        Semaphore::new(0).unwrap()
    }

    fn acquire(&self) {
        Semaphore::acquire(self);
    }

    fn release(&self) {
        Semaphore::release(self).unwrap();
    }

    fn value(&self) -> u32 {
        Semaphore::value(self)
    }
}

impl Permits for BoundedSemaphore {
    fn empty() -> Self {
        let semaphore = BoundedSemaphore::new(3).unwrap();
        for _ in 0..3 {
            semaphore.acquire();
        }
        semaphore
    }

    fn acquire(&self) {
        BoundedSemaphore::acquire(self);
    }

    fn release(&self) {
        BoundedSemaphore::release(self).unwrap();
    }

    fn value(&self) -> u32 {
        BoundedSemaphore::value(self)
    }
}

/// The control: what a semaphore looks like when its author has not thought of SIGKILL.
struct AddThenWake(SharedPage);

impl Permits for AddThenWake {
    const PATIENCE: Duration = Duration::from_secs(2);

    fn empty() -> Self {
        Self(SharedPage::new(1))
    }

    fn acquire(&self) {
        loop {
            let seen = self.0[0].load(SeqCst);
            if seen == 0 {
                futex::wait(futex::low_half(&self.0[0]), 0, Deadline::NEVER);
            } else if self.0[0].compare_exchange(seen, seen - 1, SeqCst, SeqCst).is_ok() {
                return;
            }
        }
    }

    fn release(&self) {
        self.0[0].fetch_add(1, SeqCst);
        futex::wake(futex::low_half(&self.0[0]), 1);
    }

    fn value(&self) -> u32 {
        u32::try_from(self.0[0].load(SeqCst)).unwrap()
    }
}

/// What a scenario works with: no permits at first, and processes that wait for one.
struct Scene<P> {
    permits: P,
    waiters: RefCell<Vec<Child>>,
}

impl<P: Permits> Scene<P> {
    fn new() -> Self {
        let permits = P::empty();
        // What a process does the first time is not the subject.
        permits.release();
        permits.acquire();
        Self { permits, waiters: RefCell::default() }
    }

    /// Starts a process that sleeps for a permit when this returns.
    fn start_waiter(&self) {
        let child = fork(|| self.permits.acquire());
        until(WAIT, "the waiter's sleep", || is_asleep(child.pid()));
        self.waiters.borrow_mut().push(child);
    }

    /// Each waiter gets a permit: one that is there already, or else one that is released now.
    /// Returns how many were released.
    fn all_go_on(&self, point: KillPoint) -> u32 {
        let mut released = 0;
        for mut child in self.waiters.take() {
            if self.permits.value() == 0 && child.wait_timeout(Duration::ZERO).is_none() {
                // It may be on its way with the last permit; a second one does no harm.
                self.permits.release();
                released += 1;
            }
            let end = child.wait_timeout(P::PATIENCE);
            assert_eq!(end, Some(Outcome::Exited(0)), "a waiter hangs: {point}");
        }
        released
    }
}

fn release_to_a_waiter<P: Permits>() -> Report {
    kill_at_every_instruction(
        Limits::default(),
        || {
            let scene = Scene::<P>::new();
            scene.start_waiter();
            scene
        },
        |scene| scene.permits.release(),
        |scene, point| {
            let released = scene.all_go_on(point);
            let left = scene.permits.value();
            // The victim's own permit: there was one or there was none, never half of one.
            assert!(left <= 1 && left <= released, "{left} permits left");
            if point.finished {
                assert_eq!(left, released, "a finished release counts");
            }
        },
    )
}

/// The victim is the one who sleeps on the word, another waits behind it; both get a permit.
fn woken_to_acquire<P: Permits>() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<P>| {
            scene.start_waiter();
            scene.permits.release();
            scene.permits.release();
        })),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        Scene::<P>::new,
        |scene| scene.permits.acquire(),
        |scene, point| {
            scene.all_go_on(point);
            // Still a working semaphore for newcomers.
            scene.permits.release();
            let mut child = fork(|| scene.permits.acquire());
            assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a newcomer hangs");
        },
    )
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("| {what:<40} {report}");
    assert_eq!(report.end, End::Finished);
}

#[test]
fn acquiring_and_releasing_alone() {
    passes("acquire, release", || {
        kill_at_every_instruction(
            Limits::default(),
            || {
                let scene = Scene::<Semaphore>::new();
                scene.permits.release().unwrap();
                scene
            },
            |scene| {
                scene.permits.acquire();
                scene.permits.release().unwrap();
            },
            |scene, _| assert!(scene.permits.value() <= 1),
        )
    });
}

#[test]
fn releasing_to_a_waiter() {
    passes("release to a waiter", release_to_a_waiter::<Semaphore>);
}

#[test]
fn releasing_to_a_waiter_within_bounds() {
    passes("release to a waiter, bounded", release_to_a_waiter::<BoundedSemaphore>);
}

#[test]
fn woken_for_a_permit() {
    passes("woken to acquire", woken_to_acquire::<Semaphore>);
}

#[test]
fn adding_before_waking_is_caught() {
    let _dog = watchdog(DOG);
    let caught = catch_unwind(AssertUnwindSafe(release_to_a_waiter::<AddThenWake>));
    let message = caught.map(|report| report.to_string()).unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains("a waiter hangs"), "{message}");
}
