//! Whoever sets our variable without being a parent gets exit code 71 and a line, and never `main`.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const VARIABLE: &str = concat!(
    "__PROC_SPAWN_",
    env!("CARGO_PKG_VERSION_MAJOR"),
    "_",
    env!("CARGO_PKG_VERSION_MINOR"),
    "_",
    env!("CARGO_PKG_VERSION_PATCH"),
);

/// Runs this test program, or a copy of it, with the variable; returns what it said on stderr.
///
/// Were `main` to run, it would print that it runs no test: none has that name.
fn refused_by(program: &Path, value: &str, stdin: impl Into<Stdio>) -> String {
    let output = Command::new(program)
        .args(["--exact", "no test has this name"])
        .env(VARIABLE, value)
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(71), "{value}: {stderr}");
    assert!(output.stdout.is_empty(), "{value}: main ran");
    stderr
}

fn refused(value: &str, stdin: impl Into<Stdio>) -> String {
    let stderr = refused_by(&std::env::current_exe().unwrap(), value, stdin);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("proc-spawn: process "), "{stderr}");
    stderr
}

fn null() -> File {
    File::open("/dev/null").unwrap()
}

#[test]
fn a_parent_is_served() {
    assert_eq!(proc_spawn::spawn((3,), |x| x + 4).unwrap().join().unwrap(), 7);
}

#[test]
fn without_the_variable_main_runs() {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "no test has this name"])
        .output()
        .unwrap();
    assert!(output.status.success());
    assert!(String::from_utf8(output.stdout).unwrap().contains("running 0 tests"));
}

#[test]
fn malformed_values() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    let long = "9".repeat(100_000);
    for value in ["", "1", "2:0", "1:1", "1:0:", "1:0:closed", " 1:0", "1:0\n", &long] {
        let (ours, theirs) = packet::pair().unwrap();
        let told = refused(value, theirs);
        assert!(told.contains("instead of"), "{told}");
        drop(ours);
    }
}

#[test]
fn no_socket_or_one_of_another_kind() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    let (_reader, pipe) = std::io::pipe().unwrap();
    let (stream, _other) = UnixStream::pair().unwrap();
    let (datagram, _another) = UnixDatagram::pair().unwrap();
    let kinds: [OwnedFd; 4] = [null().into(), pipe.into(), stream.into(), datagram.into()];
    for fd in kinds {
        let told = refused("1:0", fd);
        assert!(told.contains("not the socket of a parent"), "{told}");
    }
    for value in ["1:0", "1:0:close"] {
        assert!(refused(value, null()).contains("not the socket"));
    }
}

#[test]
fn a_socket_without_a_message_does_not_make_it_wait() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    let (ours, theirs) = packet::pair().unwrap();
    let told = refused("1:0", theirs);
    assert!(told.contains("no start message"), "{told}");
    drop(ours);
}

#[test]
fn a_parent_that_is_gone_ends_it_without_a_word() {
    let (ours, theirs) = packet::pair().unwrap();
    drop(ours);
    let told = refused_by(&std::env::current_exe().unwrap(), "1:0", theirs);
    assert_eq!(told, "");
}

#[test]
fn garbage_instead_of_a_message() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    for (kind, body) in
        [(0, &b""[..]), (7, b"x"), (0x7370_0001, &[0xff; 64]), (0x7370_0001, &[0; 200_000])]
    {
        let (ours, theirs) = packet::pair().unwrap();
        packet::send(ours.as_fd(), kind, body, &[], Deadline::NEVER).unwrap();
        let told = refused("1:0", theirs);
        assert!(told.contains("start message: "), "{told}");
    }
    let (ours, theirs) = packet::pair().unwrap();
    rustix::io::write(&ours, b"no packet at all").unwrap();
    assert!(refused("1:0", theirs).contains("no start message"));
}

/// Removes its file, also when the test fails.
struct Copy(PathBuf);

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn a_socket_that_another_program_made() {
    let us = std::env::current_exe().unwrap();
    let copy = Copy(us.with_extension(format!("copy-{}", std::process::id())));
    // By another process: a descriptor of ours that is open for writing, inherited by one that
    // another test starts at this moment, would make the copy "busy".
    assert!(Command::new("cp").args([&us, &copy.0]).status().unwrap().success());
    let (ours, theirs) = packet::pair().unwrap();
    packet::send(ours.as_fd(), 0x7370_0001, b"x", &[], Deadline::NEVER).unwrap();
    let told = refused_by(&copy.0, "1:0", theirs);
    assert!(told.contains("made by another program"), "{told}");
}
