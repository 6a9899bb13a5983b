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
