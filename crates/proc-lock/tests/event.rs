//! An event lets all go who wait for it, in whatever process, however short it is set.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::Event;
use std::time::{Duration, Instant};
use testkit::{fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn set_and_clear_show() {
    let event = Event::new().unwrap();
    assert!(!event.is_set());
    event.set();
    event.set();
    assert!(event.is_set());
    event.wait();
    assert!(event.wait_timeout(Duration::ZERO));
    event.clear();
    event.clear();
    assert!(!event.is_set());
    assert!(!event.wait_timeout(Duration::ZERO));
}

#[test]
fn a_wait_lasts_until_its_timeout() {
    let event = Event::new().unwrap();
    let start = Instant::now();
    assert!(!event.wait_timeout(Duration::from_millis(30)));
    assert!(start.elapsed() >= Duration::from_millis(30));
    event.set();
    assert!(event.wait_timeout(Duration::MAX));
}

#[test]
fn all_who_sleep_go_even_if_it_is_cleared_at_once() {
    let _dog = watchdog(WAIT);
    let event = Event::new().unwrap();
    for _ in 0..20 {
        let children: Vec<_> = (0..4).map(|_| fork(|| event.wait())).collect();
        for child in &children {
            until(WAIT, "the sleep", || is_asleep(child.pid()));
        }
        event.set();
        event.clear();
        children.into_iter().for_each(testkit::Child::assert_ok);
        assert!(!event.is_set());
    }
}

#[test]
fn what_was_done_before_it_was_set_is_seen_by_those_who_go() {
    let _dog = watchdog(WAIT);
    let (there, back) = (Event::new().unwrap(), Event::new().unwrap());
    let value = proc_lock::SharedAtomic::new(std::sync::atomic::AtomicU64::new(0)).unwrap();
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    let child = fork(|| {
        for round in 1..=2_000 {
            there.wait();
            there.clear();
            assert_eq!(value.load(relaxed), round);
            value.store(0, relaxed);
            back.set();
        }
    });
    for round in 1..=2_000 {
        value.store(round, relaxed);
        there.set();
        back.wait();
        back.clear();
        assert_eq!(value.load(relaxed), 0);
    }
    child.assert_ok();
}

#[test]
fn unrelated_handles_of_one_path_are_one_event() {
    let _dog = watchdog(WAIT);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("event");
    let mine = Event::create(&path).unwrap();
    let child = fork(|| Event::open(&path).unwrap().wait());
    mine.set();
    child.assert_ok();
    assert!(Event::open_or_create(&path).unwrap().is_set());
    Event::unlink(&path).unwrap();
    assert!(!Event::open_or_create(&path).unwrap().is_set(), "a new one");
    mine.clear();
    assert!(Event::create(&path).is_err());
}
