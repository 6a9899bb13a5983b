//! A process that is killed at any moment, its start included, never makes its parent hang.

use proc_spawn::{JoinError, spawn};
use std::time::Duration;

#[test]
fn it_has_a_result_or_a_signal() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    let (mut finished, mut killed) = (0, 0);
    for round in 0..300u64 {
        let payload = vec![round; 20_000];
        let process = spawn((payload.clone(),), |payload| payload).unwrap();
        std::thread::sleep(Duration::from_micros(11 * round));
        process.kill().unwrap();
        match process.join() {
            Ok(result) => {
                assert!(result == payload, "a result is whole");
                finished += 1;
            }
            Err(JoinError::Signaled { signal, core: false }) => {
                assert_eq!(signal, libc::SIGKILL);
                killed += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    // The shortest delays are far below, the longest far above the time that it takes.
    assert!(killed > 0, "killed {killed}, finished {finished}");
    assert_eq!(proc_spawn::active_children().len(), 0);
}
