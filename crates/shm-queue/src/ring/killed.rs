//! A wake-up is never lost, whoever is killed, and these tests would see it if it were.
//!
//! Outside the unit tests a leader looks around now and then, so a lost wake-up would only make it late.
//! Here it would sleep on. The control publishes and wakes in two steps.

use core::cell::{Cell, RefCell};
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::{Release, SeqCst};
use core::time::Duration;

use core::fmt::Debug;
use std::rc::Rc;
use std::thread::LocalKey;

use multiproc_core::futex;
use testkit::{
    Child, End, Limits, Outcome, Report, SharedPage, assert_caught, fork, is_asleep,
    kill_at_every_instruction, until, watchdog,
};

use crate::{ByteReceiver, ByteSender, Receiver, Sender, bounded, bounded_bytes};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

thread_local! {
    /// Whether this thread, and what it forks, publishes in two steps.
    static TWO_STEPS: Cell<bool> = const { Cell::new(false) };
    /// Whether it sleeps without outlasting who is inside.
    static MARK_ALONE: Cell<bool> = const { Cell::new(false) };
    /// What it does once, having seen nobody asleep, before it publishes.
    static BETWEEN: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// The second control: a leader that takes its mark for enough.
pub(super) fn trusts_the_mark_alone() -> bool {
    MARK_ALONE.get()
}

pub(super) fn between_look_and_store() {
    let _ = BETWEEN.try_with(|act| act.take().map(|act| act()));
}

pub(super) fn in_two_steps() -> bool {
    TWO_STEPS.get()
}

/// The control: what a queue looks like when its author has not thought of SIGKILL.
pub(super) fn publish_then_wake(word: &AtomicU32, to: u32) {
    word.store(to, Release);
    futex::wake(word, 1);
}

/// How long a process that has something to do is given.
fn patience() -> Duration {
    if in_two_steps() || MARK_ALONE.get() { Duration::from_secs(2) } else { WAIT }
}

fn start_sleeper(body: impl FnOnce()) -> Child {
    let child = fork(body);
    until(WAIT, "the other's sleep", || is_asleep(child.pid()));
    child
}

/// Kills a victim that sends at every instruction, while a receiver sleeps.
fn send_to_a_sleeper() -> Report {
    struct Scene(Sender<u64>, Receiver<u64>, Child);
    kill_at_every_instruction(
        Limits::default(),
        || {
            let (tx, rx) = bounded::<u64>(2).unwrap();
            let child = start_sleeper(|| assert!(rx.recv().is_ok()));
            Scene(tx, rx, child)
        },
        |Scene(tx, ..)| tx.send(1).unwrap(),
        |Scene(tx, rx, mut child), point| {
            let mut sent = point.finished;
            if rx.is_empty() && child.wait_timeout(Duration::ZERO).is_none() && !sent {
                // Nothing was committed, or the sleeper has it and is about to end: another does no harm.
                tx.send(2).unwrap();
                sent = true;
            }
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "the receiver sleeps on, sent: {sent}");
        },
    )
}

/// Kills a victim that sends `n` at once at every instruction, while a receiver sleeps.
fn send_many_to_a_sleeper(n: u8) -> Report {
    struct Scene(Sender<u8>, Receiver<u8>, Child);
    // More than one system call publishes, so that there is a place between two publications.
    let all: Vec<u8> = (0..3_000u32).map(|i| (i % u32::from(n)) as u8).collect();
    let all = &all[..if n < 100 { n.into() } else { all.len() }];
    kill_at_every_instruction(
        Limits::default(),
        || {
            let (tx, rx) = bounded::<u8>(4_096).unwrap();
            let child = start_sleeper(|| assert_eq!(rx.recv(), Ok(0)));
            Scene(tx, rx, child)
        },
        |Scene(tx, ..)| assert_eq!(tx.send_many(all), Ok(all.len())),
        |Scene(tx, rx, mut child), point| {
            if rx.is_empty() && child.wait_timeout(Duration::ZERO).is_none() {
                tx.send(0).unwrap();
            }
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "the receiver sleeps on");
            let rest: Vec<_> = rx.try_iter().collect();
            assert!(all[1..].starts_with(&rest), "{rest:?}");
            assert!([0, 2_046, all.len() - 1].contains(&rest.len()), "{}", rest.len());
            assert!(!point.finished || rest.len() == all.len() - 1);
        },
    )
}

/// Kills a victim that receives several at once at every instruction, while a sender sleeps.
fn receive_many_from_a_sleeper() -> Report {
    struct Scene(Receiver<u64>, Child);
    kill_at_every_instruction(
        Limits::default(),
        || {
            let (tx, rx) = bounded::<u64>(3).unwrap();
            assert_eq!(tx.send_many(&[1, 2, 3]), Ok(3));
            let child = start_sleeper(|| tx.send(4).unwrap());
            Scene(rx, child)
        },
        |Scene(rx, _)| {
            let mut got = Vec::new();
            assert_eq!(rx.recv_many(&mut got, 2), Ok(2));
        },
        |Scene(rx, mut child), _| {
            if rx.len() == 3 && child.wait_timeout(Duration::from_millis(20)).is_none() {
                assert!(rx.recv().is_ok());
            }
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "the sender sleeps on");
            let rest: Vec<_> = rx.try_iter().collect();
            assert!(rest == [2, 3, 4] || rest == [3, 4], "{rest:?}");
        },
    )
}

