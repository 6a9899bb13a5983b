//! Whoever waits for a side that is gone, by its own will or killed, is told.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{
    ByteReceiver, ByteSender, Receiver, RecvError, RecvTimeoutError, SendBytesError,
    SendTimeoutError, Sender, TryRecvError, TrySendError, bounded, bounded_bytes,
};
use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testkit::{Outcome, SharedPage, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(60);

/// One test at a time: a child that another test forks meanwhile has copies of our handles.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn what_was_sent_comes_before_the_end() {
    let _alone = alone();
    let (tx, rx) = bounded::<u32>(4).unwrap();
    tx.send(1).unwrap();
    let second = tx.clone();
    drop(tx);
    second.send(2).unwrap();
    drop(second);
    assert_eq!(rx.try_recv(), Ok(1));
    assert_eq!(rx.recv(), Ok(2));
    assert_eq!(rx.recv(), Err(RecvError));
    assert_eq!(rx.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(rx.recv_timeout(WAIT), Err(RecvTimeoutError::Disconnected));
}

#[test]
fn a_message_for_nobody_comes_back() {
    let _alone = alone();
    let (tx, rx) = bounded::<u32>(4).unwrap();
    let second = rx.clone();
    drop(rx);
    tx.send(1).unwrap();
    drop(second);
    assert_eq!(tx.send(2).unwrap_err().into_inner(), 2);
    assert_eq!(tx.try_send(3), Err(TrySendError::Disconnected(3)));
    assert_eq!(tx.send_timeout(4, WAIT), Err(SendTimeoutError::Disconnected(4)));

    let (tx, rx) = bounded_bytes(4, 100).unwrap();
    drop(rx);
    assert_eq!(tx.send(b"x"), Err(SendBytesError::Disconnected));
}

#[test]
fn sleepers_are_woken_by_the_last_departure() {
    let _alone = alone();
    let _dog = watchdog(DOG);
    let (tx, rx) = bounded::<u32>(1).unwrap();
    std::thread::scope(|scope| {
        // One leads, the other waits behind it; both are told.
        let receivers = [rx.clone(), rx].map(|rx| scope.spawn(move || rx.recv()));
        std::thread::sleep(Duration::from_millis(20));
        drop(tx);
        for receiver in receivers {
            assert_eq!(receiver.join().unwrap(), Err(RecvError));
        }
    });
    let (tx, rx) = bounded::<u32>(1).unwrap();
    tx.send(0).unwrap();
    std::thread::scope(|scope| {
        let senders = [tx.clone(), tx].map(|tx| scope.spawn(move || tx.send(1)));
        std::thread::sleep(Duration::from_millis(20));
        drop(rx);
        for sender in senders {
            assert_eq!(sender.join().unwrap().unwrap_err().into_inner(), 1);
        }
    });
}

/// Handles that a parent and its forked child both have, and drop one by one.
///
/// What a child does not drop counts as its own, as a pipe's descriptors do.
struct Both<T>(Cell<Option<T>>);

impl<T> Both<T> {
    fn new(handle: T) -> Self {
        Self(Cell::new(Some(handle)))
    }

    fn take(&self) -> T {
        self.0.take().unwrap()
    }
}

#[test]
fn a_process_that_drops_its_sender_ends_the_others_wait() {
    let _alone = alone();
    let _dog = watchdog(DOG);
    let (tx, rx) = bounded::<u32>(1).unwrap();
    let (tx, rx) = (Both::new(tx), Both::new(rx));
    let child = fork(|| {
        drop(tx.take());
        let rx = rx.take();
        assert_eq!(rx.recv(), Ok(7));
        assert_eq!(rx.recv(), Err(RecvError));
    });
    drop(rx.take());
    until(WAIT, "the receiver's sleep", || is_asleep(child.pid()));
    let tx = tx.take();
    tx.send(7).unwrap();
    drop(tx);
    child.assert_ok();
}

#[test]
fn the_killed_last_sender_is_noticed_by_a_receiver_that_waits() {
    let _alone = alone();
    let _dog = watchdog(DOG);
    let (tx, rx) = bounded::<u32>(1).unwrap();
    let (tx, rx) = (Both::new(tx), Both::new(rx));
    let page = SharedPage::new(1);
    let sender = fork(|| {
        drop(rx.take());
        let tx = tx.take();
        tx.send(7).unwrap();
        park();
    });
    let receiver = fork(|| {
        drop(tx.take());
        let rx = rx.take();
        assert_eq!(rx.recv(), Ok(7));
        page[0].store(1, SeqCst);
        assert_eq!(rx.recv(), Err(RecvError));
    });
    drop((tx.take(), rx.take()));
    until(WAIT, "the receiver's message", || page[0].load(SeqCst) == 1);
    until(WAIT, "the receiver's sleep", || is_asleep(receiver.pid()));
    sender.kill();
    assert_eq!(sender.wait(), Outcome::Signaled(9));
    receiver.assert_ok();
}

#[test]
fn the_killed_last_receiver_is_noticed_by_a_sender_that_waits() {
    let _alone = alone();
    let _dog = watchdog(DOG);
    let (tx, rx) = bounded::<u32>(1).unwrap();
    let (tx, rx) = (Both::new(tx), Both::new(rx));
    let receiver = fork(|| {
        drop(tx.take());
        let _rx = rx.take();
        park();
    });
    drop(rx.take());
    let tx = tx.take();
    tx.send(1).unwrap();
    assert_eq!(tx.try_send(2), Err(TrySendError::Full(2)));
    receiver.kill();
    assert_eq!(receiver.wait(), Outcome::Signaled(9));
    assert_eq!(tx.send(3).unwrap_err().into_inner(), 3);
    assert_eq!(tx.try_send(4), Err(TrySendError::Disconnected(4)));
}

#[test]
fn trying_notices_a_kill_in_time() {
    let _alone = alone();
    let _dog = watchdog(DOG);
    let (tx, rx) = bounded::<u32>(1).unwrap();
    let tx = Both::new(tx);
    let sender = fork(|| {
        let _tx = tx.take();
        park();
    });
    drop(tx.take());
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    sender.kill();
    assert_eq!(sender.wait(), Outcome::Signaled(9));
    until(WAIT, "the end", || rx.try_recv() == Err(TryRecvError::Disconnected));
}

fn park() -> ! {
    loop {
        std::thread::park();
    }
}

#[test]
fn at_a_path_the_other_side_may_come_later() {
    let _alone = alone();
    let _dog = watchdog(DOG);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    let rx = Receiver::<u32>::create(&path, 4).unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "the first sender is still to come");
    let tx = Sender::<u32>::open(&path).unwrap();
    tx.send(1).unwrap();
    drop(tx);
    assert_eq!(rx.recv(), Ok(1));
    assert_eq!(rx.recv(), Err(RecvError));
    // And another one begins anew.
    let tx = Sender::<u32>::open(&path).unwrap();
    assert_eq!(rx.try_recv(), Err(TryRecvError::Empty));
    drop(rx);
    assert_eq!(tx.try_send(2), Err(TrySendError::Disconnected(2)));

    let path = dir.path().join("b");
    let tx = ByteSender::create(&path, 4, 100).unwrap();
    tx.send(b"for later").unwrap();
    drop(tx);
    let rx = ByteReceiver::open(&path).unwrap();
    assert_eq!(rx.recv().unwrap(), b"for later", "the file keeps it");
    assert_eq!(rx.recv(), Err(RecvError));
}

#[test]
fn a_clone_in_a_living_process_keeps_the_side_there() {
    let _alone = alone();
    let _dog = watchdog(DOG);
    let (tx, rx) = bounded::<u32>(1).unwrap();
    let tx = Both::new(tx);
    let child = fork(|| {
        std::thread::sleep(Duration::from_millis(250));
        tx.take().send(5).unwrap();
    });
    // Here it is gone, which is no end, however long it takes.
    drop(tx.take());
    assert_eq!(rx.recv(), Ok(5));
    child.assert_ok();
    assert_eq!(rx.recv(), Err(RecvError));
}
