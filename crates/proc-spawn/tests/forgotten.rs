//! Handles that are dropped leave neither zombies nor descriptors behind.

mod support;

use proc_spawn::{Builder, StartMethod, Stdio, active_children};
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

/// Returns how many mappings this process has.
#[allow(clippy::unwrap_used, reason = "only the test uses it")]
fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").unwrap().lines().count()
}

/// Starts as many processes and joins half of them.
#[allow(clippy::unwrap_used, reason = "only the test uses it")]
fn start(builder: &Builder, count: u32) {
    for number in 0..count {
        // Not more at a time than a busy machine can take.
        if number % 50 == 0 {
            testkit::until(Duration::from_secs(120), "enough have ended", || {
                active_children().len() < 20
            });
        }
        let process = builder.spawn((number,), |number| vec![number; 100]).unwrap();
        if number % 2 == 0 {
            assert_eq!(process.join().unwrap(), vec![number; 100]);
        }
    }
    testkit::until(Duration::from_secs(120), "all children end", || active_children().is_empty());
}

// One test, because it counts what the whole program has open.
#[test]
fn a_thousand_starts_of_each_kind_half_of_them_never_joined() {
    let _watchdog = testkit::watchdog(Duration::from_secs(280));
    let count = std::env::var("START_COUNT").ok().and_then(|count| count.parse().ok());
    let count = count.unwrap_or(1000);
    let server = Builder::new().method(StartMethod::ForkServer);
    let busy = Builder::new()
        .stdout(Stdio::captured())
        .stderr(Stdio::piped())
        .nice(19)
        .time_limit(Duration::from_secs(600));
    for builder in [&server, &busy, &Builder::new()] {
        start(builder, 20);
    }
    let before = (descriptors(std::process::id()), mappings());
    start(&Builder::new(), count);
    start(&server, count);
    start(&busy, count / 10);
    assert_eq!(zombies(), 0);
    assert_eq!(descriptors(std::process::id()), before.0);
    // The heap may have grown by a piece or two; what is left behind by each start would be hundreds.
    assert!(mappings() <= before.1 + 10, "{} mappings, before {}", mappings(), before.1);
}
