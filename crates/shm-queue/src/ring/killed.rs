//! A wake-up is never lost, whoever is killed, and these tests would see it if it were.
//!
//! Outside the unit tests a leader looks around every tenth of a second, so a lost wake-up would only
//! make it late. Here it would sleep on. The control publishes and wakes in two steps.

use core::cell::Cell;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::AcqRel;
use core::time::Duration;

use std::panic::{AssertUnwindSafe, catch_unwind};

use multiproc_core::futex;
use testkit::{
    Child, End, Limits, Outcome, Report, fork, is_asleep, kill_at_every_instruction, until,
    watchdog,
};

use crate::{ByteReceiver, ByteSender, Receiver, Sender, bounded, bounded_bytes};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);

thread_local! {
    /// Whether this thread, and what it forks, publishes in two steps.
    static TWO_STEPS: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn in_two_steps() -> bool {
    TWO_STEPS.get()
}

/// The control: what a queue looks like when its author has not thought of SIGKILL.
pub(super) fn publish_then_wake(word: &AtomicU32, n: u16) {
    word.fetch_add(2 * u32::from(n) - 1, AcqRel);
    futex::wake(word, 1);
}

/// How long a process that has something to do is given.
fn patience() -> Duration {
    if in_two_steps() { Duration::from_secs(2) } else { WAIT }
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
        Limits { stride: 1, ..Limits::default() }, // Also for the control.
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

/// Kills a victim that receives at every instruction, while a sender sleeps.
fn receive_from_a_sleeper() -> Report {
    struct Scene(Receiver<u64>, Child);
    kill_at_every_instruction(
        Limits { stride: 1, ..Limits::default() }, // Also for the control.
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
        Limits { stride: 1, ..Limits::default() }, // Also for the control.
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

fn passes(explore: impl FnOnce() -> Report) {
    let _dog = watchdog(DOG);
    assert_eq!(explore().end, End::Finished);
}

fn is_caught(explore: impl FnOnce() -> Report, what: &str) {
    let _dog = watchdog(DOG);
    TWO_STEPS.set(true);
    let caught = catch_unwind(AssertUnwindSafe(explore));
    TWO_STEPS.set(false);
    let message = caught.map(|report| report.to_string()).unwrap_err();
    let message = message.downcast_ref::<String>().unwrap();
    assert!(message.contains(what), "{message}");
}

#[test]
fn sending_to_a_sleeper() {
    passes(send_to_a_sleeper);
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
fn publishing_before_waking_is_caught() {
    is_caught(send_to_a_sleeper, "the receiver sleeps on");
    is_caught(receive_from_a_sleeper, "the sender sleeps on");
}
