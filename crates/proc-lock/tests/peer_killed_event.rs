//! Whoever is killed at whatever instruction of setting an event and waiting for it: the others go on.
//!
//! The same scenario runs over an event that stores first and wakes then: it must find the sleeper.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use multiproc_core::{deadline::Deadline, futex};
use proc_lock::{Event, OnceLock};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    Child, End, KillPoint, Limits, Outcome, Report, SharedPage, assert_caught, fork, is_asleep,
    kill_at_every_instruction, until, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

/// What the scenarios need: something that happens once, for which one can wait.
trait Happening {
    /// How long those who wait are given after a kill.
    const PATIENCE: Duration = WAIT;
    fn new() -> Self;
    fn has_come(&self) -> bool;
    fn come(&self);
    fn wait(&self);
}

impl Happening for Event {
    fn new() -> Self {
        Event::new().unwrap()
    }

    fn has_come(&self) -> bool {
        self.is_set()
    }

    fn come(&self) {
        self.set();
    }

    fn wait(&self) {
        Event::wait(self);
    }
}

impl Happening for OnceLock<[u64; 3]> {
    fn new() -> Self {
        OnceLock::new().unwrap()
    }

    fn has_come(&self) -> bool {
        self.get().is_some()
    }

    fn come(&self) {
        self.get_or_init(|| [7; 3]);
    }

    fn wait(&self) {
        assert_eq!(OnceLock::wait(self), [7; 3], "the value is whole");
    }
}

/// The control: what an event looks like when its author has not thought of SIGKILL.
struct StoreThenWake(SharedPage);

impl Happening for StoreThenWake {
    const PATIENCE: Duration = Duration::from_secs(2);

    fn new() -> Self {
        Self(SharedPage::new(1))
    }

    fn has_come(&self) -> bool {
        self.0[0].load(SeqCst) != 0
    }

    fn come(&self) {
        self.0[0].store(1, SeqCst);
        futex::wake(futex::low_half(&self.0[0]), futex::ALL);
    }

    fn wait(&self) {
        while !self.has_come() {
            futex::wait(futex::low_half(&self.0[0]), 0, Deadline::NEVER);
        }
    }
}

fn sleeper<H: Happening>(happening: &H) -> Child {
    let child = fork(|| happening.wait());
    until(WAIT, "the sleep", || is_asleep(child.pid()));
    child
}

/// Both sleepers go by themselves if it has come; else they go when it comes.
fn all_go_on<H: Happening>(happening: &H, sleepers: Vec<Child>, point: KillPoint) {
    let came = happening.has_come();
    for mut child in sleepers {
        if !came {
            happening.come();
        }
        let end = child.wait_timeout(H::PATIENCE);
        assert_eq!(end, Some(Outcome::Exited(0)), "a sleeper hangs: {point}");
    }
}

fn coming_to_sleepers<H: Happening>() -> Report {
    kill_at_every_instruction(
        Limits::default(),
        || {
            let happening = H::new();
            let sleepers = vec![sleeper(&happening), sleeper(&happening)];
            (happening, sleepers)
        },
        |(happening, _)| happening.come(),
        |(happening, sleepers), point| all_go_on(&happening, sleepers, point),
    )
}

fn woken<H: Happening>() -> Report {
    let limits = Limits {
        on_sleep: Some(Box::new(|(happening, sleepers): &(H, std::cell::RefCell<Vec<Child>>)| {
            sleepers.borrow_mut().push(sleeper(happening));
            happening.come();
        })),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        || (H::new(), std::cell::RefCell::default()),
        |(happening, _)| happening.wait(),
        |(happening, sleepers), point| all_go_on(&happening, sleepers.into_inner(), point),
    )
}

fn passes(what: &str, explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    let report = explore();
    println!("| {what:<40} {report}");
    assert_eq!(report.end, End::Finished);
}

#[test]
fn setting_an_event_with_sleepers() {
    passes("event: set to sleepers", coming_to_sleepers::<Event>);
}

#[test]
fn woken_by_an_event() {
    passes("event: woken", woken::<Event>);
}

#[test]
fn clearing_and_setting() {
    passes("event: clear, set", || {
        kill_at_every_instruction(
            Limits::default(),
            || {
                let event = Event::new().unwrap();
                event.set();
                event
            },
            |event| {
                event.clear();
                event.set();
            },
            |event, point| {
                let set = event.is_set();
                assert!(set || !point.finished);
                event.clear();
                let sleepers = vec![sleeper(&event)];
                all_go_on(&event, sleepers, point);
            },
        )
    });
}

#[test]
fn setting_a_value_once_with_sleepers() {
    passes("once: set to sleepers", coming_to_sleepers::<OnceLock<[u64; 3]>>);
}

#[test]
fn woken_by_a_value() {
    passes("once: woken", woken::<OnceLock<[u64; 3]>>);
}

#[test]
fn another_computes_when_the_first_was_killed() {
    passes("once: compute, with one who wants it too", || {
        kill_at_every_instruction(
            Limits::default(),
            || {
                let once = OnceLock::<[u64; 3]>::new().unwrap();
                let started = SharedPage::new(1);
                (once, started)
            },
            |(once, started)| {
                once.get_or_init(|| {
                    started[0].store(1, SeqCst);
                    [7; 3]
                });
            },
            |(once, started), point| {
                let mut child = fork(|| assert_eq!(once.get_or_init(|| [7; 3]), [7; 3]));
                assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "{point}");
                assert!(started[0].load(SeqCst) == 1 || !point.finished);
            },
        )
    });
}

#[test]
fn storing_before_waking_is_caught() {
    let _dog = watchdog(DOG);
    assert_caught(coming_to_sleepers::<StoreThenWake>, "a sleeper hangs");
}
