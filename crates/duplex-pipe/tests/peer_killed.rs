//! A peer that is killed leaves whole messages or none, and whoever waits for it learns its end.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{RecvError, SendError, duplex, simplex};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use testkit::{Outcome, SharedPage};

/// A forked child holds copies of everything the test process has open, so one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

macro_rules! alone {
    () => {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let _watchdog = testkit::watchdog(Duration::from_secs(200));
    };
}

const LIMIT: Duration = Duration::from_secs(60);

/// The message with this number: three in four are inline, one goes through a memfd.
fn message(number: u64) -> Vec<u8> {
    let len = if number % 4 == 3 { 120_000 } else { (number % 7) as usize * 300 };
    let mut message = vec![number as u8; 8 + len];
    message[..8].copy_from_slice(&number.to_ne_bytes());
    message
}

fn number(received: &[u8]) -> u64 {
    let number = u64::from_ne_bytes(received[..8].try_into().unwrap());
    assert!(received == message(number), "message {number} is torn");
    number
}

#[test]
fn a_sender_killed_at_any_moment_leaves_whole_messages_and_the_end() {
    alone!();
    for round in 0..60 {
        let (tx, rx) = simplex::<[u8]>().unwrap();
        let child =
            testkit::fork(move || (0..u64::MAX).for_each(|n| tx.send(&message(n)).unwrap()));
        for expected in 0..round {
            assert_eq!(number(&rx.recv().unwrap()), expected);
        }
        std::thread::sleep(Duration::from_micros(37 * round));
        child.kill();
        let mut expected = round;
        let end = loop {
            match rx.recv() {
                Ok(received) => assert_eq!(number(&received), expected),
                Err(error) => break error,
            }
            expected += 1;
        };
        assert!(matches!(end, RecvError::Disconnected), "{end}");
        assert_eq!(child.wait(), Outcome::Signaled(9));
    }
}

#[test]
fn a_receiver_killed_at_any_moment_is_a_broken_pipe() {
    alone!();
    for round in 0..60 {
        let (tx, rx) = simplex::<[u8]>().unwrap();
        let seen = SharedPage::new(1);
        let child = testkit::fork(|| {
            for received in rx.clone() {
                let number = number(&received.unwrap());
                seen[0].store(number + 1, std::sync::atomic::Ordering::Relaxed);
            }
        });
        drop(rx);
        let mut sent = 0;
        let error = loop {
            if sent == round {
                child.kill();
            }
            match tx.send(&message(sent)) {
                Ok(()) => sent += 1,
                Err(error) => break error,
            }
        };
        assert!(matches!(error, SendError::BrokenPipe), "{error}");
        assert_eq!(child.wait(), Outcome::Signaled(9));
        assert!(seen[0].load(std::sync::atomic::Ordering::Relaxed) <= sent);
    }
}

#[test]
fn a_peer_killed_while_we_wait_ends_the_wait_in_both_directions() {
    alone!();
    let (mine, theirs) = duplex::<[u8]>().unwrap();
    let child = testkit::fork(move || {
        theirs.send(b"ready").unwrap();
        std::thread::sleep(LIMIT * 2);
    });
    assert_eq!(mine.recv().unwrap(), b"ready");
    let sender = mine.clone();
    let sender = std::thread::spawn(move || {
        loop {
            if let Err(error) = sender.send(&[0; 4000]) {
                return error;
            }
        }
    });
    let receiver = mine.clone();
    let receiver = std::thread::spawn(move || receiver.recv().unwrap_err());
    std::thread::sleep(Duration::from_millis(50));
    assert!(!sender.is_finished() && !receiver.is_finished());
    child.kill();
    assert!(matches!(sender.join().unwrap(), SendError::BrokenPipe));
    assert!(matches!(receiver.join().unwrap(), RecvError::Disconnected));
    assert_eq!(child.wait(), Outcome::Signaled(9));
}

#[test]
fn a_receiver_killed_in_its_sleep_takes_no_message_from_the_one_that_is_left() {
    alone!();
    for _ in 0..20 {
        let (tx, rx) = simplex::<[u8]>().unwrap();
        let victim = testkit::fork(|| {
            let _ = rx.recv();
        });
        testkit::until(LIMIT, "the victim sleeps", || testkit::is_asleep(victim.pid()));
        victim.kill();
        assert_eq!(victim.wait(), Outcome::Signaled(9));
        tx.send(b"for the survivor").unwrap();
        assert_eq!(rx.recv_timeout(LIMIT).unwrap(), b"for the survivor");
    }
}

#[test]
fn a_stopped_peer_is_not_a_dead_one() {
    alone!();
    const SIGSTOP: i32 = 19;
    const SIGCONT: i32 = 18;
    let (mine, theirs) = duplex::<[u8]>().unwrap();
    let child = testkit::fork(move || {
        while let Ok(received) = theirs.recv() {
            theirs.send(&received).unwrap();
        }
    });
    mine.send(b"before").unwrap();
    assert_eq!(mine.recv().unwrap(), b"before");
    child.signal(SIGSTOP);
    mine.send(b"during").unwrap();
    assert!(mine.recv_timeout(Duration::from_millis(50)).is_err());
    assert!(!mine.poll(Duration::ZERO).unwrap(), "neither a message nor the end");
    child.signal(SIGCONT);
    assert_eq!(mine.recv().unwrap(), b"during");
    child.kill();
    assert_eq!(child.wait(), Outcome::Signaled(9));
    assert!(matches!(mine.recv(), Err(RecvError::Disconnected)));
}
