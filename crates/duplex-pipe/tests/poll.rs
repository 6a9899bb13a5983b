//! Polling tells a message or the end of the stream from nothing, and takes nothing.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{duplex, simplex};
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const WAIT: Duration = Duration::from_millis(50);

#[test]
fn nothing_is_false_after_the_timeout() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (_a, b) = duplex::<[u8]>().unwrap();
    assert!(!b.poll(Duration::ZERO).unwrap());
    let start = Instant::now();
    assert!(!b.poll(WAIT).unwrap());
    assert!(start.elapsed() >= WAIT);
}

#[test]
fn a_message_is_true_until_it_is_received() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    tx.send(b"").unwrap();
    for _ in 0..3 {
        assert!(rx.poll(Duration::ZERO).unwrap());
        assert!(rx.poll(None).unwrap());
    }
    assert_eq!(rx.recv().unwrap(), b"");
    assert!(!rx.poll(Duration::ZERO).unwrap());
}

#[test]
fn the_end_is_true() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    drop(tx);
    assert!(rx.poll(None).unwrap());
}

#[test]
fn a_message_from_another_thread_wakes_the_poll() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let sender = std::thread::spawn(move || {
        std::thread::sleep(WAIT);
        tx.send(b"wake").unwrap();
        tx
    });
    let start = Instant::now();
    assert!(rx.poll(None).unwrap());
    assert!(start.elapsed() >= WAIT / 2);
    assert_eq!(rx.recv().unwrap(), b"wake");
    drop(sender.join().unwrap());
}

#[test]
fn many_ends_are_waited_for_with_the_systems_poll() {
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    let pipes: Vec<_> = (0..3).map(|_| duplex::<[u8]>().unwrap()).collect();
    pipes[1].0.send(b"x").unwrap();
    let mut fds: Vec<_> =
        pipes.iter().map(|(_, b)| PollFd::from_borrowed_fd(b.as_fd(), PollFlags::IN)).collect();
    assert_eq!(poll(&mut fds, None).unwrap(), 1);
    let ready: Vec<_> = fds.iter().map(|fd| fd.revents().contains(PollFlags::IN)).collect();
    assert_eq!(ready, [false, true, false]);
}
