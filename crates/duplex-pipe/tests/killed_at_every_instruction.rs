//! A process killed at any instruction of `send` or `recv` leaves whole messages or none.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use duplex_pipe::{PipeReceiver, PipeSender, RecvTimeoutError, simplex};
use rustix::net::sockopt::set_socket_send_buffer_size;
use std::cell::Cell;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use testkit::{End, KillPoint, Limits, kill_at_every_instruction};

/// A forked child holds copies of everything the test process has open, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

macro_rules! alone {
    () => {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let _watchdog = testkit::watchdog(Duration::from_secs(280));
    };
}

const LIMIT: Duration = Duration::from_secs(20);

type Pipe = (PipeSender<[u8]>, PipeReceiver<[u8]>);

/// A message of which all bytes say which one it is.
fn message(number: u8, len: usize) -> Vec<u8> {
    vec![number; len]
}

/// A pipe in whose buffer hardly more than 4 KiB fit, so that 5,000 bytes need the memfd.
fn narrow() -> Pipe {
    let (tx, rx) = simplex::<[u8]>().unwrap();
    set_socket_send_buffer_size(&tx, 1).unwrap();
    // What is made at a thread's first message is not the subject.
    tx.send(b"").unwrap();
    assert_eq!(rx.recv().unwrap(), b"");
    (tx, rx)
}

/// Closes the sender and returns the numbers of the messages that are left, of `len` bytes or 10.
fn rest((tx, rx): Pipe, len: usize) -> Vec<u8> {
    drop(tx);
    let mut numbers = Vec::new();
    loop {
        match rx.recv_timeout(LIMIT) {
            Ok(received) => {
                let len = if received[0] == 2 { 10 } else { len };
                assert!(received == message(received[0], len), "a message is torn");
                numbers.push(received[0]);
            }
            Err(RecvTimeoutError::Disconnected) => return numbers,
            Err(error) => panic!("after {numbers:?}: {error}"),
        }
    }
}

fn sending(len: usize) {
    let body = message(1, len);
    let mut outcomes = [0; 2];
    let report = kill_at_every_instruction(
        Limits { stride: 1, max_points: 60_000, ..Limits::default() },
        narrow,
        |(tx, _)| tx.send(&body).unwrap(),
        |pipe, KillPoint { finished, .. }| {
            let numbers = rest(pipe, len);
            assert!(numbers.is_empty() || numbers == [1], "{numbers:?}");
            assert!(!finished || numbers == [1], "what was sent is gone");
            outcomes[numbers.len()] += 1;
        },
    );
    println!("send of {len} bytes: {report}, {outcomes:?} with none and one");
    assert_eq!(report.end, End::Finished);
    assert!(outcomes[0] > 10 && outcomes[1] > 10, "the kill points are on one side: {outcomes:?}");
}

#[test]
fn an_inline_message_is_sent_whole_or_not_at_all() {
    alone!();
    sending(100);
}

#[test]
fn a_message_with_a_memfd_is_sent_whole_or_not_at_all() {
    alone!();
    sending(5000);
}

fn receiving(len: usize, queued: bool) {
    let mut outcomes = [0; 3];
    let report = kill_at_every_instruction(
        Limits {
            stride: 1,
            max_points: 60_000,
            nap: Duration::from_millis(10),
            on_sleep: Some(Box::new(|(tx, _): &Pipe| tx.send(&message(1, len)).unwrap())),
            ..Limits::default()
        },
        || {
            let pipe = narrow();
            if queued {
                pipe.0.send(&message(1, len)).unwrap();
            }
            pipe
        },
        |(_, rx)| assert_eq!(rx.recv().unwrap().len(), len),
        |pipe, KillPoint { finished, .. }| {
            // Short, for of large ones the pipe holds one at a time.
            pipe.0.send_timeout(&message(2, 10), LIMIT).unwrap();
            let numbers = rest(pipe, len);
            let whole: &[&[u8]] = if finished { &[&[2]] } else { &[&[1, 2], &[2]] };
            assert!(whole.contains(&&*numbers), "{numbers:?} after the victim");
            outcomes[numbers.len()] += 1;
        },
    );
    println!("recv of {len} bytes: {report}, {outcomes:?} with none, one and two left");
    assert_eq!(report.end, End::Finished);
    assert_eq!(report.asleep > 0, !queued);
    assert!(outcomes[1] > 10, "no victim had taken its message: {outcomes:?}");
    assert_eq!(outcomes[2] > 10, queued, "no victim had left its message: {outcomes:?}");
}

#[test]
fn an_inline_message_is_taken_whole_or_not_at_all() {
    alone!();
    receiving(100, true);
}

#[test]
fn a_message_with_a_memfd_is_taken_whole_or_not_at_all() {
    alone!();
    receiving(5000, true);
}

#[test]
fn a_receiver_killed_when_it_is_woken_harms_no_later_message() {
    alone!();
    receiving(100, false);
}

#[test]
fn a_sender_killed_in_its_sleep_or_when_it_is_woken_has_sent_a_whole_message_or_none() {
    alone!();
    let len = 1000;
    let early = Cell::new(0);
    let mut outcomes = [0; 2];
    let body = message(1, len);
    let report = kill_at_every_instruction(
        Limits {
            stride: 1,
            max_points: 60_000,
            // Empties the pipe, so that there is room; the victim may send meanwhile.
            on_sleep: Some(Box::new(|(_, rx): &Pipe| {
                while let Ok(received) = rx.try_recv() {
                    early.set(early.get() + usize::from(received[0] == 1));
                }
            })),
            ..Limits::default()
        },
        || {
            let pipe = narrow();
            while pipe.0.try_send(&message(0, len)).is_ok() {}
            pipe
        },
        |(tx, _)| tx.send(&body).unwrap(),
        |pipe, KillPoint { finished, .. }| {
            let numbers = rest(pipe, len);
            let there = numbers.iter().filter(|number| **number == 1).count();
            let sent = there + early.take();
            assert!(sent <= 1 && (there == 0 || numbers == [1]), "{numbers:?}");
            assert!(!finished || sent == 1, "what was sent is gone");
            outcomes[sent] += 1;
        },
    );
    println!("send into a full pipe: {report}, {outcomes:?} with none and one");
    assert_eq!(report.end, End::Finished);
    assert!(report.asleep > 0 && outcomes[0] > 10 && outcomes[1] > 10, "{outcomes:?}");
}
