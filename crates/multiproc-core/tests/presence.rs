//! The kernel says who is there. Alone in its file: a child that another test forks has copies, too.

#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Place};
use multiproc_core::{deadline::Deadline, packet, presence};
use std::os::fd::AsFd;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{Outcome, SharedPage, fork, until, watchdog};

#[test]
fn a_side_is_there_as_long_as_anyone_has_it_or_a_message_carries_it() {
    let _dog = watchdog(Duration::from_secs(60));
    let spec = Spec { kind: "test", item: Item::of::<u64>(), capacity: 1, detail: 0 };
    let made = segment::create(Place::Anonymous("test"), &spec, 8, |_| ()).unwrap();
    let asker = presence::claim(&*made.fd, 1).unwrap();
    assert!(!presence::is_there(&asker, 0));
    let side = presence::claim(&*made.fd, 0).unwrap();
    assert!(presence::is_there(&asker, 0));
    assert!(!presence::is_there(&side, 0), "one's own copies do not count");

    // On its way in a message.
    let (left, right) = packet::pair().unwrap();
    packet::send(left.as_fd(), 0, b"", &[side.as_fd()], Deadline::NEVER).unwrap();
    drop(side);
    assert!(presence::is_there(&asker, 0));

    // In another process, which is killed; the copies of this one are closed.
    let page = SharedPage::new(1);
    let child = fork(|| {
        let arrived = packet::recv(right.as_fd(), 9, Deadline::NEVER).unwrap().unwrap();
        page[0].store(1, SeqCst);
        std::thread::sleep(Duration::from_secs(60));
        drop(arrived);
    });
    until(Duration::from_secs(10), "the child's message", || page[0].load(SeqCst) == 1);
    drop((left, right));
    assert!(presence::is_there(&asker, 0));
    child.kill();
    assert_eq!(child.wait(), Outcome::Signaled(9));
    assert!(!presence::is_there(&asker, 0));
}
