//! `cargo xtask examples` lets good programs pass and names what bad ones do wrong.

#![allow(clippy::unwrap_used, reason = "a test helper")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

/// What one test leaves in /dev/shm must not be there while another one looks.
static TURN: Mutex<()> = Mutex::new(());

/// Runs the command on a shell script that stands for `process_basic`.
fn examples(script: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("process_basic");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["examples", "process_basic", "--limit", "2", "--built"]).arg(folder.path());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let output = command.output().unwrap();
    let _ = fs::remove_file(litter());
    output
}

/// Asserts that the script fails, that the report has these words, and shows what was printed.
fn fails(script: &str, words: &[&str]) {
    let output = examples(script);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{report}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("failed: process_basic"));
    for word in words {
        assert!(report.contains(word), "`{word}` is not in: {report}");
    }
}

/// Five lines, each from a process of its own, as it should be.
const GOOD: &str = "for i in 0 1 2 3 4; do sh -c \"echo Process: $i\" & done; wait";

#[test]
fn what_behaves_passes() {
    let output = examples(GOOD);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{report}");
    assert!(report.contains("process_basic") && report.contains("ok"), "{report}");
}

#[test]
fn lines_from_the_first_process_are_seen_through() {
    let script = "for i in 0 1 2 3 4; do echo Process: $i; done";
    fails(script, &["FAILED", "prints each line from another process", "Process: 3"]);
}

#[test]
fn a_process_that_is_left_is_named() {
    let script = format!("{GOOD}; sleep 600 >/dev/null 2>&1 &");
    fails(&script, &["leaves no process behind", "left behind: process"]);
}

#[test]
fn what_hangs_is_killed_with_all_that_it_started() {
    fails("sleep 600 & echo here; wait", &["ends by itself", "was killed", "here"]);
}

#[test]
fn a_wrong_code_and_a_complaint_are_failures() {
    fails(&format!("{GOOD}; exit 3"), &["ends with code 0", "code 3"]);
    fails(&format!("{GOOD}; kill -ABRT $$"), &["ends with code 0", "signal 6"]);
    fails(&format!("{GOOD}; echo oh >&2"), &["writes nothing to standard error", "(stderr)  oh"]);
}

#[test]
fn a_line_of_two_processes_is_a_failure() {
    let script =
        "sh -c 'printf Proc'; echo ess: 0; for i in 1 2 3 4; do sh -c \"echo Process: $i\"; done";
    fails(script, &["writes each line in one process", "Process: 0"]);
}

#[test]
fn litter_in_shared_memory_is_a_failure() {
    let script = format!("{GOOD}; echo > {}", litter());
    fails(&script, &["leaves nothing in /dev/shm", "left behind: /dev/shm/xtask-litter"]);
}

fn litter() -> String {
    format!("/dev/shm/xtask-litter-{}", std::process::id())
}
