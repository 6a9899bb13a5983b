//! Threads that share one end neither tear nor lose nor duplicate messages.
#![allow(clippy::unwrap_used, reason = "a test")]

use duplex_pipe::{Duplex, PipeReceiver, PipeSender, duplex, simplex};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

fn shareable<T: Clone + Send + Sync + 'static>() {}

/// Nothing of this type is ever sent to another thread by an end of a pipe of it.
type NotSend = Rc<u8>;

#[test]
fn every_end_can_be_cloned_sent_and_shared() {
    shareable::<Duplex<[u8]>>();
    shareable::<Duplex<NotSend>>();
    shareable::<PipeSender<NotSend>>();
    shareable::<PipeReceiver<NotSend>>();
}

const SENDERS: u32 = 4;
const EACH: u32 = 500;

/// A message whose length and bytes all follow from its sender and number.
fn message(sender: u32, number: u32) -> Vec<u8> {
    let len = if number % 50 == 49 { 150_000 } else { (number % 40) as usize * 30 };
    let mut message = vec![(sender * 31 + number) as u8; 8 + len];
    message[..4].copy_from_slice(&sender.to_ne_bytes());
    message[4..8].copy_from_slice(&number.to_ne_bytes());
    message
}

fn check(received: &[u8]) -> (u32, u32) {
    let sender = u32::from_ne_bytes(received[..4].try_into().unwrap());
    let number = u32::from_ne_bytes(received[4..8].try_into().unwrap());
    assert!(received == message(sender, number), "message {number} of {sender} is torn");
    (sender, number)
}

#[test]
fn four_senders_and_three_receivers_move_every_message_once() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (tx, rx) = simplex::<[u8]>().unwrap();
    let receivers: Vec<_> = (0..3)
        .map(|_| {
            let rx = rx.clone();
            std::thread::spawn(move || {
                rx.iter().map(|message| check(&message.unwrap())).collect::<Vec<_>>()
            })
        })
        .collect();
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let tx = tx.clone();
            std::thread::spawn(move || {
                for number in 0..EACH {
                    tx.send(&message(sender, number)).unwrap();
                }
            })
        })
        .collect();
    drop(tx);
    senders.into_iter().for_each(|thread| thread.join().unwrap());
    let mut all = HashSet::new();
    for thread in receivers {
        let mine = thread.join().unwrap();
        for sender in 0..SENDERS {
            let numbers: Vec<_> = mine.iter().filter(|m| m.0 == sender).map(|m| m.1).collect();
            assert!(numbers.is_sorted(), "one receiver sees a sender's messages in order");
        }
        for message in mine {
            assert!(all.insert(message), "{message:?} was received twice");
        }
    }
    assert_eq!(all.len(), (SENDERS * EACH) as usize);
}

#[test]
fn both_directions_at_once_do_not_disturb_each_other() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (a, b) = duplex::<[u8]>().unwrap();
    std::thread::scope(|scope| {
        for (end, me, peer) in [(&a, 0, 1), (&b, 1, 0)] {
            scope.spawn(move || (0..EACH).for_each(|n| end.send(&message(me, n)).unwrap()));
            scope.spawn(move || {
                for number in 0..EACH {
                    assert_eq!(check(&end.recv().unwrap()), (peer, number));
                }
            });
        }
    });
}
