//! A watchdog ends the process that passes its limit, and no other.

use std::io::Read;
use std::thread;
use std::time::Duration;
use testkit::{Outcome, fork, watchdog};

#[test]
fn past_the_limit_the_process_aborts_and_names_thread_place_and_limit() {
    let _dog = watchdog(Duration::from_secs(60));
    let (mut reader, writer) = std::io::pipe().unwrap();
    let child = fork(|| {
        nix::unistd::dup2_stderr(&writer).unwrap();
        let _dog = watchdog(Duration::from_millis(30));
        loop {
            thread::park();
        }
    });
    drop(writer);
    assert_eq!(child.wait(), Outcome::Signaled(libc::SIGABRT));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    let name = thread::current().name().unwrap().to_owned();
    for part in [name.as_str(), "watchdog.rs:", "30ms"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn dropped_in_time_it_does_nothing() {
    let _dog = watchdog(Duration::from_secs(60));
    fork(|| {
        drop(watchdog(Duration::from_millis(10)));
        thread::sleep(Duration::from_millis(60));
    })
    .assert_ok();
}
