//! A forked process runs any closure on a copy of everything, and is otherwise a process like the others.

#![allow(clippy::unwrap_used, reason = "only tests use it")]
#![allow(unsafe_code, reason = "fork is unsafe")]

mod support;

use proc_spawn::{
    Builder, JoinError, Process, SpawnError, Stdio, active_children, current_process, fork,
    fork_with_threads, spawn,
};
use std::time::Duration;
use support::{Handle, Watched};

/// Runs it in a process of its own, which has one thread.
fn alone<R>(scenario: fn() -> R) -> R
where
    R: serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    spawn((), scenario).unwrap().join().unwrap()
}

/// Forks where nothing is shared.
fn forked<R, F>(f: F) -> Process<R>
where
    F: FnOnce() -> R,
    R: serde::Serialize + serde::de::DeserializeOwned,
{
    // SAFETY: nothing here is shared or bound to a process.
    unsafe { fork(f) }.unwrap()
}

fn sleep() {
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_closure_with_captures_results_and_deaths() {
    let told = alone(|| {
        let text = String::from("captured");
        let mut counter = 0;
        let process = forked(|| {
            counter += 1;
            (
                text.len() + counter,
                std::os::unix::process::parent_id(),
                current_process().name().to_string(),
            )
        });
        assert_eq!(process.method(), None);
        let name = process.name().to_string();
        assert_eq!(process.join().unwrap(), (9, std::process::id(), name));
        assert_eq!(counter, 0);
        let panicked = forked(|| -> () { panic!("in a fork") }).join().unwrap_err();
        assert_eq!(panicked.panic().unwrap().message(), "in a fork");
        assert!(matches!(
            forked(|| std::process::exit(3)).join(),
            Err::<(), _>(JoinError::Exited(3))
        ));
        let aborted = forked(|| -> () { std::process::abort() }).join().unwrap_err();
        assert!(matches!(aborted, JoinError::Signaled { signal: libc::SIGABRT, .. }));
        let sleeper = forked(sleep);
        sleeper.kill().unwrap();
        assert_eq!(sleeper.wait().exitcode(), Some(-9));
        assert_eq!(forked(|| vec![1u8; 2 << 20]).join().unwrap().len(), 2 << 20);
        forked(|| current_process().name().to_string()).join().unwrap()
    });
    assert!(told.ends_with(":7"), "{told}");
}

#[test]
fn refused_where_other_threads_run_and_not_after_they_ended() {
    // SAFETY: refused.
    let here = unsafe { fork(|| 1) };
    assert!(matches!(here, Err(SpawnError::Threads)), "{here:?}");
    let outcome = alone(|| {
        for _ in 0..200 {
            std::thread::spawn(|| ()).join().unwrap();
            assert_eq!(forked(|| 1).join().unwrap(), 1);
        }
        let (tx, rx) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || rx.recv());
        // SAFETY: nothing here is shared or bound to a process.
        let refused = matches!(unsafe { fork(|| 1) }, Err(SpawnError::Threads));
        // SAFETY: the other thread waits, and holds nothing.
        let forced = unsafe { fork_with_threads(|| 2) }.unwrap().join().unwrap();
        drop(tx);
        let _ = thread.join();
        (refused, forced)
    });
    assert_eq!(outcome, (true, 2));
}

