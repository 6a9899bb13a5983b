//! Shared memory: sealed, allocated, mapped once, and whole or absent at a path.

#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Place};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{End, Limits, kill_at_every_instruction, watchdog};

fn spec() -> Spec {
    Spec { kind: "test", item: Item::of::<u64>(), capacity: 3, detail: 4 }
}

fn make(place: Place<'_>) -> std::io::Result<segment::Opened> {
    segment::create(place, &spec(), 256, |segment| {
        segment.get::<AtomicU64>(0).store(42, SeqCst);
    })
}

#[test]
fn a_memfd_cannot_be_cut_short() {
    let made = make(Place::Anonymous("test")).unwrap();
    let file = std::fs::File::from(made.fd.try_clone().unwrap());
    assert_eq!(file.set_len(0).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(file.set_len(1 << 20).unwrap_err().kind(), ErrorKind::PermissionDenied);
    assert_eq!(made.segment.get::<AtomicU64>(0).load(SeqCst), 42);
}

#[test]
fn a_handle_that_arrives_twice_is_one_mapping() {
    let made = make(Place::Anonymous("test")).unwrap();
    let again = segment::attach(Arc::clone(&made.fd), "test", Item::of::<u64>()).unwrap();
    assert!(Arc::ptr_eq(&made.segment, &again.segment));
    assert_eq!(again.found, made.found);
    let weak = Arc::downgrade(&made.segment);
    let fd = Arc::clone(&made.fd);
    drop((made, again));
    assert!(weak.upgrade().is_none(), "and it goes with the last handle");
    let anew = segment::attach(fd, "test", Item::of::<u64>()).unwrap();
    assert_eq!(anew.segment.get::<AtomicU64>(0).load(SeqCst), 42);
}

#[test]
fn a_size_beyond_memory_is_an_error_and_not_a_crash() {
    let create = |bytes| segment::create(Place::Anonymous("test"), &spec(), bytes, |_| ());
    assert_eq!(create(usize::MAX).unwrap_err().kind(), ErrorKind::InvalidInput);
    let error = create(1 << 50).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert!(error.to_string().contains("it needs 1125899906846"), "{error}");
}

#[test]
fn what_is_no_segment_is_refused() {
    let attach = |fd: OwnedFd| segment::attach(Arc::new(fd), "test", Item::of::<u64>());
    let error = attach(std::fs::File::open("/dev/zero").unwrap().into()).unwrap_err();
    assert_eq!(error.to_string(), "it is not a regular file");
    let error = attach(tempfile::tempfile().unwrap().into()).unwrap_err();
    assert!(error.to_string().contains("too short for a header"));
}

#[test]
fn a_creator_killed_anywhere_leaves_a_whole_file_or_none() {
    let _dog = watchdog(Duration::from_secs(280));
    let report = kill_at_every_instruction(
        Limits { stride: 7, max_points: 20_000, ..Limits::default() },
        || tempfile::tempdir().unwrap(),
        |dir| drop(make(Place::Path(&dir.path().join("s")))),
        |dir, point| {
            let path = dir.path().join("s");
            match segment::open(&path, "test", Item::of::<u64>()) {
                Ok(opened) => assert_eq!(opened.segment.get::<AtomicU64>(0).load(SeqCst), 42),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
                    assert!(!point.finished);
                    make(Place::Path(&path)).unwrap();
                }
            }
            assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        },
    );
    assert_eq!(report.end, End::Finished);
}

#[test]
fn a_directory_that_does_not_exist_is_told() {
    let error = make(Place::Path(Path::new("/nonexistent/s"))).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
