//! Who sleeps in an idle queue sleeps.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::bounded;
use std::fs;
use std::time::Duration;
use testkit::{Child, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(10);

/// How often the process has gone to sleep.
fn sleeps(child: &Child) -> u32 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn it_looks_around_ever_more_rarely() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded::<u32>(1).unwrap();
    let (full, full_rx) = bounded::<u32>(1).unwrap();
    full.send(0).unwrap();
    // Leaders, and one behind each.
    let receivers = [(); 2].map(|()| fork(|| assert!(rx.recv().is_ok())));
    let senders = [(); 2].map(|()| fork(|| full.send(1).unwrap()));
    let all: Vec<_> = receivers.into_iter().chain(senders).collect();
    for child in &all {
        until(WAIT, "the sleep", || is_asleep(child.pid()));
    }
    let before: Vec<_> = all.iter().map(sleeps).collect();
    std::thread::sleep(Duration::from_secs(2));
    for (child, before) in all.iter().zip(before) {
        let times = sleeps(child) - before;
        assert!(times < 30, "it woke up {times} times");
    }
    for _ in 0..2 {
        tx.send(2).unwrap();
        full_rx.recv().unwrap();
    }
    all.into_iter().for_each(Child::assert_ok);
}
