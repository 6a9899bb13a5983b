//! Handles are owned, cloned, shared by threads, and travel.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{ByteReceiver, ByteSender, Receiver, Sender, bounded, bounded_bytes};

fn is_a_handle<H: Clone + Send + Sync + std::fmt::Debug + 'static>() {}

#[test]
fn all_are_handles() {
    is_a_handle::<Sender<f64>>();
    is_a_handle::<Receiver<f64>>();
    is_a_handle::<ByteSender>();
    is_a_handle::<ByteReceiver>();
    #[cfg(feature = "serde")]
    {
        // Also where the values themselves must stay in their thread.
        is_a_handle::<shm_queue::ValueSender<std::rc::Rc<u8>>>();
        is_a_handle::<shm_queue::ValueReceiver<std::rc::Rc<u8>>>();
    }
}

#[test]
fn they_show_what_they_know() {
    let (tx, rx) = bounded::<f64>(10).unwrap();
    tx.send(0.5).unwrap();
    assert_eq!(format!("{tx:?}"), "Sender { len: 1, capacity: 10, .. }");
    assert_eq!(format!("{rx:?}"), "Receiver { len: 1, capacity: 10, .. }");
}

#[test]
fn no_descriptor_and_no_mapping_stays_behind() {
    let count = |what: &str| {
        let lines = |path| std::fs::read_to_string(path).unwrap();
        match what {
            "fd" => std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .filter(|entry| {
                    let to = std::fs::read_link(entry.as_ref().unwrap().path());
                    to.is_ok_and(|to| to.to_string_lossy().contains("multiproc-queue"))
                })
                .count(),
            _ => lines("/proc/self/maps").matches("multiproc-queue").count(),
        }
    };
    // The other tests of this file make byte and number queues for moments, so look until it is so.
    for _ in 0..200 {
        let (tx, rx) = bounded_bytes(4, 100).unwrap();
        tx.send(b"x").unwrap();
        drop((tx.clone(), tx, rx));
    }
    testkit::until(std::time::Duration::from_secs(10), "the last descriptor's end", || {
        count("fd") == 0 && count("maps") == 0
    });
}

#[cfg(feature = "serde")]
mod travelling {
    use multiproc_core::deadline::Deadline;
    use multiproc_core::{carry, packet};
    use serde::{Deserialize, Serialize};
    use shm_queue::{
        Receiver, RecvError, Sender, TryRecvError, ValueSender, bounded, bounded_bytes,
        bounded_values,
    };
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    /// Sends a value as a pipe message does.
    fn post(socket: &OwnedFd, value: &impl Serialize) {
        let (bytes, out) = carry::outgoing(|| postcard::to_extend(value, Vec::new()).unwrap());
        assert_eq!(out.refusal, None);
        let fds: Vec<BorrowedFd<'_>> = out.fds.iter().map(|fd| fd.as_fd()).collect();
        packet::send(socket.as_fd(), 0, &bytes, &fds, Deadline::NEVER).unwrap();
    }

    fn fetch<T: for<'de> Deserialize<'de>>(socket: &OwnedFd) -> Result<T, String> {
        let arrived = packet::recv(socket.as_fd(), 9999, Deadline::NEVER).unwrap().unwrap();
        let (value, refusal) =
            carry::incoming(arrived.fds, || postcard::from_bytes::<T>(&arrived.body));
        value.map_err(|_| refusal.unwrap().to_string())
    }

    #[test]
    fn ends_travel_and_work_afterwards() {
        let (left, right) = packet::pair().unwrap();
        let (tx, rx) = bounded::<u64>(4).unwrap();
        let (byte_tx, byte_rx) = bounded_bytes(4, 100).unwrap();
        let (value_tx, value_rx) = bounded_values::<String>(4, 100).unwrap();
        post(&left, &(tx, byte_rx, value_tx));
        let (tx, byte_rx, value_tx): (Sender<u64>, shm_queue::ByteReceiver, ValueSender<String>) =
            fetch(&right).unwrap();
        tx.send(5).unwrap();
        assert_eq!(rx.recv(), Ok(5));
        byte_tx.send(b"five").unwrap();
        assert_eq!(byte_rx.recv().unwrap(), b"five");
        value_tx.send("fünf".into()).unwrap();
        assert_eq!(value_rx.recv().unwrap(), "fünf");
        drop(tx);
        assert_eq!(rx.recv(), Err(RecvError), "the original went before the message");
    }

    #[test]
    fn a_handle_on_its_way_is_still_there() {
        let (left, right) = packet::pair().unwrap();
        let (tx, rx) = bounded::<u64>(4).unwrap();
        post(&left, &tx);
        drop(tx);
        std::thread::sleep(std::time::Duration::from_millis(120));
        assert_eq!(rx.try_recv(), Err(TryRecvError::Empty), "in the socket, with nobody");
        fetch::<Sender<u64>>(&right).unwrap().send(1).unwrap();
        assert_eq!(rx.recv(), Ok(1));
        assert_eq!(rx.recv(), Err(RecvError));
        // One that is never received goes with its socket.
        let (tx, rx) = bounded::<u64>(4).unwrap();
        post(&left, &tx);
        drop((tx, left, right));
        assert_eq!(rx.recv(), Err(RecvError));
    }

    #[test]
    fn another_type_than_was_sent_is_refused_with_both() {
        let (left, right) = packet::pair().unwrap();
        let (tx, _rx) = bounded::<u64>(4).unwrap();
        post(&left, &tx);
        let why = fetch::<Sender<f64>>(&right).unwrap_err();
        assert!(
            why.contains("it holds items of type `u64` (8 bytes), not `f64` (8 bytes)"),
            "{why}"
        );
        post(&left, &tx);
        let why = fetch::<shm_queue::ByteSender>(&right).unwrap_err();
        assert!(why.contains("it holds a `queue`, not a `byte queue`"), "{why}");
        post(&left, &9u32);
        let why = fetch::<Receiver<u64>>(&right).unwrap_err();
        assert_eq!(why, "the message names descriptor 9 and carries 0");
    }
}
