//! Whoever is killed at whatever instruction of acquire and release: the others go on.
//!
//! No waiter looks around by itself in these tests, so a wake-up that is lost shows as a hang. The same
//! scenario runs over a semaphore that adds first and wakes then, in which it must find the sleeper that
//! nobody woke: a control that the test can see what it looks for.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::{deadline::Deadline, deadline::without_slices, futex};
use proc_semaphore::{BoundedSemaphore, Semaphore};
use std::cell::RefCell;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, assert_caught, fork, is_asleep,
    kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// More than the kernel adds in one step.
const MANY: u32 = 5_000;

trait Permits {
    /// How long a waiter for whom there are permits is given.
    const PATIENCE: Duration = WAIT;
    fn empty() -> Self;
    fn acquire(&self, n: u32);
    fn try_acquire(&self, n: u32) -> bool;
    fn release(&self, n: u32);
    fn value(&self) -> u32;
}

impl Permits for Semaphore {
    fn empty() -> Self {
        Semaphore::new(0).unwrap()
    }

    fn acquire(&self, n: u32) {
        self.acquire_many(n).unwrap();
    }

    fn try_acquire(&self, n: u32) -> bool {
        self.try_acquire_many(n)
    }

    fn release(&self, n: u32) {
        self.release_many(n).unwrap();
    }

    fn value(&self) -> u32 {
        Semaphore::value(self)
    }
}

impl Permits for BoundedSemaphore {
    fn empty() -> Self {
        let semaphore = BoundedSemaphore::new(2 * MANY).unwrap();
        semaphore.acquire_many(2 * MANY).unwrap();
        semaphore
    }

    fn acquire(&self, n: u32) {
        self.acquire_many(n).unwrap();
    }

    fn try_acquire(&self, n: u32) -> bool {
        self.try_acquire_many(n)
    }

    fn release(&self, n: u32) {
        self.release_many(n).unwrap();
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

    fn acquire(&self, n: u32) {
        while !self.try_acquire(n) {
            futex::wait(futex::low_half(&self.0[0]), self.value(), Deadline::NEVER);
        }
    }

    fn try_acquire(&self, n: u32) -> bool {
        let seen = self.value();
        let less = seen.checked_sub(n).map(u64::from);
        less.is_some_and(|n| self.0[0].compare_exchange(seen.into(), n, SeqCst, SeqCst).is_ok())
    }

    fn release(&self, n: u32) {
        self.0[0].fetch_add(n.into(), SeqCst);
        futex::wake(futex::low_half(&self.0[0]), 1);
    }

    fn value(&self) -> u32 {
        u32::try_from(self.0[0].load(SeqCst)).unwrap()
    }
}

/// What a scenario works with: no permits at first, and processes that wait for some.
struct Scene<P> {
    permits: P,
    waiters: RefCell<Vec<(u32, Child)>>,
}

impl<P: Permits> Scene<P> {
    fn new() -> Self {
        let permits = P::empty();
        // What a process does the first time is not the subject.
        permits.release(1);
        permits.acquire(1);
        Self { permits, waiters: RefCell::default() }
    }

    /// Starts a process that sleeps for `n` permits when this returns.
    fn start_waiter(&self, n: u32) {
        let child = fork(|| self.permits.acquire(n));
        until(WAIT, "the waiter's sleep", || is_asleep(child.pid()));
        self.waiters.borrow_mut().push((n, child));
    }

    /// Each waiter gets what it waits for: there already, or else released now, one by one.
    /// Returns how many were released.
    fn all_go_on(&self, point: KillPoint) -> u32 {
        let mut released = 0;
        for (n, mut child) in self.waiters.take() {
            while self.permits.value() < n && child.wait_timeout(Duration::ZERO).is_none() {
                // It may be on its way with the last permits; more of them do no harm.
                let missing = n.saturating_sub(self.permits.value()).max(1);
                self.permits.release(missing);
                released += missing;
            }
            let end = child.wait_timeout(P::PATIENCE);
            assert_eq!(end, Some(Outcome::Exited(0)), "a waiter hangs: {point}");
        }
        released
    }
}

/// The victim releases `n` permits while others wait for `wants`, the first of them asleep on the word.
fn release_to<P: Permits>(n: u32, wants: &[u32]) -> Report {
    let wanted: u32 = wants.iter().sum();
    kill_at_every_instruction(
        Limits::default(),
        || {
            let scene = Scene::<P>::new();
            wants.iter().for_each(|n| scene.start_waiter(*n));
            scene
        },
        |scene| scene.permits.release(n),
        |scene, point| {
            let released = scene.all_go_on(point);
            // The victim's own permits: there were all of them or none.
            let all = scene.permits.value() + wanted - released;
            assert!(all == n || (all == 0 && !point.finished), "{all} of {n} were released");
        },
    )
}

/// As above, and when the victim stands at the kill point another takes what is there.
fn release_to_a_barger<P: Permits>(n: u32) -> Report {
    let taken = RefCell::new(false);
    kill_at_every_instruction(
        Limits {
            before_kill: Some(Box::new(|scene: &Scene<P>, _| {
                taken.replace(scene.permits.try_acquire(1));
            })),
            ..Limits::default()
        },
        || {
            let scene = Scene::<P>::new();
            scene.start_waiter(n);
            scene
        },
        |scene| scene.permits.release(n),
        |scene, point| {
            if taken.take() {
                scene.permits.release(1);
            }
            scene.all_go_on(point);
        },
    )
}

/// The victim is the one who sleeps on the word, another waits behind it; both get what they want.
fn woken_to_acquire<P: Permits>(n: u32) -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|scene: &Scene<P>| {
            scene.start_waiter(1);
            (0..=n).for_each(|_| scene.permits.release(1));
        })),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        Scene::<P>::new,
        |scene| scene.permits.acquire(n),
        |scene, point| {
            scene.all_go_on(point);
            // Still a working semaphore for newcomers.
            scene.permits.release(n);
            let mut child = fork(|| scene.permits.acquire(n));
            assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a newcomer hangs");
        },
    )
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    without_slices();
    // Nor are the first spin and look at the clock.
    assert!(!Semaphore::new(0).unwrap().acquire_timeout(Duration::ZERO));
    let report = explore();
    println!("| {what:<40} {report}");
    assert_eq!(report.end, End::Finished);
}

