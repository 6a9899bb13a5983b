//! Environment, directory, niceness, CPUs and session are as the builder was told when the function runs.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod support;

use proc_spawn::{Builder, SpawnError};
use std::time::Duration;
use support::{Handle, Watched};

#[test]
fn the_environment() {
    let variables = || {
        let mut all: Vec<_> = std::env::vars().collect();
        all.sort();
        all
    };
    let builder = Builder::new().env("COLOUR", "blue").env_remove("PATH").env("COLOUR", "green");
    let all = builder.spawn((), variables).unwrap().join().unwrap();
    assert!(all.contains(&("COLOUR".into(), "green".into())), "{all:?}");
    assert!(all.len() > 1 && all.iter().all(|(name, _)| name != "PATH"), "{all:?}");
    let builder = builder.env_clear().env("ONLY", "this");
    let all = builder.spawn((), variables).unwrap().join().unwrap();
    assert_eq!(all, [("ONLY".to_string(), "this".to_string())]);
    for name in ["", "A=B", "A\0"] {
        let refused = Builder::new().env(name, "x").spawn((), || ());
        assert!(matches!(refused, Err(SpawnError::Setting(_))), "{refused:?}");
    }
    // The constructors of the program have seen it already: it was executed with it.
    let environ = || std::fs::read("/proc/self/environ").unwrap();
    let text = Builder::new().env("SEEN", "early").spawn((), environ).unwrap().join().unwrap();
    assert!(text.split(|byte| *byte == 0).any(|entry| entry == b"SEEN=early"));
}

#[test]
fn the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().canonicalize().unwrap();
    let here = || std::env::current_dir().unwrap();
    assert_eq!(Builder::new().current_dir(&path).spawn((), here).unwrap().join().unwrap(), path);
    let ours = std::env::current_dir().unwrap();
    let above = Builder::new().current_dir("..").spawn((), here).unwrap().join().unwrap();
    assert_eq!(above, ours.parent().unwrap());
    assert_eq!(std::env::current_dir().unwrap(), ours);
}

#[test]
fn niceness_cpus_and_session() {
    let seen = || {
        let nice = rustix::process::getpriority_process(None).unwrap();
        let set = rustix::thread::sched_getaffinity(None).unwrap();
        let cpus: Vec<u32> = (0..1024).filter(|cpu| set.is_set(*cpu as usize)).collect();
        // The leader of a session that began outside the PID namespace has the number 0, which rustix refuses.
        let leader = nix::unistd::getsid(None).unwrap() == nix::unistd::getpid();
        (nice, cpus, leader)
    };
    let (nice, cpus, leader) = Builder::new().spawn((), seen).unwrap().join().unwrap();
    assert_eq!(nice, rustix::process::getpriority_process(None).unwrap());
    assert!(!leader);
    let last = *cpus.last().unwrap();
    // What anybody may set, wherever the tests themselves run.
    let builder = Builder::new().nice(19).affinity([last]).setsid(true);
    assert_eq!(builder.spawn((), seen).unwrap().join().unwrap(), (19, vec![last], true));
}

#[test]
fn one_that_does_not_die_with_its_parent_lives_on() {
    let (release, hold) = Handle::pipe();
    let (reader, writer) = Handle::pipe();
    let parent = proc_spawn::spawn((release, writer), |release, pids| {
        let untied = Builder::new().die_with_parent(false);
        let child = untied.spawn((release, pids), |release, pids| {
            pids.write("ready\n");
            release.read_to_end();
            let parent = proc_spawn::parent_process().unwrap();
            pids.write(&format!("{}\n", parent.is_alive()));
        });
        child.unwrap();
        std::thread::sleep(Duration::from_secs(600));
    })
    .unwrap();
    assert_eq!(reader.read_line(), "ready");
    parent.kill().unwrap();
    let _ = parent.wait();
    drop(hold);
    assert_eq!(reader.read_line(), "false");
}

#[test]
fn one_that_does_not_die_with_its_parent_is_waited_for_all_the_same() {
    let (reader, writer) = Handle::pipe();
    let parent = proc_spawn::spawn((writer,), |writer| {
        let child = Builder::new().die_with_parent(false).spawn((writer.clone(),), |writer| {
            std::thread::sleep(Duration::from_millis(200));
            writer.write("the child has ended\n");
        });
        drop(child.unwrap());
    })
    .unwrap();
    parent.join().unwrap();
    assert_eq!(reader.read_to_end(), "the child has ended\n");
}

#[test]
fn a_parent_that_is_killed_while_it_waits_for_the_word_takes_the_child_along() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    for round in 0..60u64 {
        let (reader, writer) = Handle::pipe();
        let parent = proc_spawn::spawn((writer,), |writer| -> () {
            loop {
                drop(Builder::new().nice(19).spawn((writer.clone(),), |_writer| {
                    std::thread::sleep(Duration::from_secs(600));
                }));
            }
        })
        .unwrap();
        std::thread::sleep(Duration::from_micros(150 * round));
        parent.kill().unwrap();
        // Ends when no process is left that has the writing end.
        assert_eq!(reader.read_to_end(), "");
    }
}

#[test]
fn a_process_that_was_asked_to_say_that_it_has_started_is_still_tied() {
    let (reader, writer) = Handle::pipe();
    let parent = proc_spawn::spawn((writer,), |pids| {
        let child = Builder::new().nice(19).spawn((pids,), |pids| {
            pids.write(&format!("{}\n", std::process::id()));
            std::thread::sleep(Duration::from_secs(600));
        });
        child.unwrap();
        std::thread::sleep(Duration::from_secs(600));
    })
    .unwrap();
    let child = Watched::new(reader.read_line().parse().unwrap());
    parent.kill().unwrap();
    child.wait();
}