#[test]
fn a_fork_beside_busy_threads_can_print_and_allocate() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let process = Builder::new().stdout(Stdio::null()).spawn((), || {
        static STOP: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
        let threads: Vec<_> = (0..2)
            .map(|_| {
                std::thread::spawn(|| {
                    while !STOP.load(std::sync::atomic::Ordering::Relaxed) {
                        println!("{}", vec![1u8; 1000].len());
                    }
                })
            })
            .collect();
        for number in 0..50 {
            // SAFETY: the others are in `println!` and in the allocator, which are free in the copy.
            let process = unsafe {
                fork_with_threads(move || {
                    println!("{number}");
                    vec![number; 1000].len()
                })
            };
            assert_eq!(process.unwrap().join().unwrap(), 1000);
        }
        STOP.store(true, std::sync::atomic::Ordering::Relaxed);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    process.unwrap().join().unwrap();
}

#[test]
fn it_dies_with_its_parent_and_keeps_nobody_of_its_parent_alive() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (reader, writer) = Handle::pipe();
    let parent = spawn((writer,), |pids| {
        let tell = |pids: &Handle| pids.write(&format!("{}\n", std::process::id()));
        // A child of each kind, before and after the fork: none may be kept by the fork's copies.
        let server = Builder::new().method(proc_spawn::StartMethod::ForkServer);
        for builder in [Builder::new(), server] {
            let child = builder.spawn((pids.clone(),), |pids| {
                pids.write(&format!("{}\n", std::process::id()));
                sleep();
            });
            child.unwrap();
        }
        let _fork = forked(|| {
            assert!(active_children().is_empty());
            tell(&pids);
            sleep();
        });
        sleep();
    })
    .unwrap();
    let watched: Vec<_> =
        (0..3).map(|_| Watched::new(reader.read_line().parse().unwrap())).collect();
    parent.kill().unwrap();
    watched.iter().for_each(Watched::wait);
    assert_eq!(reader.read_to_end(), "");
}

#[test]
fn it_has_children_of_its_own_and_waits_for_them() {
    let (reader, writer) = Handle::pipe();
    let parent = spawn((writer,), |writer| {
        let process = forked(move || {
            let server = Builder::new().method(proc_spawn::StartMethod::ForkServer);
            let copied = server.spawn((4,), |x| x + 1).unwrap().join().unwrap();
            let nested = forked(|| 3).join().unwrap();
            let late = spawn((writer.clone(),), |writer| {
                std::thread::sleep(Duration::from_millis(150));
                writer.write("the child has ended\n");
            });
            drop(late.unwrap());
            let name = spawn((), || current_process().name().to_string()).unwrap();
            (copied, nested, name.join().unwrap())
        });
        let name = process.name().to_string();
        let (copied, nested, grandchild) = process.join().unwrap();
        (copied, nested, grandchild == format!("{name}:4"))
    });
    assert_eq!(parent.unwrap().join().unwrap(), (5, 3, true));
    assert_eq!(reader.read_to_end(), "the child has ended\n");
}

#[test]
fn settings_hold_and_output_is_written_once() {
    let outcome = alone(|| {
        print!("before, not flushed; ");
        let builder = Builder::new()
            .stdout(Stdio::captured())
            .env("COLOUR", "red")
            .open_files(60)
            .name("red");
        // SAFETY: nothing here is shared or bound to a process.
        let process = unsafe {
            builder.fork(|| {
                print!("in the fork");
                let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
                (std::env::var("COLOUR").ok(), limit, current_process().name().to_string())
            })
        };
        let process = process.unwrap();
        let captured = process.captured_stdout().unwrap().clone();
        let result = process.join().unwrap();
        assert!(std::env::var("COLOUR").is_err());
        // SAFETY: as above.
        let refused = unsafe { Builder::new().current_dir("/nowhere").fork(|| ()) };
        assert!(matches!(refused, Err(SpawnError::Setting(_))), "{refused:?}");
        (result, String::from_utf8(captured.tail(100).unwrap()).unwrap())
    });
    let seen = (Some("red".to_string()), Some(60), "red".to_string());
    assert_eq!(outcome, (seen, "in the fork".to_string()));
}

#[test]
fn a_fork_beside_threads_that_read_the_environment_gets_its_own() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let told = alone(|| {
        for _ in 0..3 {
            std::thread::spawn(|| {
                loop {
                    std::hint::black_box(std::env::var("PATH").ok());
                }
            });
        }
        let builder = Builder::new().env("COLOUR", "red").env_remove("PATH").nice(19);
        (0..40).all(|_| {
            let look = || (std::env::var("COLOUR").unwrap(), std::env::var("PATH").is_err());
            // SAFETY: the others read the environment only, and so does the copy.
            let process = unsafe { builder.fork_with_threads(look) };
            process.unwrap().join().unwrap() == ("red".to_string(), true)
        })
    });
    assert!(told);
}

