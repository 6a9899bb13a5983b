//! A start that lacks descriptors, processes or memory is an error with its reason, and leaves nothing behind.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod support;

use proc_spawn::{Builder, SpawnError, StartMethod, Stdio, active_children, spawn};
use std::error::Error;
use std::fs::File;
use std::io::ErrorKind;
use support::descriptors;

fn kind(error: &SpawnError) -> ErrorKind {
    match error {
        SpawnError::Io(error) | SpawnError::Setting(error) => {
            assert!(error.source().is_some());
            error.kind()
        }
        other => panic!("{other}"),
    }
}

/// Starts with fewer and fewer open files in the way, until it works; returns how often it did not.
fn refusals(method: StartMethod) -> usize {
    let builder = Builder::new().method(method).stdout(Stdio::captured()).stderr(Stdio::piped());
    let mut strays = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        strays.push(file);
    }
    let mut refused = 0;
    loop {
        let before = descriptors_without_proc(&mut strays);
        match builder.spawn((3,), |x| x + 1) {
            Ok(process) => {
                assert_eq!(process.join().unwrap(), 4);
                return refused;
            }
            Err(error) => {
                let told = kind(&error);
                // The limit has a kind of its own, without a name yet.
                assert!(!matches!(told, ErrorKind::NotFound | ErrorKind::InvalidData), "{error:?}");
                refused += 1;
            }
        }
        assert!(active_children().is_empty());
        assert_eq!(descriptors_without_proc(&mut strays), before, "after refusal {refused}");
        strays.pop().unwrap();
    }
}

/// Counts the descriptors; one of the strays makes room for the look.
fn descriptors_without_proc(strays: &mut Vec<File>) -> usize {
    drop(strays.pop());
    let count = descriptors(std::process::id()).len();
    strays.push(File::open("/dev/null").unwrap());
    count
}

#[test]
fn without_descriptors() {
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let server = method == StartMethod::ForkServer;
        let process = Builder::new().open_files(60).spawn((server,), |server| {
            let method = if server { StartMethod::ForkServer } else { StartMethod::Spawn };
            let first = refusals(method);
            // And with a server that runs.
            (first, refusals(method))
        });
        let (first, second) = process.unwrap().join().unwrap();
        assert!(first > 2 && second > 2, "{first} {second}");
    }
}

#[test]
fn without_processes() {
    let told = spawn((), || {
        // For a user of whom there is no other process; root has no such limit.
        nix::unistd::setuid(nix::unistd::Uid::from_raw(54_321)).ok()?;
        let dumpable = rustix::process::DumpableBehavior::Dumpable;
        rustix::process::set_dumpable_behavior(dumpable).unwrap();
        let none = rustix::process::Rlimit { current: Some(1), maximum: Some(10) };
        rustix::process::setrlimit(rustix::process::Resource::Nproc, none).unwrap();
        let refused = |method| {
            let error = Builder::new().method(method).spawn((), || ()).unwrap_err();
            kind(&error) == ErrorKind::WouldBlock
        };
        let spawned = refused(StartMethod::Spawn) && refused(StartMethod::ForkServer);
        // SAFETY: nothing here is shared or bound to a process.
        #[allow(unsafe_code, reason = "fork is unsafe")]
        let forked = unsafe { proc_spawn::fork(|| ()) };
        let forked = kind(&forked.unwrap_err()) == ErrorKind::WouldBlock;
        let more = rustix::process::Rlimit { current: Some(10), maximum: Some(10) };
        rustix::process::setrlimit(rustix::process::Resource::Nproc, more).unwrap();
        let later = Builder::new().method(StartMethod::ForkServer).spawn((), || 5).unwrap();
        Some((spawned, forked, later.join().unwrap(), active_children().len()))
    });
    if let Some(told) = told.unwrap().join().unwrap() {
        assert_eq!(told, (true, true, 5, 0));
    }
}
