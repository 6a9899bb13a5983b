//! What went wrong once, in review: garbled words, forks, namespaces, files that lie.

#![allow(unsafe_code, reason = "enters a namespace and becomes another program")]
#![allow(clippy::unwrap_used, reason = "a test")]

use proc_lock::{LockTimeoutError, Mutex, TryLockError};
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;
use testkit::{Outcome, fork, until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

/// Writes zeros over the lock word, as a peer that means ill may: "free".
fn zero_the_word(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[0; 8], file.metadata().unwrap().len() - 32).unwrap();
}

#[test]
fn a_garbled_word_brings_no_two_threads_of_ours_inside() {
    let _dog = watchdog(WAIT);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    let mutex = Mutex::create(&path, [0u64; 4]).unwrap();
    let older = Mutex::new(0u8).unwrap();
    let older_guard = older.lock().unwrap();
    let guard = mutex.lock().unwrap();
    zero_the_word(&path);
    let other = mutex.clone();
    std::thread::spawn(move || {
        assert!(matches!(other.try_lock(), Err(TryLockError::WouldBlock)));
        let timed = other.lock_timeout(Duration::from_millis(50));
        assert!(matches!(timed, Err(LockTimeoutError::TimedOut)));
        // A chain that went through this thread would now lead into freed memory.
        let own = Mutex::new(0u8).unwrap();
        std::mem::forget(own.lock().unwrap());
    })
    .join()
    .unwrap();
    drop(older_guard);
    drop(guard);
    for _ in 0..3 {
        drop(older.lock().unwrap());
        drop(mutex.lock().unwrap());
    }
}

#[test]
fn a_thread_that_becomes_another_program_gives_its_locks_up_also_when_it_is_not_the_first() {
    let _dog = watchdog(WAIT);
    let mutex = Mutex::new(0u32).unwrap();
    let child = fork(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::mem::forget(mutex.lock().unwrap());
                let (sleep, long) = (c"sleep".as_ptr(), c"50".as_ptr());
                // SAFETY: strings and the closing null.
                unsafe { libc::execlp(sleep, sleep, long, std::ptr::null::<libc::c_char>()) };
            });
        });
    });
    let comm = format!("/proc/{}/comm", child.pid());
    until(WAIT, "the exec", || fs::read_to_string(&comm).is_ok_and(|name| name == "sleep\n"));
    assert!(!mutex.is_poisoned(), "nobody has looked yet");
    let told = mutex.lock_timeout(WAIT);
    assert!(matches!(told, Err(LockTimeoutError::OwnerDied(_))));
    child.kill();
}

#[test]
fn a_fork_into_another_pid_namespace_does_not_take_the_lock_of_the_living() {
    let _dog = watchdog(WAIT);
    let mutex = Mutex::new(0u32).unwrap();
    let held = mutex.lock().unwrap();
    let child = fork(|| {
        // SAFETY: changes where the next child is born, and nothing else.
        if unsafe { libc::unshare(libc::CLONE_NEWPID) } != 0 {
            return; // Not allowed here.
        }
        let inside = fork(|| {
            let refused = catch_unwind(AssertUnwindSafe(|| drop(mutex.lock())));
            assert!(refused.is_err(), "the parent has it");
        });
        assert_eq!(inside.wait(), Outcome::Exited(0));
    });
    child.assert_ok();
    drop(held);
    drop(mutex.lock().unwrap());
}

#[test]
fn a_file_that_is_too_short_for_what_it_says_it_holds_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    drop(Mutex::create(&path, [[0u8; 4096]; 2]).unwrap());
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(4096).unwrap();
    file.write_all_at(&4096u64.to_le_bytes(), 40).unwrap();
    let error = Mutex::<[[u8; 4096]; 2]>::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[test]
fn a_file_that_others_may_write_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m");
    drop(Mutex::create(&path, 0u32).unwrap());
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(Mutex::<u32>::open(&path).unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[test]
fn a_forked_child_that_panics_with_a_copy_of_the_guard_poisons_nothing() {
    let _dog = watchdog(WAIT);
    let mutex = Mutex::new(0u32).unwrap();
    let mut held = Some(mutex.lock().unwrap());
    let child = fork(|| {
        let _copy = held.take();
        panic!("expected");
    });
    assert_eq!(child.wait(), Outcome::Exited(101));
    drop(held);
    drop(mutex.lock().unwrap());
}
