//! Preloads print once, leave what they made in every process however it is made, and may use threads in between.
#![allow(clippy::unwrap_used, reason = "only tests use it")]
#![allow(unsafe_code, reason = "prints through the C library")]

use proc_spawn::{Builder, StartMethod, Stdio, forkserver, spawn};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

static LOADED: AtomicU32 = AtomicU32::new(0);

fn server() -> Builder {
    Builder::new().method(StartMethod::ForkServer)
}

#[test]
fn what_they_print_without_an_end_of_line_is_written_once() {
    unsafe extern "C" {
        fn puts(text: *const std::ffi::c_char) -> i32;
    }
    let process = Builder::new().stdout(Stdio::captured()).spawn((), || {
        forkserver::preload(|| {
            print!("loading");
            // SAFETY: it takes a string.
            unsafe { puts(c" in C".as_ptr()) };
        })
        .unwrap();
        let copies = (0..2).map(|_| {
            let process = server().stdout(Stdio::captured()).spawn((), || {
                println!("copy");
                // The streams of the C library are written out at an exit.
                std::process::exit(0);
            });
            let process: proc_spawn::Process<()> = process.unwrap();
            let printed = process.captured_stdout().unwrap().clone();
            let _ = process.wait();
            String::from_utf8(printed.tail(100).unwrap()).unwrap()
        });
        copies.collect::<Vec<_>>()
    });
    let process = process.unwrap();
    let printed = process.captured_stdout().unwrap().clone();
    assert_eq!(process.join().unwrap(), ["copy\n", "copy\n"]);
    assert_eq!(printed.tail(100).unwrap(), b"loading in C\n");
}

#[test]
fn those_that_join_their_threads_keep_the_server() {
    let rounds = spawn((), || {
        forkserver::preload(|| {
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| std::hint::black_box(vec![1u8; 1000]));
                }
            });
        })
        .unwrap();
        let copied = (0..60).filter(|_| {
            forkserver::stop();
            let process = server().spawn((), || ()).unwrap();
            let method = process.method();
            process.join().unwrap();
            method == Some(StartMethod::ForkServer)
        });
        copied.count()
    });
    assert_eq!(rounds.unwrap().join().unwrap(), 60);
}

#[test]
fn what_they_leave_is_also_in_processes_that_had_to_be_spawned() {
    let told = spawn((), || {
        forkserver::preload(|| {
            LOADED.fetch_add(5, Relaxed);
            drop(std::thread::spawn(|| std::thread::sleep(Duration::from_secs(600))));
        })
        .unwrap();
        let look = || server().spawn((), || LOADED.fetch_add(1, Relaxed)).unwrap();
        let (first, second) = (look(), look());
        let spawned = Builder::new().spawn((), || LOADED.load(Relaxed)).unwrap();
        let method = first.method();
        (
            method == Some(StartMethod::Spawn),
            first.join().unwrap(),
            second.join().unwrap(),
            spawned.join().unwrap(),
        )
    });
    assert_eq!(told.unwrap().join().unwrap(), (true, 5, 5, 0));
}

#[test]
fn a_server_that_hangs_after_a_preload_panicked_is_ended() {
    extern "C" fn hang() {
        std::thread::sleep(Duration::from_secs(600));
    }
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let told = spawn((), || {
        forkserver::preload(|| {
            // SAFETY: the handler is a function of this program.
            unsafe { libc::atexit(hang) };
            panic!("cannot load");
        })
        .unwrap();
        let error = server().spawn((), || ()).unwrap_err();
        std::error::Error::source(&error).unwrap().to_string()
    });
    assert!(told.unwrap().join().unwrap().contains("cannot load"));
}
