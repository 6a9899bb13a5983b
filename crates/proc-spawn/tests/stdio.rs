//! The standard streams of a process go where the builder says, and captured output outlives a kill.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod support;

use proc_spawn::{Builder, JoinError, SpawnError, Stdio, join_all};
use std::io::{Read, Seek, Write};
use support::{Handle, descriptors};

#[test]
fn pipes_to_and_from_it() {
    let mut process = Builder::new()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn((), || {
            let mut line = String::new();
            while std::io::stdin().read_line(&mut line).unwrap() > 0 {
                print!("{}", line.to_uppercase());
                eprint!("{}", line.len());
                line.clear();
            }
            descriptors(std::process::id()).len()
        })
        .unwrap();
    let mut stdin = process.take_stdin().unwrap();
    stdin.write_all(b"one\ntwo\n").unwrap();
    drop(stdin);
    let (mut out, mut err) = (String::new(), String::new());
    process.take_stdout().unwrap().read_to_string(&mut out).unwrap();
    process.take_stderr().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((out.as_str(), err.as_str()), ("ONE\nTWO\n", "44"));
    assert!(process.take_stdout().is_none());
    // 0, 1, 2 and the control socket: what was sent for the streams is nowhere else.
    assert_eq!(process.join().unwrap(), 4);
}

#[test]
fn a_join_ends_an_input_that_nobody_took() {
    let process = Builder::new().stdin(Stdio::piped()).spawn((), || {
        let mut all = String::new();
        std::io::stdin().read_to_string(&mut all).unwrap()
    });
    assert_eq!(process.unwrap().join().unwrap(), 0);
}

#[test]
fn a_join_reads_output_that_nobody_took() {
    let _watchdog = testkit::watchdog(std::time::Duration::from_secs(120));
    let builder = Builder::new().stdout(Stdio::piped()).stderr(Stdio::piped());
    let talk = || {
        println!("{}", "x".repeat(200_000));
        eprintln!("{}", "y".repeat(200_000));
        1
    };
    assert_eq!(builder.spawn((), talk).unwrap().join().unwrap(), 1);
    let (result, usage) = builder.spawn((), talk).unwrap().join_with_usage();
    assert_eq!(result.unwrap(), 1);
    assert!(usage.is_some());
    // The first waits for the second, which has much to say before.
    let (reader, writer) = Handle::pipe();
    let first = builder.spawn((reader,), |reader| reader.read_to_end());
    let second = builder.spawn((writer,), |writer| {
        println!("{}", "x".repeat(200_000));
        writer.write("done");
        String::new()
    });
    let results = join_all([first.unwrap(), second.unwrap()]);
    assert_eq!(results[0].as_ref().unwrap(), "done");
    assert!(results[1].is_ok());
}

#[test]
fn captured_output_is_whole_after_a_kill_and_after_an_abort() {
    for kill in [false, true] {
        let process = Builder::new()
            .stdout(Stdio::captured())
            .stderr(Stdio::captured())
            .spawn((kill,), |kill| -> () {
                for number in 0..20_000 {
                    println!("line {number}");
                }
                eprintln!("the end");
                if !kill {
                    std::process::abort();
                }
                std::thread::sleep(std::time::Duration::from_secs(600));
            })
            .unwrap();
        let (out, err) = (process.captured_stdout().unwrap(), process.captured_stderr().unwrap());
        if kill {
            let ended = || err.written().unwrap() > 0;
            testkit::until(std::time::Duration::from_secs(60), "the process speaks", ended);
            process.kill().unwrap();
        }
        let _ = process.wait();
        assert_eq!(out.tail(11).unwrap(), b"line 19999\n");
        assert_eq!(
            out.tail(usize::MAX).unwrap().iter().filter(|byte| **byte == b'\n').count(),
            20_000
        );
        assert_eq!(err.tail(1000).unwrap(), b"the end\n");
        assert!(matches!(process.join(), Err(JoinError::Signaled { .. })));
    }
}

#[test]
fn a_panic_s_text_is_in_the_captured_standard_error() {
    let process = Builder::new().name("talker").stderr(Stdio::captured()).spawn((), || -> () {
        panic!("for the record");
    });
    let process = process.unwrap();
    let captured = process.captured_stderr().unwrap().clone();
    assert!(matches!(process.join(), Err(JoinError::Panicked(_))));
    let text = String::from_utf8(captured.tail(10_000).unwrap()).unwrap();
    assert!(text.contains("'talker'") && text.contains("for the record"), "{text}");
}

#[test]
fn files_and_nothing() {
    let mut file = tempfile::tempfile().unwrap();
    let builder = Builder::new().stdout(file.try_clone().unwrap()).stderr(Stdio::null());
    for number in 0..2 {
        let process = builder.spawn((number,), |number| {
            println!("from {number}");
            eprintln!("unheard");
        });
        process.unwrap().join().unwrap();
    }
    let mut text = String::new();
    file.rewind().unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "from 0\nfrom 1\n");
    let input = tempfile::tempfile().unwrap();
    rustix::io::pwrite(&input, b"abc", 0).unwrap();
    let process = Builder::new()
        .stdin(input)
        .spawn((), || std::io::read_to_string(std::io::stdin()).unwrap());
    assert_eq!(process.unwrap().join().unwrap(), "abc");
    let inherited = Builder::new()
        .stdin(Stdio::inherit())
        .spawn((), || descriptors(std::process::id())[0].1.clone());
    assert_eq!(inherited.unwrap().join().unwrap(), descriptors(std::process::id())[0].1);
}

#[test]
fn standard_input_cannot_be_captured() {
    let refused = Builder::new().stdin(Stdio::captured()).spawn((), || ());
    assert!(matches!(refused, Err(SpawnError::Setting(_))), "{refused:?}");
}
