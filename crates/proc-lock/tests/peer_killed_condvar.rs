//! Whoever is killed at whatever instruction of waiting and notifying: the others go on, and no
//! notification is eaten for good.
//!
//! The same scenarios run over a condvar that wakes one sleeper and leaves it at that, in which they must
//! find the notification that died with the one it woke.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::deadline::{Deadline, without_slices};
use multiproc_core::futex;
use proc_lock::{Condvar, Mutex};
use std::cell::RefCell;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, assert_caught, explore_from_here,
    fork, is_asleep, kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// What the scenarios need of a condvar.
trait Calls {
    /// How long those who wait are given after a kill.
    const PATIENCE: Duration = WAIT;
    fn new() -> Self;
    /// Takes one of the items; whether an owner died while it waited.
    fn take(&self, items: &Mutex<u32>) -> bool;
    fn notify_one(&self);
    fn notify_all(&self);
}

impl Calls for Condvar {
    fn new() -> Self {
        Condvar::new().unwrap()
    }

    fn take(&self, items: &Mutex<u32>) -> bool {
        let Ok(guard) = items.lock() else { return true };
        match self.wait_while(guard, |items| *items == 0) {
            Ok(mut items) => {
                *items -= 1;
                false
            }
            Err(_) => true,
        }
    }

    fn notify_one(&self) {
        Condvar::notify_one(self);
    }

    fn notify_all(&self) {
        Condvar::notify_all(self);
    }
}

/// The control: the usual sequence word. Even its notification is one step.
struct Naive(SharedPage);

impl Calls for Naive {
    const PATIENCE: Duration = Duration::from_secs(2);

    fn new() -> Self {
        Self(SharedPage::new(1))
    }

    fn take(&self, items: &Mutex<u32>) -> bool {
        let word = futex::low_half(&self.0[0]);
        loop {
            let Ok(mut items) = items.lock() else { return true };
            if *items > 0 {
                *items -= 1;
                return false;
            }
            let seen = word.load(SeqCst);
            drop(items);
            futex::wait(word, seen, Deadline::NEVER);
        }
    }

    fn notify_one(&self) {
        futex::add_and_wake(futex::low_half(&self.0[0]), 1, 1);
    }

    fn notify_all(&self) {
        futex::add_and_wake(futex::low_half(&self.0[0]), 1, futex::ALL);
    }
}

/// What a scenario works with: no items at first, and processes that wait for one each.
struct Scene<C> {
    items: Mutex<u32>,
    calls: C,
    page: SharedPage,
    takers: RefCell<Vec<Child>>,
}

// The cells of the page.
const KNOWN: usize = 0;
const ROUSE: usize = 1;
const GOING: usize = 2;

impl<C: Calls> Scene<C> {
    fn new() -> Self {
        without_slices();
        let (items, takers) = (Mutex::new(0).unwrap(), RefCell::default());
        let scene = Self { items, calls: C::new(), page: SharedPage::new(3), takers };
        // What a process does the first time is not the subject.
        scene.give(C::notify_one, 0);
        drop(scene.items.lock_timeout(WAIT));
        scene
    }

    fn with_takers(count: usize) -> Self {
        let scene = Self::new();
        (0..count).for_each(|_| scene.start_taker());
        scene
    }

    /// Starts a process that sleeps for an item when this returns.
    fn start_taker(&self) {
        let child = fork(|| {
            self.calls.take(&self.items);
        });
        until(WAIT, "the taker's sleep", || is_asleep(child.pid()));
        self.takers.borrow_mut().push(child);
    }

    /// Starts a process that has used the condvar when this returns, and waits to be roused.
    fn start_known_taker(&self) {
        let child = fork(|| {
            self.calls.notify_one();
            self.page[KNOWN].store(1, SeqCst);
            while self.page[ROUSE].load(SeqCst) == 0 {
                futex::wait(futex::low_half(&self.page[ROUSE]), 0, Deadline::NEVER);
            }
            self.page[GOING].store(1, SeqCst);
            self.calls.take(&self.items);
        });
        until(WAIT, "the taker", || self.page[KNOWN].load(SeqCst) == 1);
        self.takers.borrow_mut().push(child);
    }

    /// Lets it go to sleep for an item, the first time.
    fn rouse_taker(&self) {
        if self.page[ROUSE].swap(1, SeqCst) == 1 {
            return;
        }
        futex::wake(futex::low_half(&self.page[ROUSE]), 1);
        let mut takers = self.takers.borrow_mut();
        until(WAIT, "its sleep", || self.page[GOING].load(SeqCst) == 1);
        until(WAIT, "its sleep or end", || {
            is_asleep(takers[0].pid()) || takers[0].try_wait().is_some()
        });
    }