/// Kills a victim that receives at every instruction, while a sender sleeps.
fn receive_from_a_sleeper() -> Report {
    struct Scene(Receiver<u64>, Child);
    kill_at_every_instruction(
        Limits::default(),
        || {
            let (tx, rx) = bounded::<u64>(1).unwrap();
            tx.send(1).unwrap();
            let child = start_sleeper(|| tx.send(2).unwrap());
            Scene(rx, child)
        },
        |Scene(rx, _)| assert_eq!(rx.recv(), Ok(1)),
        |Scene(rx, mut child), _| {
            if rx.len() == 1 && child.wait_timeout(Duration::from_millis(20)).is_none() {
                assert!(rx.recv().is_ok());
            }
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "the sender sleeps on");
        },
    )
}

/// As above, with a sender that is woken to see that there is not yet room enough.
fn receive_bytes_from_a_sleeper() -> Report {
    struct Scene(ByteReceiver, ByteSender, Child);
    kill_at_every_instruction(
        Limits::default(),
        || {
            let (tx, rx) = bounded_bytes(8, 96).unwrap();
            for i in 0..3 {
                tx.send(&[i; 32]).unwrap();
            }
            let child = start_sleeper(|| tx.send(&[3; 64]).unwrap());
            Scene(rx, tx, child)
        },
        |Scene(rx, ..)| assert_eq!(rx.recv().unwrap(), [0; 32]),
        |Scene(rx, _tx, mut child), _| {
            // It fits once only the last of the three is there.
            while rx.len() > 1 && child.wait_timeout(Duration::ZERO).is_none() {
                assert_ne!(rx.recv().unwrap(), [3; 64]);
            }
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "the sender sleeps on");
            let mut last = Vec::new();
            while rx.try_recv().map(|message| last = message).is_ok() {}
            assert_eq!(last, [3; 64]);
        },
    )
}

/// Kills a victim that sends at every instruction, just after a receiver came that finds it inside.
fn send_while_a_leader_comes() -> Report {
    struct Scene(Sender<u64>, Receiver<u64>, RefCell<Option<Child>>);
    let limits = Limits {
        before_kill: Some(Box::new(|Scene(_, rx, leader): &Scene, _| {
            let mut child = fork(|| assert!(rx.recv().is_ok()));
            until(WAIT, "the other's sleep", || {
                is_asleep(child.pid()) || child.wait_timeout(Duration::ZERO).is_some()
            });
            leader.replace(Some(child));
        })),
        ..Limits::default()
    };
    kill_at_every_instruction(
        limits,
        || {
            let (tx, rx) = bounded::<u64>(2).unwrap();
            Scene(tx, rx, RefCell::default())
        },
        |Scene(tx, ..)| tx.send(1).unwrap(),
        |Scene(tx, rx, leader), _| {
            let mut child = leader.take().unwrap();
            if rx.is_empty() && child.wait_timeout(Duration::from_millis(5)).is_none() {
                tx.send(2).unwrap();
            }
            let end = child.wait_timeout(patience());
            assert_eq!(end, Some(Outcome::Exited(0)), "the receiver sleeps on");
        },
    )
}

/// A sender is about to publish when a receiver comes, and does it once that one waits.
fn publish_when_a_leader_has_come() {
    let (tx, rx) = bounded::<u64>(2).unwrap();
    let page = Rc::new(SharedPage::new(2));
    let sender = fork(|| {
        let page = Rc::clone(&page);
        BETWEEN.set(Some(Box::new(move || {
            page[0].store(1, SeqCst);
            until(WAIT, "the receiver's coming", || page[1].load(SeqCst) == 1);
        })));
        tx.send(1).unwrap();
    });
    until(WAIT, "the sender's coming", || page[0].load(SeqCst) == 1);
    let mut receiver = start_sleeper(|| assert_eq!(rx.recv(), Ok(1)));
    page[1].store(1, SeqCst);
    sender.assert_ok();
    let end = receiver.wait_timeout(patience());
    assert_eq!(end, Some(Outcome::Exited(0)), "the receiver sleeps on");
}

fn passes(explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    assert_eq!(explore().end, End::Finished);
}

fn is_caught<T: Debug>(
    mistake: &'static LocalKey<Cell<bool>>,
    explore: impl FnOnce() -> T,
    what: &str,
) {
    let _dog = watchdog(DOG);
    mistake.set(true);
    assert_caught(explore, what);
    mistake.set(false);
}

#[test]
fn sending_to_a_sleeper() {
    passes(send_to_a_sleeper);
}

#[test]
fn sending_many_to_a_sleeper() {
    passes(|| send_many_to_a_sleeper(5));
    passes(|| send_many_to_a_sleeper(200));
}

#[test]
fn receiving_many_from_a_sleeper() {
    passes(receive_many_from_a_sleeper);
}

#[test]
fn receiving_from_a_sleeper() {
    passes(receive_from_a_sleeper);
}

#[test]
fn receiving_bytes_from_a_sleeper() {
    passes(receive_bytes_from_a_sleeper);
}

#[test]
fn sending_when_a_leader_comes() {
    passes(send_while_a_leader_comes);
    let _dog = watchdog(DOG);
    publish_when_a_leader_has_come();
}

#[test]
fn sleeping_without_outlasting_is_caught() {
    is_caught(&MARK_ALONE, publish_when_a_leader_has_come, "the receiver sleeps on");
}

#[test]
fn publishing_before_waking_is_caught() {
    is_caught(&TWO_STEPS, send_to_a_sleeper, "the receiver sleeps on");
    is_caught(&TWO_STEPS, receive_from_a_sleeper, "the sender sleeps on");
}
