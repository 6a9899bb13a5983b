//! A process that gives up rights has no fork server with more, and is not held up by the one that it had.
#![allow(clippy::unwrap_used, reason = "only tests use it")]
#![allow(unsafe_code, reason = "calls of the C library without a safe wrapper")]

use nix::unistd::{Uid, getuid, setuid};
use proc_spawn::{Builder, StartMethod, forkserver, spawn};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::time::Duration;

fn server() -> Builder {
    Builder::new().method(StartMethod::ForkServer)
}

/// Runs it in a process of its own, which has a server of its own.
fn alone<R>(scenario: fn() -> R) -> R
where
    R: serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    let _watchdog = testkit::watchdog(Duration::from_secs(60));
    spawn((), scenario).unwrap().join().unwrap()
}

fn copied<R>(f: fn() -> R) -> R
where
    R: serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    let process = server().spawn((), f).unwrap();
    assert_eq!(process.method(), Some(StartMethod::ForkServer));
    process.join().unwrap()
}

fn has_no_new_privs() -> bool {
    // SAFETY: it takes and returns numbers.
    unsafe { libc::prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 }
}

#[test]
fn copies_have_no_new_privileges_where_their_parent_has_none() {
    let told = alone(|| {
        let before = copied(has_no_new_privs) == has_no_new_privs();
        // SAFETY: it takes numbers.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        (before, copied(has_no_new_privs))
    });
    assert_eq!(told, (true, true));
}

#[test]
fn one_that_gives_up_root_has_copies_without_it_and_can_exit() {
    let told = alone(|| {
        copied(|| ());
        setuid(Uid::from_raw(54_321)).ok()?;
        set_dumpable_behavior(DumpableBehavior::Dumpable).unwrap();
        // The server that it had cannot be killed any more, and has gone all the same.
        let user = copied(|| getuid().as_raw());
        let us = std::process::id().to_string();
        let servers = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let stat = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            let (name, fields) = stat.rsplit_once(") ")?;
            let parent = fields.split(' ').nth(1)?;
            (name.contains("ForkServer") && parent == us).then_some(())
        });
        Some((user, servers.count()))
    });
    // Not every test may change its user.
    assert!(told.is_none_or(|told| told == (54_321, 1)), "{told:?}");
}

#[test]
fn one_that_gives_up_root_right_after_can_exit() {
    alone(|| {
        copied(|| ());
        let _ = setuid(Uid::from_raw(54_321));
    });
}

#[test]
fn copies_have_the_cpus_of_the_thread_that_starts_them() {
    fn cpus() -> u32 {
        sched_getaffinity(None).unwrap().count()
    }
    let (all, pinned, later) = alone(|| {
        let all = cpus();
        let pinned = std::thread::spawn(|| {
            let mut one = CpuSet::new();
            let allowed = sched_getaffinity(None).unwrap();
            one.set((0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu)).unwrap());
            sched_setaffinity(None, &one).unwrap();
            // It starts the server.
            copied(cpus)
        });
        (all, pinned.join().unwrap(), copied(cpus))
    });
    assert_eq!((pinned, later), (1, all));
}

#[test]
fn a_server_that_is_stopped_makes_room_for_one_with_the_limits_of_now() {
    let told = alone(|| {
        fn limit() -> Option<u64> {
            rustix::process::getrlimit(rustix::process::Resource::Nofile).current
        }
        let before = copied(limit);
        let lower = rustix::process::Rlimit { current: Some(77), maximum: Some(77) };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, lower).unwrap();
        let old = copied(limit) == before;
        forkserver::stop();
        (old, copied(limit))
    });
    assert_eq!(told, (true, Some(77)));
}