    fn give(&self, notify: impl FnOnce(&C), items: u32) {
        *self.items.lock_or_recover(|_| ()) += items;
        notify(&self.calls);
    }

    /// After the kill: each taker takes what is there, or is told of a death, without any help; those
    /// for whom nothing is there sleep on, and take what is given then.
    fn all_go_on(&self, point: KillPoint) {
        self.go_on_if(point, true);
    }

    /// As above; `known` says whether the dead one had used the condvar before.
    fn go_on_if(&self, point: KillPoint, known: bool) {
        let mut takers = self.takers.take();
        let count = u32::try_from(takers.len()).unwrap();
        let (mut left, told) = match self.items.lock() {
            Ok(items) => (*items, false),
            Err(error) => (*error.into_inner(), true),
        };
        let mut ended = 0;
        let enough = if told && known { count } else { left.min(count) };
        let start = std::time::Instant::now();
        while ended < enough && start.elapsed() < C::PATIENCE {
            ended += 1;
            let one =
                takers.iter_mut().position(|taker| taker.wait_timeout(Duration::ZERO).is_some());
            match one {
                Some(one) => drop(takers.remove(one)),
                None => {
                    ended -= 1;
                    std::thread::sleep(Duration::from_micros(100));
                }
            }
        }
        // Some may have taken theirs before this process looked.
        left = left.saturating_sub(ended);
        assert!(
            ended == enough,
            "a taker hangs, {ended} of {enough} went on, {left} left: {point}"
        );
        self.give(C::notify_all, count);
        for taker in &mut takers {
            assert_eq!(
                taker.wait_timeout(WAIT),
                Some(Outcome::Exited(0)),
                "hangs at last: {point}"
            );
        }
    }
}

/// The victim sleeps first, another sleeps behind it; an item is there, and the victim is notified.
fn woken<C: Calls>() -> Report {
    let limits = Limits {
        from_mark: true,
        on_sleep: Some(Box::new(|scene: &Scene<C>| {
            scene.rouse_taker();
            scene.give(C::notify_one, 1);
        })),
        // Some five thousand instructions, and two more processes at each point: every third in this test.
        stride: Limits::<Scene<C>>::default().stride * 3,
        ..Limits::default()
    };
    let victim = |scene: &Scene<C>| {
        // Takes its place, which is another scenario: all wake up then, and would overtake it.
        scene.calls.notify_one();
        explore_from_here();
        scene.calls.take(&scene.items);
    };
    let setup = || {
        let scene = Scene::<C>::new();
        scene.start_known_taker();
        scene
    };
    kill_at_every_instruction(limits, setup, victim, |scene, point| {
        // It was killed before it slept.
        scene.rouse_taker();
        scene.all_go_on(point);
    })
}

/// The victim gives items and notifies; before unlocking, or after.
fn notifier<C: Calls>(sleepers: u32, notify: fn(&C), inside: bool) -> Report {
    kill_at_every_instruction(
        Limits { from_mark: true, ..Limits::default() },
        || Scene::<C>::with_takers(sleepers as usize),
        |scene| {
            scene.calls.notify_one();
            explore_from_here();
            if inside {
                let mut items = scene.items.lock().unwrap();
                *items += sleepers;
                notify(&scene.calls);
            } else {
                *scene.items.lock().unwrap() += sleepers;
                notify(&scene.calls);
            }
        },
        |scene, point| scene.all_go_on(point),
    )
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("| {what:<40} {report}");
    assert_eq!(report.end, End::Finished);
}

#[test]
fn notified_and_killed() {
    passes("woken to take", woken::<Condvar>);
}

#[test]
fn notifying_one_under_the_mutex() {
    passes("notify one, inside", || notifier::<Condvar>(1, Condvar::notify_one, true));
}

#[test]
fn notifying_one_after_the_mutex() {
    passes("notify one, after", || notifier::<Condvar>(1, Condvar::notify_one, false));
}

#[test]
fn notifying_all() {
    passes("notify all", || notifier::<Condvar>(2, Condvar::notify_all, false));
}

#[test]
fn coming_to_wait_for_the_first_time() {
    passes("first wait", || {
        let limits = Limits {
            stride: 7,
            on_sleep: Some(Box::new(|scene: &Scene<Condvar>| {
                scene.give(Condvar::notify_one, 2);
            })),
            ..Limits::default()
        };
        kill_at_every_instruction(
            limits,
            || Scene::<Condvar>::with_takers(1),
            |scene| {
                scene.calls.take(&scene.items);
            },
            |scene, point| scene.go_on_if(point, false),
        )
    });
}

#[test]
fn a_notification_that_dies_with_who_was_woken_is_caught() {
    let _dog = watchdog(DOG);
    assert_caught(woken::<Naive>, "a taker hangs");
}
