//! What a function finds in its process, however that was made: signals, a handler for its stack, threads, output.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

use proc_spawn::{Builder, JoinError, StartMethod, Stdio};
use std::io::{ErrorKind, Write};

const METHODS: [StartMethod; 2] = [StartMethod::Spawn, StartMethod::ForkServer];

fn captured(method: StartMethod) -> Builder {
    Builder::new().method(method).name("inner").stderr(Stdio::captured()).stdout(Stdio::captured())
}

/// Runs it and returns how it ended, what it printed and what it complained of.
fn run(method: StartMethod, f: fn()) -> (Result<(), JoinError>, String, String) {
    let process = captured(method).spawn((), f).unwrap();
    assert_eq!(process.method(), Some(method));
    let (out, err) =
        (process.captured_stdout().unwrap().clone(), process.captured_stderr().unwrap().clone());
    let result = process.join();
    let text =
        |captured: proc_spawn::Captured| String::from_utf8(captured.tail(10_000).unwrap()).unwrap();
    (result, text(out), text(err))
}

#[test]
fn a_write_to_a_closed_pipe_is_an_error_and_no_signal_is_blocked() {
    for method in METHODS {
        let process = Builder::new().method(method).spawn((), || {
            let (reader, mut writer) = std::io::pipe().unwrap();
            drop(reader);
            let broken = writer.write_all(b"x").unwrap_err().kind() == ErrorKind::BrokenPipe;
            let status = std::fs::read_to_string("/proc/self/status").unwrap();
            let mask = |name: &str| {
                let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
                u64::from_str_radix(line.trim(), 16).unwrap()
            };
            (broken, mask("SigBlk:"), mask("SigPnd:"), mask("SigIgn:"))
        });
        let (broken, blocked, pending, ignored) = process.unwrap().join().unwrap();
        assert!(broken);
        assert_eq!((blocked, pending), (0, 0), "{method:?}");
        // SIGPIPE, and whatever this test was started with.
        assert_ne!(ignored & (1 << (libc::SIGPIPE - 1)), 0, "{method:?}");
    }
}

#[test]
fn an_overflow_of_the_stack_says_whose_it_was() {
    fn down(depth: u64) -> u64 {
        let page = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { down(depth + 1) + page[7] }
    }
    for method in METHODS {
        let (result, _, told) = run(method, || drop(std::hint::black_box(down(0).to_string())));
        assert!(matches!(result, Err(JoinError::Signaled { signal: libc::SIGSEGV, .. })));
        assert!(told.contains("process 'inner' (") && told.contains("overflowed"), "{told}");
    }
}

#[test]
fn a_panic_is_told_once_under_the_process_s_name() {
    for method in METHODS {
        let (result, _, told) = run(method, || panic!("out of cheese"));
        assert!(matches!(result, Err(JoinError::Panicked(_))));
        assert_eq!(told.matches("out of cheese").count(), 1, "{told}");
        assert!(told.starts_with("process 'inner' ("), "{told}");
        let (result, _, told) = run(method, || {
            let thread = std::thread::Builder::new().name("helper".into());
            let _ = thread.spawn(|| panic!("in a thread")).unwrap().join();
        });
        assert!(result.is_ok());
        assert_eq!(told.matches("in a thread").count(), 1, "{told}");
    }
}

#[test]
fn what_was_printed_is_flushed_also_before_an_exit_of_its_own() {
    for method in METHODS {
        let (result, printed, _) = run(method, || print!("no newline"));
        assert!(result.is_ok());
        assert_eq!(printed, "no newline");
        let (result, printed, _) = run(method, || {
            print!("before the exit");
            std::process::exit(4);
        });
        assert!(matches!(result, Err(JoinError::Exited(4))));
        assert_eq!(printed, "before the exit");
    }
}
