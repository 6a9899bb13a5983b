//! Whoever is killed while messages are done, and while somebody waits for that: nobody sleeps on.
//!
//! Inside the crate, where no slice would end a sleep that has lost its wake-up.

use std::time::Duration;

use testkit::{
    Child, End, Limits, Outcome, fork, is_asleep, kill_at_every_instruction, until, watchdog,
};

use crate::{Receiver, Sender, TaskDoneError, bounded};

const WAIT: Duration = Duration::from_secs(10);

/// Two who wait are woken by the last one that is done, killed where it may be.
#[test]
fn killed_while_saying_that_it_is_done() {
    let _dog = watchdog(Duration::from_secs(200));
    struct Scene(Sender<u32>, Receiver<u32>, [Child; 2]);
    let setup = || {
        let (tx, rx) = bounded(4).unwrap();
        tx.send(1).unwrap();
        tx.send(2).unwrap();
        rx.recv().unwrap();
        rx.recv().unwrap();
        let waiting = [(); 2].map(|()| fork(|| tx.join().unwrap()));
        for child in &waiting {
            until(WAIT, "the sleep", || is_asleep(child.pid()));
        }
        Scene(tx, rx, waiting)
    };
    let report = kill_at_every_instruction(
        Limits::default(),
        setup,
        |Scene(_, rx, _)| {
            rx.task_done().unwrap();
            rx.task_done().unwrap();
        },
        |Scene(tx, rx, waiting), point| {
            let left = tx.unfinished();
            assert!(left == 0 || !point.finished);
            (0..left).for_each(|_| rx.task_done().unwrap());
            assert_eq!(rx.task_done(), Err(TaskDoneError));
            for mut child in waiting {
                assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "it sleeps on");
            }
        },
    );
    assert_eq!(report.end, End::Finished);
}

/// One of two who wait is killed, where it may be.
#[test]
fn killed_while_waiting() {
    let _dog = watchdog(Duration::from_secs(200));
    struct Scene(Sender<u32>, Receiver<u32>, Child);
    let setup = || {
        let (tx, rx) = bounded(4).unwrap();
        tx.send(1).unwrap();
        rx.recv().unwrap();
        let other = fork(|| tx.join().unwrap());
        until(WAIT, "the sleep", || is_asleep(other.pid()));
        Scene(tx, rx, other)
    };
    let limits = Limits {
        on_sleep: Some(Box::new(|Scene(_, rx, _): &Scene| rx.task_done().unwrap())),
        ..Limits::default()
    };
    let report = kill_at_every_instruction(
        limits,
        setup,
        |Scene(tx, ..)| tx.join().unwrap(),
        |Scene(tx, rx, mut other), _| {
            if tx.unfinished() == 1 {
                rx.task_done().unwrap();
            }
            assert_eq!(other.wait_timeout(WAIT), Some(Outcome::Exited(0)), "it sleeps on");
        },
    );
    assert_eq!(report.end, End::Finished);
}