fn alone<P: Permits>(n: u32) -> Report {
    kill_at_every_instruction(
        Limits::default(),
        || {
            let scene = Scene::<P>::new();
            scene.permits.release(n);
            scene
        },
        |scene| {
            scene.permits.acquire(n);
            scene.permits.release(n);
        },
        |scene, _| {
            let value = scene.permits.value();
            assert!(value == n || value == 0, "{value} of {n} permits");
        },
    )
}

#[test]
fn acquiring_and_releasing_alone() {
    passes("acquire, release", || alone::<Semaphore>(1));
    passes("acquire, release 3, bounded", || alone::<BoundedSemaphore>(3));
}

#[test]
fn releasing_to_a_waiter() {
    passes("release to a waiter", || release_to::<Semaphore>(1, &[1]));
    passes("release to a waiter, bounded", || release_to::<BoundedSemaphore>(1, &[1]));
}

#[test]
fn releasing_many_to_a_waiter() {
    passes("release 3 to one who wants 3", || release_to::<Semaphore>(3, &[3]));
    passes("the same, bounded", || release_to::<BoundedSemaphore>(3, &[3]));
    passes("release 5,000 to one who wants 5,000", || release_to::<Semaphore>(MANY, &[MANY]));
}

#[test]
fn releasing_fewer_than_the_waiter_wants() {
    passes("release 2 to one who wants 3", || release_to::<Semaphore>(2, &[3]));
    passes("the same, bounded", || release_to::<BoundedSemaphore>(2, &[3]));
}

#[test]
fn releasing_to_a_line() {
    passes("release 3 to 1, 1 and 1 in line", || release_to::<Semaphore>(3, &[1, 1, 1]));
    passes("release 3 to 2 and 1, bounded", || release_to::<BoundedSemaphore>(3, &[2, 1]));
}

#[test]
fn releasing_while_a_barger_takes_it() {
    passes("release to a waiter, and a barger", || release_to_a_barger::<Semaphore>(1));
    passes("release 2 to a waiter, and a barger", || release_to_a_barger::<Semaphore>(2));
    passes("the same, bounded", || release_to_a_barger::<BoundedSemaphore>(2));
}

#[test]
fn woken_for_a_permit() {
    passes("woken to acquire", || woken_to_acquire::<Semaphore>(1));
}

#[test]
fn woken_for_many() {
    passes("woken to acquire 3", || woken_to_acquire::<Semaphore>(3));
    passes("the same, bounded", || woken_to_acquire::<BoundedSemaphore>(3));
}

/// The victim waits for three of two until its time is over; then comes one who wants one.
#[test]
fn giving_up() {
    passes("wait for 3 of 2 and give up", || {
        kill_at_every_instruction(
            Limits::default(),
            || {
                let scene = Scene::<Semaphore>::new();
                scene.permits.release_many(2).unwrap();
                scene
            },
            // Too short to be seen as a sleep.
            |scene| {
                let wait = Duration::from_millis(3);
                assert!(!scene.permits.acquire_many_timeout(3, wait));
            },
            |scene, _| {
                assert_eq!(scene.permits.value(), 2);
                let mut newcomer = fork(|| scene.permits.acquire());
                let end = newcomer.wait_timeout(WAIT);
                assert_eq!(end, Some(Outcome::Exited(0)), "a newcomer hangs");
            },
        )
    });
}

#[test]
fn adding_before_waking_is_caught() {
    let _dog = watchdog(DOG);
    assert_caught(|| release_to::<AddThenWake>(1, &[1]), "a waiter hangs");
}
