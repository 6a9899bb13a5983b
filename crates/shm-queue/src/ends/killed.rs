//! Whoever is killed while he closes a queue: all who wait at its ends are told, or it is open.
//!
//! Inside the crate, where no slice would end a sleep that has lost its wake-up.

use std::cell::RefCell;
use std::time::Duration;

use testkit::{
    Child, End, Limits, Outcome, fork, is_asleep, kill_at_every_instruction, until, watchdog,
};

use crate::{Receiver, RecvError, Sender, bounded};

const WAIT: Duration = Duration::from_secs(10);

struct Scene {
    tx: Sender<u32>,
    full: Sender<u32>,
    rx: Receiver<u32>,
    full_rx: Receiver<u32>,
    sleepers: RefCell<Vec<Child>>,
}

/// Two receivers that wait in an empty queue, and two senders that wait in a full one.
fn sleepers() -> Scene {
    let (tx, rx) = bounded::<u32>(1).unwrap();
    let (full, full_rx) = bounded::<u32>(1).unwrap();
    full.send(0).unwrap();
    let mut all = Vec::new();
    for _ in 0..2 {
        all.push(fork(|| assert_eq!(rx.recv(), Err(RecvError))));
        all.push(fork(|| assert_eq!(full.send(1).unwrap_err().into_inner(), 1)));
    }
    for child in &all {
        until(WAIT, "the sleep", || is_asleep(child.pid()));
    }
    Scene { tx, full, rx, full_rx, sleepers: RefCell::new(all) }
}

/// The one who closes is killed at every instruction: either it is closed and all know, or it is open.
#[test]
fn all_who_wait_are_told_in_one_step() {
    let _dog = watchdog(Duration::from_secs(200));
    let report = kill_at_every_instruction(
        Limits::default(),
        sleepers,
        |scene| {
            scene.tx.close();
            scene.full_rx.close();
        },
        |scene, point| {
            for (closed, queue) in [(scene.rx.is_closed(), 0), (scene.full.is_closed(), 1)] {
                assert!(closed || !point.finished);
                let mut sleepers = scene.sleepers.borrow_mut();
                let waiting = sleepers.iter_mut().skip(queue).step_by(2);
                if !closed {
                    waiting.for_each(|child| assert_eq!(child.wait_timeout(Duration::ZERO), None));
                    if queue == 0 {
                        scene.rx.close()
                    } else {
                        scene.full.close()
                    };
                }
                for child in sleepers.iter_mut().skip(queue).step_by(2) {
                    assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "not told");
                }
            }
        },
    );
    assert_eq!(report.end, End::Finished);
}
