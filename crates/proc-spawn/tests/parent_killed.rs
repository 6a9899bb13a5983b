//! When a process is killed its children die with it, daemons or not, busy or asleep, at any depth.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod support;

use proc_spawn::{Builder, Process, spawn};
use std::time::Duration;
use support::{Handle, Watched};

/// Starts a parent in a process of its own, which runs `family` and tells the pids of its children.
fn parent(family: fn(Handle)) -> (Process<()>, Handle) {
    let (reader, writer) = Handle::pipe();
    (spawn((writer,), family).unwrap(), reader)
}

fn tell(handle: &Handle, pid: u32) {
    handle.write(&format!("{pid}\n"));
}

fn sleep(pids: Handle) {
    tell(&pids, std::process::id());
    std::thread::sleep(Duration::from_secs(600));
}

fn busy(pids: Handle) {
    tell(&pids, std::process::id());
    loop {
        std::hint::spin_loop();
    }
}

/// Kills the parent and waits until the `count` processes it told of are gone.
fn kill_and_watch(family: fn(Handle), count: usize) {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (parent, pids) = parent(family);
    let children: Vec<_> =
        (0..count).map(|_| Watched::new(pids.read_line().parse().unwrap())).collect();
    assert!(children.iter().all(|child| !child.has_ended()));
    parent.kill().unwrap();
    assert_eq!(parent.wait().signal(), Some(libc::SIGKILL));
    children.iter().for_each(Watched::wait);
}

#[test]
fn daemons_and_others_asleep_and_busy() {
    kill_and_watch(
        |pids| {
            for daemon in [false, true] {
                let builder = Builder::new().daemon(daemon);
                for body in [sleep as fn(Handle), busy] {
                    builder.spawn((pids.clone(),), body).unwrap();
                }
            }
            std::thread::sleep(Duration::from_secs(600));
        },
        4,
    );
}

#[test]
fn grandchildren_too() {
    kill_and_watch(
        |pids| {
            let child = spawn((pids.clone(),), |pids| {
                spawn((pids.clone(),), sleep).unwrap();
                sleep(pids);
            });
            child.unwrap();
            std::thread::sleep(Duration::from_secs(600));
        },
        2,
    );
}

#[test]
fn one_that_has_reported_and_waits_for_its_own_children() {
    kill_and_watch(
        |pids| {
            let child = spawn((pids.clone(),), |pids| {
                spawn((pids,), sleep).unwrap();
                // Returns: its exit waits for the sleeper, for ten minutes.
            });
            let child = child.unwrap();
            let pid = child.pid();
            // The report has been sent when its socket can be read; give it time to go to sleep.
            testkit::until(Duration::from_secs(60), "the child waits at exit", || {
                testkit::is_asleep(pid.cast_signed())
            });
            std::thread::sleep(Duration::from_millis(50));
            tell(&pids, pid);
            std::thread::sleep(Duration::from_secs(600));
        },
        2,
    );
}

#[test]
fn at_any_moment_while_it_starts_others() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    for round in 0..100u64 {
        let (reader, writer) = Handle::pipe();
        let parent = spawn((writer,), |writer| -> () {
            loop {
                drop(spawn((writer.clone(),), |_writer| {
                    std::thread::sleep(Duration::from_secs(600))
                }));
            }
        })
        .unwrap();
        std::thread::sleep(Duration::from_micros(97 * round));
        parent.kill().unwrap();
        // Ends when no process is left that has the writing end.
        assert_eq!(reader.read_to_end(), "");
        assert_eq!(parent.wait().signal(), Some(libc::SIGKILL));
    }
}

#[test]
fn not_when_only_the_thread_ends_that_started_it() {
    let child = std::thread::spawn(|| {
        spawn((), || {
            std::thread::sleep(Duration::from_millis(300));
            "lived".to_string()
        })
        .unwrap()
    });
    assert_eq!(child.join().unwrap().join().unwrap(), "lived");
}

#[test]
fn not_when_it_is_detached() {
    let (release, hold) = Handle::pipe();
    let (reader, writer) = Handle::pipe();
    let parent = spawn((release, writer), |release, pids| {
        let detached = Builder::new().detached(true).spawn((release, pids), |release, pids| {
            let parent = proc_spawn::parent_process().unwrap();
            assert!(parent.is_alive());
            pids.write("ready\n");
            release.read_to_end();
            pids.write(&format!("{}\n", parent.is_alive()));
        });
        detached.unwrap();
        std::thread::sleep(Duration::from_secs(600));
    })
    .unwrap();
    assert_eq!(reader.read_line(), "ready");
    parent.kill().unwrap();
    let _ = parent.wait();
    drop(hold);
    assert_eq!(reader.read_line(), "false");
}

extern "C" fn linger() {
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
#[allow(unsafe_code, reason = "registers an exit handler")]
fn also_one_that_has_done_its_work_and_is_on_its_way_out() {
    kill_and_watch(
        |pids| {
            let finished = |pids: Handle| {
                // SAFETY: the function takes nothing and does not unwind.
                unsafe { libc::atexit(linger) };
                tell(&pids, std::process::id());
            };
            spawn((pids.clone(),), finished).unwrap();
            std::thread::sleep(Duration::from_secs(600));
        },
        1,
    );
}
