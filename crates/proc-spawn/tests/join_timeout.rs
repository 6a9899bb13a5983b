//! Waiting with a limit is repeatable, and gives the result once.

use proc_spawn::{JoinError, spawn};
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

#[test]
fn it_says_still_running_as_often_as_asked_and_then_the_result() {
    let mut process = spawn((), || {
        std::thread::sleep(Duration::from_millis(300));
        "done".to_string()
    })
    .unwrap();
    let begin = Instant::now();
    assert!(process.join_timeout(Duration::ZERO).is_none());
    assert!(process.join_timeout(Duration::from_millis(50)).is_none());
    assert!(begin.elapsed() >= Duration::from_millis(50));
    assert_eq!(process.join_timeout(Duration::MAX).unwrap().unwrap(), "done");
    assert!(matches!(process.join_timeout(Duration::ZERO), Some(Err(JoinError::Taken))));
    assert!(matches!(process.join(), Err(JoinError::Taken)));
}

#[test]
fn the_handle_is_readable_when_the_process_has_ended() {
    let process = spawn((), || std::thread::sleep(Duration::from_millis(100))).unwrap();
    let mut fds = [PollFd::from_borrowed_fd(process.as_fd(), PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&rustix::time::Timespec::default())).unwrap(), 0);
    assert_eq!(poll(&mut fds, None).unwrap(), 1);
    assert!(!process.is_alive());
    process.join().unwrap();
}

#[test]
fn many_threads_may_wait_for_one_process() {
    let process = spawn((), || {
        std::thread::sleep(Duration::from_millis(50));
        9
    })
    .unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert!(process.wait().success()));
        }
    });
    assert_eq!(process.join().unwrap(), 9);
}
