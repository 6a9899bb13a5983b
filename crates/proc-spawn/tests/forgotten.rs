//! Handles that are dropped leave neither zombies nor descriptors behind.

mod support;

use proc_spawn::{active_children, spawn};
use std::time::Duration;
use support::descriptors;

#[allow(clippy::unwrap_used, reason = "only the test uses it")]
fn zombies() -> usize {
    let us = std::process::id().to_string();
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
        // pid (name) state parent ...
        .filter_map(|stat| {
            let mut fields = stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned);
            Some((fields.next()?, fields.next()?))
        })
        .filter(|(state, parent)| state == "Z" && *parent == us)
        .count()
}

// One test, because it counts what the whole program has open.
#[test]
fn two_hundred_starts_half_of_them_never_joined() {
    spawn((), || ()).unwrap().join().unwrap();
    let before = descriptors(std::process::id());
    for number in 0..200u32 {
        let process = spawn((number,), |number| vec![number; 100]).unwrap();
        if number % 2 == 0 {
            assert_eq!(process.join().unwrap(), vec![number; 100]);
        }
    }
    testkit::until(Duration::from_secs(120), "all children end", || active_children().is_empty());
    assert_eq!(zombies(), 0);
    assert_eq!(descriptors(std::process::id()), before);
}
