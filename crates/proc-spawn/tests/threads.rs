//! Processes may be started from many threads at once.

use proc_spawn::spawn;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn from_eight_threads_at_once() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    let results: Vec<(u64, String)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8u64)
            .map(|thread| {
                scope.spawn(move || {
                    (0..10u64)
                        .map(|round| {
                            let process = spawn((thread, round), |a, b| a * 100 + b).unwrap();
                            let name = process.name().to_owned();
                            (process.join().unwrap(), name)
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let expected: Vec<u64> = (0..8).flat_map(|t| (0..10).map(move |r| t * 100 + r)).collect();
    assert_eq!(results.iter().map(|(result, _)| *result).collect::<Vec<_>>(), expected);
    let names: BTreeSet<_> = results.into_iter().map(|(_, name)| name).collect();
    assert_eq!(names.len(), 80, "each has a name of its own");
}

#[test]
fn signals_that_the_starting_thread_blocks_are_not_blocked_in_the_process() {
    use nix::sys::signal::{SigSet, Signal};
    let mut all = SigSet::empty();
    all.add(Signal::SIGTERM);
    all.thread_block().unwrap();
    let process = spawn((), || std::thread::sleep(Duration::from_secs(600))).unwrap();
    process.terminate().unwrap();
    assert_eq!(process.wait().signal(), Some(libc::SIGTERM));
}
