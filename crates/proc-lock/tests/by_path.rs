//! Opening what is no such mutex is an error that names the object and the difference.

use proc_lock::{Error, Mutex};
use std::error::Error as _;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

fn refused<T: proc_lock::Data>(path: &Path) -> (ErrorKind, String) {
    let error: Error = Mutex::<T>::open(path).expect_err("opened");
    assert_eq!(error.to_string(), format!("failed to open mutex `{}`", path.display()));
    (error.kind(), error.source().expect("a cause").to_string())
}

#[test]
fn a_second_creator_is_told_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let first = Mutex::create(&path, 7u64).unwrap();
    assert_eq!(Mutex::create(&path, 8u64).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(*first.lock().unwrap(), 7);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no other file is left");
}

#[test]
fn another_type_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let _mutex = Mutex::create(&path, 7u64).unwrap();
    let (kind, why) = refused::<f64>(&path);
    assert_eq!(kind, ErrorKind::InvalidData);
    assert_eq!(why, "it holds items of type `u64` (8 bytes), not `f64` (8 bytes)");
}

#[test]
fn missing_wrong_and_truncated_files_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    assert_eq!(refused::<u64>(&path).0, ErrorKind::NotFound);

    fs::write(&path, "x").unwrap();
    assert!(refused::<u64>(&path).1.contains("too short for a header"));
    fs::write(&path, vec![b'x'; 8192]).unwrap();
    assert!(refused::<u64>(&path).1.contains("does not begin with the mark"));
    fs::remove_file(&path).unwrap();

    let mutex = Mutex::create(&path, 7u64).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(2 * 4096).unwrap();
    assert!(refused::<u64>(&path).1.contains("8192 bytes long, and its header says 4096"));
    file.set_len(4096).unwrap();

    file.write_all_at(&[9], 8).unwrap();
    assert!(refused::<u64>(&path).1.contains("version 9"));
    file.write_all_at(&[1], 8).unwrap();
    file.write_all_at(&[0xff; 4], 48).unwrap();
    assert!(refused::<u64>(&path).1.contains("PID namespace"));
    drop(mutex);

    assert!(refused::<u64>(Path::new("/dev/null")).1.contains("not a regular file"));
}

#[test]
fn of_many_who_open_or_create_at_once_one_creates() {
    let _dog = testkit::watchdog(std::time::Duration::from_secs(60));
    let dir = tempfile::tempdir().unwrap();
    for round in 0..20 {
        let path = dir.path().join(format!("m{round}"));
        let count = || {
            let mutex = Mutex::open_or_create(&path, [1_000u64, 0]).unwrap();
            let mut both = mutex.lock().unwrap();
            *both = [both[0] + 1, both[1] + 1];
        };
        let children: Vec<_> = (0..4).map(|_| testkit::fork(count)).collect();
        children.into_iter().for_each(testkit::Child::assert_ok);
        let mutex = Mutex::<[u64; 2]>::open(&path).unwrap();
        assert_eq!(*mutex.lock().unwrap(), [1_004, 4]);
    }
}

#[test]
fn what_is_unlinked_lives_on_for_those_who_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let old = Mutex::create(&path, 1u64).unwrap();
    Mutex::unlink(&path).unwrap();
    assert_eq!(Mutex::unlink(&path).unwrap_err().kind(), ErrorKind::NotFound);
    let new = Mutex::open_or_create(&path, 2u64).unwrap();
    assert_eq!((*old.lock().unwrap(), *new.lock().unwrap()), (1, 2));
}
