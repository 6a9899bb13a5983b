//! Unrelated programs meet at a path, and what is no such queue is refused with the difference.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{ByteReceiver, ByteSender, Error, Item, Receiver, Sender};
use std::error::Error as _;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;
use testkit::{Child, Outcome, fork, watchdog};

fn refused<T: Item>(path: &Path) -> (ErrorKind, String) {
    let error: Error = Receiver::<T>::open(path).expect_err("opened");
    assert_eq!(error.to_string(), format!("failed to open the queue at `{}`", path.display()));
    let other = Sender::<T>::open(path).expect_err("opened");
    assert_eq!(error.source().unwrap().to_string(), other.source().unwrap().to_string());
    (error.kind(), error.source().unwrap().to_string())
}

#[test]
fn two_programs_meet() {
    let _dog = watchdog(Duration::from_secs(60));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    let tx = Sender::<u64>::create(&path, 10).unwrap();
    let child = fork(|| {
        let rx = Receiver::<u64>::open(&path).unwrap();
        assert_eq!(rx.capacity(), 10);
        for i in 0..1_000 {
            assert_eq!(rx.recv(), Ok(i));
        }
    });
    for i in 0..1_000 {
        tx.send(i).unwrap();
    }
    child.assert_ok();
}

#[test]
fn a_second_creator_is_told_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    let tx = Sender::<u64>::create(&path, 3).unwrap();
    tx.send(1).unwrap();
    let error = Receiver::<u64>::create(&path, 5).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    let object = format!("a queue of 5 messages of 8 bytes at `{}`", path.display());
    assert_eq!(error.to_string(), format!("failed to create {object}"));
    assert_eq!(ByteSender::create(&path, 5, 5).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let rx = Receiver::<u64>::open(&path).unwrap();
    assert_eq!((rx.recv(), rx.capacity()), (Ok(1), 3));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no other file is left");
}

#[test]
fn a_removed_queue_goes_on_for_those_who_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    let tx = Sender::<u64>::create(&path, 3).unwrap();
    let rx = Receiver::<u64>::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    tx.send(1).unwrap();
    assert_eq!(rx.recv(), Ok(1));
    assert_eq!(refused::<u64>(&path).0, ErrorKind::NotFound);
    Sender::<u64>::create(&path, 3).unwrap();
    assert!(rx.is_empty(), "a new queue at the path is another one");
}

#[test]
fn a_creator_that_was_killed_leaves_a_queue() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    let creator = fork(|| {
        let tx = Sender::<u64>::create(&path, 3).unwrap();
        tx.send(7).unwrap();
        std::process::abort();
    });
    assert_eq!(creator.wait(), Outcome::Signaled(6));
    let rx = Receiver::<u64>::open(&path).unwrap();
    assert_eq!(rx.recv(), Ok(7));
    assert!(rx.recv().is_err(), "and it is known to be gone");
}

#[test]
fn another_type_or_kind_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    let _tx = Sender::<u64>::create(&path, 3).unwrap();
    let (kind, why) = refused::<f64>(&path);
    assert_eq!(kind, ErrorKind::InvalidData);
    assert_eq!(why, "it holds items of type `u64` (8 bytes), not `f64` (8 bytes)");
    assert!(refused::<[u64; 2]>(&path).1.contains("not `[u64; 2]` (16 bytes)"));
    let error = ByteReceiver::open(&path).unwrap_err();
    assert_eq!(error.source().unwrap().to_string(), "it holds a `queue`, not a `byte queue`");

    let path = dir.path().join("b");
    let _tx = ByteSender::create(&path, 3, 10).unwrap();
    assert_eq!(refused::<u8>(&path).1, "it holds a `byte queue`, not a `queue`");
}

#[test]
fn missing_wrong_and_truncated_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    assert_eq!(refused::<u64>(&path).0, ErrorKind::NotFound);
    fs::write(&path, "x").unwrap();
    assert!(refused::<u64>(&path).1.contains("too short for a header"));
    fs::write(&path, vec![b'x'; 8192]).unwrap();
    assert!(refused::<u64>(&path).1.contains("does not begin with the mark"));
    fs::remove_file(&path).unwrap();

    let tx = Sender::<u64>::create(&path, 3).unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    file.set_len(2 * 4096).unwrap();
    assert!(refused::<u64>(&path).1.contains("8192 bytes long, and its header says 4096"));
    file.set_len(4096).unwrap();

    // What the header says, changed at one place after the other.
    let mut whole = [0; 128];
    file.read_exact_at(&mut whole, 0).unwrap();
    for (at, bytes, says) in [
        (0, &[0][..], "does not begin with the mark"),
        (8, &[9], "version 9"),
        (24, &[0], "its capacity is 0, and a queue holds 1 to"),
        (27, &[0xff], "and a queue holds 1 to 1073741824 messages"),
        (31, &[0xff], "4278190080 leases, and a queue has 1 to"),
        (26, &[1], "and a queue of its capacity has"),
        (40, &[1], "and its header says"),
        (48, &[0xff; 4], "PID namespace"),
        (56, b"mutex", "not a `queue`"),
    ] {
        file.write_all_at(bytes, at).unwrap();
        let (kind, why) = refused::<u64>(&path);
        assert!(why.contains(says), "{why}");
        assert_eq!(kind, ErrorKind::InvalidData, "{why}");
        file.write_all_at(&whole, 0).unwrap();
    }
    tx.send(1).unwrap();
    assert_eq!(Receiver::<u64>::open(&path).unwrap().recv(), Ok(1), "unharmed");

    assert!(refused::<u64>(Path::new("/dev/null")).1.contains("not a regular file"));
    let error = Sender::<u64>::create("/nonexistent/q", 3).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn whoever_comes_first_makes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q");
    let rx = Receiver::<u32>::open_or_create(&path, 4).unwrap();
    let tx = Sender::<u32>::open_or_create(&path, 100).unwrap();
    assert_eq!(tx.capacity(), 4, "of the first");
    tx.send(1).unwrap();
    assert_eq!(rx.recv(), Ok(1));
    assert!(Sender::<u64>::open_or_create(&path, 4).is_err(), "another type");
    assert!(ByteSender::open_or_create(&path, 4, 4).is_err(), "another kind");
    shm_queue::unlink(&path).unwrap();
    let error = shm_queue::unlink(&path).unwrap_err();
    assert!(error.to_string().starts_with("failed to unlink the queue"), "{error}");
    tx.send(2).unwrap();
    assert_eq!(rx.recv(), Ok(2), "who has it open goes on");
    let anew = Sender::<u32>::open_or_create(&path, 8).unwrap();
    assert_eq!((anew.capacity(), anew.len()), (8, 0));
}

#[test]
fn many_who_come_at_once_have_one_queue() {
    let dir = tempfile::tempdir().unwrap();
    for round in 0..30 {
        let path = dir.path().join(round.to_string());
        let children: Vec<_> = (0..4u64)
            .map(|i| {
                let path = &path;
                fork(move || {
                    let tx = ByteSender::open_or_create(path, 8, 100).unwrap();
                    tx.send(&i.to_ne_bytes()).unwrap();
                })
            })
            .collect();
        children.into_iter().for_each(Child::assert_ok);
        let rx = ByteReceiver::open_or_create(&path, 8, 100).unwrap();
        assert_eq!(rx.len(), 4);
    }
}
