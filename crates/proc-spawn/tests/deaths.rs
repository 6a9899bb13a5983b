//! A process that ends without a result tells its parent how: exit code, signal, or panic with
//! place.

use proc_spawn::{ExitStatus, JoinError, Process, spawn};
use std::time::Duration;

fn exited<R: std::fmt::Debug + serde::de::DeserializeOwned>(process: Process<R>) -> ExitStatus {
    let status = process.wait();
    assert_eq!(process.exit_status(), Some(status));
    match process.join() {
        Err(JoinError::Exited(code)) => ExitStatus::Code(code),
        Err(JoinError::Signaled { signal, core }) => ExitStatus::Signal { signal, core },
        other => panic!("{other:?}"),
    }
}

#[test]
fn exit_codes() {
    for code in [0, 3, 255] {
        let process = spawn((code,), |code| -> () { std::process::exit(code) }).unwrap();
        assert_eq!(exited(process), ExitStatus::Code(code));
    }
    assert_eq!(ExitStatus::Code(3).exitcode(), Some(3));
}

#[test]
fn signals() {
    for (signal, name) in
        [(libc::SIGKILL, "SIGKILL"), (libc::SIGSEGV, "SIGSEGV"), (libc::SIGTERM, "SIGTERM")]
    {
        let process = spawn((signal,), |signal| {
            nix::sys::signal::raise(nix::sys::signal::Signal::try_from(signal).unwrap()).unwrap();
        })
        .unwrap();
        let status = exited(process);
        assert_eq!(status.signal(), Some(signal));
        assert_eq!(status.exitcode(), Some(-signal));
        assert!(status.to_string().contains(name), "{status}");
    }
    let process = spawn((), || -> () { std::process::abort() }).unwrap();
    assert_eq!(exited(process).signal(), Some(libc::SIGABRT));
}

#[test]
fn interrupt_terminate_and_kill() {
    let sleeper = || spawn((), || std::thread::sleep(Duration::from_secs(600))).unwrap();
    let process = sleeper();
    process.terminate().unwrap();
    assert_eq!(exited(process).signal(), Some(libc::SIGTERM));
    let process = sleeper();
    process.interrupt().unwrap();
    assert_eq!(exited(process).exitcode(), Some(-libc::SIGINT));
    let process = sleeper();
    assert!(process.is_alive());
    assert_eq!(process.exit_status(), None);
    process.kill().unwrap();
    assert_eq!(process.wait().signal(), Some(libc::SIGKILL));
    // Ended, and reaped: both are told so quietly.
    process.kill().unwrap();
    process.terminate().unwrap();
    assert!(!process.is_alive());
    assert_eq!(exited(process).signal(), Some(libc::SIGKILL));
}

#[test]
fn a_stopped_process_is_alive() {
    let process = spawn((), || {
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP).unwrap();
        5
    })
    .unwrap();
    let stat = || std::fs::read_to_string(format!("/proc/{}/stat", process.pid())).unwrap();
    testkit::until(Duration::from_secs(60), "the child stops", || stat().contains(") T "));
    assert!(process.is_alive());
    assert_eq!(process.wait_timeout(Duration::from_millis(20)), None);
    let pid = nix::unistd::Pid::from_raw(process.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGCONT).unwrap();
    assert_eq!(process.join().unwrap(), 5);
}

#[test]
fn a_panic_comes_back_with_message_place_and_exit_code() {
    let process = spawn(("wolf".to_string(),), |who| -> u8 { panic!("a {who} came") }).unwrap();
    let line = line!() - 1;
    assert_eq!(process.wait(), ExitStatus::Code(101));
    let Err(JoinError::Panicked(panic)) = process.join() else { panic!("no panic") };
    assert_eq!(panic.message(), "a wolf came");
    let at = panic.location().unwrap();
    assert_eq!((at.file(), at.line()), (file!(), line));
    assert!(at.column() > 1);
    assert_eq!(panic.thread(), None);
}

#[test]
fn a_panic_that_the_function_catches_is_its_own_affair() {
    let process = spawn((), || {
        let caught = std::panic::catch_unwind(|| panic!("inner")).is_err();
        let thread = std::thread::spawn(|| panic!("in a thread")).join().is_err();
        (caught, thread)
    })
    .unwrap();
    assert_eq!(process.join().unwrap(), (true, true));
}

#[test]
fn an_overflow_of_the_stack_ends_it_by_a_signal() {
    fn down(depth: u64) -> u64 {
        let page = std::hint::black_box([depth; 512]);
        if depth == u64::MAX { 0 } else { down(depth + 1) + page[7] }
    }
    let process = spawn((0u64,), down).unwrap();
    assert_eq!(exited(process).signal(), Some(libc::SIGSEGV));
}

#[test]
fn threads_that_the_function_left_die_with_it() {
    let process = spawn((), || {
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(600)));
        1
    })
    .unwrap();
    assert_eq!(process.join().unwrap(), 1);
}

#[test]
fn texts_name_what_happened() {
    let killed = JoinError::Signaled { signal: 9, core: false };
    assert_eq!(killed.to_string(), "the process ended without a result: signal 9 (SIGKILL)");
    let panicked = spawn((), || -> () { panic!("oh") }).unwrap().join().unwrap_err();
    assert!(panicked.to_string().starts_with("the process panicked: oh, at "), "{panicked}");
}
