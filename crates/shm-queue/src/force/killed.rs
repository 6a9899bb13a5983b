//! Whoever is killed while he makes room: those who wait for it are woken, and nothing is doubled.
//!
//! Inside the crate, where no slice would end a sleep that has lost its wake-up.

use std::time::Duration;

use testkit::{End, Limits, Outcome, fork, is_asleep, kill_at_every_instruction, until, watchdog};

use crate::{Receiver, Sender, bounded};

const WAIT: Duration = Duration::from_secs(10);

#[test]
fn killed_anywhere() {
    let _dog = watchdog(Duration::from_secs(200));
    let setup = || {
        let (tx, rx): (Sender<u32>, Receiver<u32>) = bounded(2).unwrap();
        tx.send(1).unwrap();
        tx.send(2).unwrap();
        // Another who waits for room, and may get the place that was made.
        let child = fork(|| tx.send(3).unwrap());
        until(WAIT, "the other's sleep", || is_asleep(child.pid()));
        (tx, rx, child)
    };
    let report = kill_at_every_instruction(
        Limits::default(),
        setup,
        |(tx, ..)| tx.force_send(4, drop).unwrap(),
        |(_tx, rx, mut child), point| {
            let mut left = Vec::new();
            while child.wait_timeout(Duration::ZERO).is_none() || !rx.is_empty() {
                left.extend(rx.recv_timeout(Duration::from_millis(1)));
            }
            assert_eq!(child.wait(), Outcome::Exited(0));
            // The one who waits and the victim may each have taken the place of the other.
            left.retain(|message| *message != 4);
            assert!(left.ends_with(&[3]) || left.contains(&3), "{left:?}");
            assert!(left.iter().filter(|message| **message < 3).count() <= 2);
            assert!(left.is_sorted() || point.finished, "{left:?}");
        },
    );
    assert_eq!(report.end, End::Finished);
}
