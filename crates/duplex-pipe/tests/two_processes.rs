//! Two processes talk through a pipe, share an end, and hand ends to each other.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{RecvError, duplex, simplex};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A forked child holds copies of everything the test process has open, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

macro_rules! alone {
    () => {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let _watchdog = testkit::watchdog(Duration::from_secs(120));
    };
}

#[test]
fn a_child_answers_messages_of_all_sizes() {
    alone!();
    let (parent, child_end) = duplex::<[u8]>().unwrap();
    let child = testkit::fork(move || {
        loop {
            let mut message = child_end.recv().unwrap();
            if message == b"stop" {
                return;
            }
            message.reverse();
            child_end.send(&message).unwrap();
        }
    });
    for len in [0, 1, 1000, 98_304, 98_305, 10 << 20] {
        let message: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
        parent.send(&message).unwrap();
        let answer = parent.recv().unwrap();
        assert!(answer.iter().rev().eq(&message), "{len} bytes");
    }
    parent.send(b"stop").unwrap();
    child.assert_ok();
    assert!(matches!(parent.recv(), Err(RecvError::Disconnected)));
}

#[test]
fn the_end_comes_when_the_last_process_has_dropped_its_sender() {
    alone!();
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let children: Vec<_> = (0..3_u8)
        .map(|i| {
            let tx = tx.clone();
            testkit::fork(move || (0..100).for_each(|n| tx.send(&[i, n]).unwrap()))
        })
        .collect();
    drop(tx);
    let mut next = [0; 3];
    for message in &rx {
        let message = message.unwrap();
        let (child, number) = (usize::from(message[0]), message[1]);
        assert_eq!(number, next[child], "in the order of their sender");
        next[child] += 1;
    }
    assert_eq!(next, [100; 3]);
    children.into_iter().for_each(testkit::Child::assert_ok);
}

#[test]
fn processes_that_share_a_receiver_get_each_message_once() {
    alone!();
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let (report, reports) = simplex::<[u8]>().unwrap();
    let children: Vec<_> = (0..3)
        .map(|_| {
            let (rx, report) = (rx.clone(), report.clone());
            testkit::fork(move || {
                loop {
                    let message = rx.recv().unwrap();
                    if message == b"stop" {
                        return;
                    }
                    report.send(&message).unwrap();
                }
            })
        })
        .collect();
    drop((rx, report));
    // From a thread of its own: the children report while they still receive.
    let sender = std::thread::spawn(move || {
        for number in 0..600_u32 {
            tx.send(&number.to_ne_bytes()).unwrap();
        }
        for _ in 0..3 {
            tx.send(b"stop").unwrap();
        }
    });
    let mut numbers: Vec<_> = reports
        .iter()
        .map(|message| u32::from_ne_bytes(message.unwrap().try_into().unwrap()))
        .collect();
    sender.join().unwrap();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..600).collect::<Vec<_>>());
    children.into_iter().for_each(testkit::Child::assert_ok);
}

#[cfg(feature = "serde")]
#[test]
fn an_end_that_was_made_later_is_handed_to_a_running_child() {
    use duplex_pipe::{Duplex, SendError};
    alone!();
    let (control, child_end) = duplex::<Option<Duplex<String>>>().unwrap();
    let child = testkit::fork(move || {
        while let Some(end) = child_end.recv().unwrap() {
            for line in &end {
                let line = line.unwrap();
                if end.send(&line.to_uppercase()).is_err() {
                    break;
                }
            }
            // The parent has dropped its end, so this is told from a mere absence of messages.
            assert!(matches!(end.send(&String::new()), Err(SendError::BrokenPipe)));
        }
    });
    for round in 0..3 {
        let (mine, theirs) = duplex::<String>().unwrap();
        control.send(&Some(theirs)).unwrap();
        mine.send(&format!("round {round}")).unwrap();
        assert_eq!(mine.recv().unwrap(), format!("ROUND {round}"));
    }
    control.send(&None).unwrap();
    child.assert_ok();
}