#[test]
fn a_program_without_standard_streams_can_fork_and_spawn() {
    let told = alone(|| {
        for fd in [0, 1] {
            // SAFETY: nobody owns them; the standard library expects that they may be closed.
            unsafe { libc::close(fd) };
        }
        let captured = Builder::new().stdout(Stdio::captured());
        let forked = forked(|| {
            println!("nowhere");
            5
        });
        // SAFETY: nothing here is shared or bound to a process.
        let talker = unsafe { captured.fork(|| println!("somewhere")) }.unwrap();
        let text = talker.captured_stdout().unwrap().clone();
        let spawned = spawn((), || 6).unwrap();
        println!("not into the socket of that");
        talker.join().unwrap();
        let text = String::from_utf8(text.tail(100).unwrap()).unwrap();
        (forked.join().unwrap(), spawned.join().unwrap(), text)
    });
    assert_eq!(told, (5, 6, "somewhere\n".to_string()));
}

#[test]
fn signals_that_the_parent_blocks_reach_it() {
    let status = alone(|| {
        nix::sys::signal::SigSet::all().thread_block().unwrap();
        let sleeper = forked(|| {
            println!();
            sleep();
        });
        sleeper.terminate().unwrap();
        sleeper.wait().signal()
    });
    assert_eq!(status, Some(libc::SIGTERM));
}

#[test]
fn what_a_fork_inherits_of_its_parent_s_processes_is_of_no_use_to_it() {
    let told = alone(|| {
        let mut child = spawn((), || 42).unwrap();
        let _ = child.wait();
        let parent = proc_spawn::parent_process().unwrap();
        let fork = forked(|| {
            let stolen =
                matches!(child.join_timeout(Duration::ZERO), Some(Err(JoinError::Unknown)));
            // Takes the number of the socket that the fork has given up.
            let pipe = std::io::pipe().unwrap();
            drop(pipe.1);
            (stolen, parent.is_alive())
        });
        (fork.join().unwrap(), child.join().unwrap())
    });
    assert_eq!(told, ((true, true), 42));
}

#[test]
fn it_holds_nothing_of_a_process_that_another_thread_is_starting() {
    const CHILDREN: usize = 40;
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (reader, writer) = Handle::pipe();
    let (release, _hold) = Handle::pipe();
    let parent = spawn((writer, release), |pids, release| {
        let starter = std::thread::spawn(move || {
            for _ in 0..CHILDREN {
                let child = spawn((pids.clone(),), |pids| {
                    pids.write(&format!("{}\n", std::process::id()));
                    sleep();
                });
                drop(child.unwrap());
            }
        });
        while !starter.is_finished() {
            let builder = Builder::new().detached(true);
            // SAFETY: the copies wait, and need nothing of the other thread's.
            let copy = unsafe { builder.fork_with_threads(|| drop(release.read_to_end())) };
            drop(copy.unwrap());
            std::thread::sleep(Duration::from_millis(2));
        }
        sleep();
    })
    .unwrap();
    let children: Vec<_> =
        (0..CHILDREN).map(|_| Watched::new(reader.read_line().parse().unwrap())).collect();
    parent.kill().unwrap();
    children.iter().for_each(Watched::wait);
}

#[test]
fn no_destructor_or_exit_handler_of_the_parent_runs_in_it() {
    struct Tell(Handle);
    impl Drop for Tell {
        fn drop(&mut self) {
            self.0.write("dropped\n");
        }
    }
    extern "C" fn handler() {
        // Seen by the exit code: this one is not the fork's.
        // SAFETY: it ends the process.
        unsafe { libc::_exit(99) }
    }
    let (reader, writer) = Handle::pipe();
    let parent = spawn((writer,), |writer| {
        let on_stack = Tell(writer);
        // SAFETY: the function takes nothing.
        unsafe { libc::atexit(handler) };
        let process = forked(|| 1);
        assert_eq!(process.wait().exitcode(), Some(0));
        on_stack.0.write("the fork has ended\n");
        drop(on_stack);
    })
    .unwrap();
    assert_eq!(parent.wait().exitcode(), Some(99));
    assert_eq!(reader.read_to_end(), "the fork has ended\ndropped\n");
}
