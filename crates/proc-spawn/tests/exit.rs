//! At an orderly exit daemons are ended and the others are waited for, in the program as in a
//! child.

mod support;

use proc_spawn::{Builder, SpawnError, Stdio, spawn};
use std::time::{Duration, Instant};
use support::{Handle, Watched};

fn sleep() {
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn daemons_are_ended_and_others_are_waited_for() {
    let (reader, writer) = Handle::pipe();
    let parent = spawn((writer,), |writer| {
        let daemon = Builder::new().daemon(true).spawn((writer.clone(),), |writer| {
            sleep();
            writer.write("the daemon was waited for\n");
        });
        drop(daemon.unwrap());
        let other = spawn((writer.clone(),), |writer| {
            std::thread::sleep(Duration::from_millis(200));
            writer.write("the child has ended\n");
        });
        drop(other.unwrap());
        writer.write("the parent has returned\n");
    })
    .unwrap();
    assert!(parent.wait().success());
    parent.join().unwrap();
    // Ends, because nobody is left who could write.
    assert_eq!(reader.read_to_end(), "the parent has returned\nthe child has ended\n");
}

#[test]
fn a_daemon_that_ignores_sigterm_is_killed_after_the_grace() {
    let (reader, writer) = Handle::pipe();
    let begin = Instant::now();
    let captured = Builder::new().stderr(Stdio::captured());
    let parent = captured
        .spawn((writer,), |writer| {
            let daemon = Builder::new().daemon(true).spawn((writer.clone(),), |writer| {
                // SAFETY: ignoring a signal runs no code.
                #[allow(unsafe_code, reason = "no safe wrapper")]
                unsafe {
                    libc::signal(libc::SIGTERM, libc::SIG_IGN)
                };
                writer.write("deaf\n");
                sleep();
            });
            let pid = daemon.unwrap().pid();
            while !support::has_sigterm_ignored(pid) {
                std::thread::sleep(Duration::from_millis(1));
            }
            pid
        })
        .unwrap();
    assert_eq!(reader.read_line(), "deaf");
    let said = parent.captured_stderr().unwrap().clone();
    parent.join().unwrap();
    assert!(begin.elapsed() >= Duration::from_secs(2));
    // It did not wait for any but daemons.
    assert_eq!(said.written().unwrap(), 0);
    assert_eq!(reader.read_to_end(), "");
}

#[test]
fn they_are_looked_after_on_exit_from_another_thread_and_on_a_panic() {
    for how in ["exit", "thread", "panic"] {
        let (reader, writer) = Handle::pipe();
        let parent = spawn((writer, how.to_string()), |writer, how| {
            let daemon = Builder::new().daemon(true).spawn((), sleep).unwrap();
            let other = spawn((writer.clone(),), |writer| {
                std::thread::sleep(Duration::from_millis(100));
                writer.write("waited\n");
            });
            writer.write(&format!("{}\n", daemon.pid()));
            drop((other.unwrap(), writer));
            match how.as_str() {
                "exit" => std::process::exit(7),
                "thread" => {
                    let _ = std::thread::spawn(|| std::process::exit(7)).join();
                }
                _ => panic!("on purpose"),
            }
        })
        .unwrap();
        let daemon = reader.read_line().parse().unwrap();
        let daemon = std::panic::catch_unwind(|| Watched::new(daemon));
        let status = parent.wait().exitcode();
        assert_eq!(status, Some(if how == "panic" { 101 } else { 7 }), "{how}");
        assert_eq!(reader.read_to_end(), "waited\n", "{how}");
        // It may have been reaped before we could look.
        if let Ok(daemon) = daemon {
            assert!(daemon.has_ended(), "{how}");
        }
    }
}

#[test]
fn nothing_is_started_once_it_has_begun() {
    let (reader, writer) = Handle::pipe();
    let (release, hold) = Handle::pipe();
    let parent = spawn((writer, release), |writer, release| {
        // Keeps the exit waiting.
        drop(spawn((release,), |release| drop(release.read_to_end())).unwrap());
        std::thread::spawn(move || {
            loop {
                match Builder::new().daemon(true).spawn((), sleep) {
                    Ok(_) => {}
                    Err(SpawnError::Exiting) => return writer.write("refused\n"),
                    Err(error) => return writer.write(&format!("{error}\n")),
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        std::thread::sleep(Duration::from_millis(20));
    })
    .unwrap();
    assert_eq!(reader.read_line(), "refused");
    drop(hold);
    parent.join().unwrap();
}

#[test]
fn a_detached_process_is_neither_ended_nor_waited_for() {
    let (reader, writer) = Handle::pipe();
    let (release, hold) = Handle::pipe();
    let parent = spawn((writer, release), |writer, release| {
        let builder = Builder::new().detached(true).daemon(true);
        let detached = builder.spawn((writer, release), |writer, release| {
            release.read_to_end();
            writer.write("still here\n");
        });
        drop(detached.unwrap());
    })
    .unwrap();
    parent.join().unwrap();
    drop(hold);
    assert_eq!(reader.read_to_end(), "still here\n");
}

#[test]
fn a_daemon_may_not_start_processes() {
    let daemon = Builder::new().daemon(true).spawn((), || match spawn((), || ()) {
        Err(error @ SpawnError::Daemonic) => error.to_string(),
        other => panic!("{other:?}"),
    });
    assert!(daemon.unwrap().join().unwrap().contains("daemon"));
}

#[test]
fn unless_it_was_allowed_to_and_then_they_end_with_it() {
    let (reader, writer) = Handle::pipe();
    let daemon = Builder::new().daemon(true).may_have_children(true).spawn((writer,), |writer| {
        let child = spawn((writer,), |writer| {
            writer.write("born\n");
            sleep();
        });
        child.unwrap().join().unwrap();
    });
    assert_eq!(reader.read_line(), "born");
    daemon.unwrap().terminate().unwrap();
    assert_eq!(reader.read_to_end(), "");
}

#[test]
fn what_was_printed_is_flushed() {
    let (reader, writer) = Handle::pipe();
    let process = spawn((writer,), |writer| {
        rustix::stdio::dup2_stdout(&*writer.0).unwrap();
        print!("no newline at the end");
    })
    .unwrap();
    process.join().unwrap();
    assert_eq!(reader.read_to_end(), "no newline at the end");
}
