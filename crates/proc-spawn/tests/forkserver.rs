//! Processes that are copied from the fork server are as those that are spawned, and outlive it.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod support;

use proc_spawn::{
    Builder, JoinError, Process, StartMethod, Stdio, forkserver, set_start_method, spawn,
    start_method,
};
use std::time::Duration;
use support::{Handle, Watched, descriptors};

fn server() -> Builder {
    Builder::new().method(StartMethod::ForkServer)
}

fn sleep() {
    std::thread::sleep(Duration::from_secs(600));
}

/// Runs it in a process of its own, which has a server of its own.
fn alone<R>(scenario: fn() -> R) -> R
where
    R: serde::Serialize + serde::de::DeserializeOwned + 'static,
{
    spawn((), scenario).unwrap().join().unwrap()
}

/// Returns the pids of the servers of this process.
fn servers() -> Vec<u32> {
    let us = std::process::id();
    let children = std::fs::read_dir("/proc/self/task").unwrap().flat_map(|task| {
        std::fs::read_to_string(task.unwrap().path().join("children"))
            .unwrap_or_default()
            .split_whitespace()
            .map(|pid| pid.parse::<u32>().unwrap())
            .collect::<Vec<_>>()
    });
    let name = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    assert!(us > 0);
    children.filter(|pid| name(*pid).starts_with("ForkServer")).collect()
}

fn kill(pid: u32) {
    let pid = nix::unistd::Pid::from_raw(pid.cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

#[test]
fn they_are_children_of_ours_with_results_and_deaths_of_their_own() {
    let process = server().spawn((20, 22), |a: i32, b: i32| {
        (a + b, std::os::unix::process::parent_id(), std::process::id())
    });
    let process = process.unwrap();
    assert_eq!(process.method(), Some(StartMethod::ForkServer));
    let pid = process.pid();
    assert_eq!(process.join().unwrap(), (42, std::process::id(), pid));

    let ends = |f: fn()| server().spawn((), f).unwrap().join().unwrap_err();
    assert!(matches!(ends(|| std::process::exit(3)), JoinError::Exited(3)));
    // With a stale thread id `abort` would end by another signal.
    let aborted = ends(|| std::process::abort());
    assert!(matches!(aborted, JoinError::Signaled { signal: libc::SIGABRT, .. }), "{aborted}");
    let panicked = ends(|| panic!("in a copy"));
    assert_eq!(panicked.panic().unwrap().message(), "in a copy");
    assert!(panicked.panic().unwrap().location().unwrap().file().ends_with("forkserver.rs"));
    let sleeper = server().spawn((), sleep).unwrap();
    sleeper.kill().unwrap();
    assert_eq!(sleeper.wait().exitcode(), Some(-9));
    assert!(sleeper.usage().is_some());
    let large = server().spawn((vec![7u8; 3 << 20],), |bytes| bytes).unwrap().join().unwrap();
    assert_eq!(large.len(), 3 << 20);
}

#[test]
fn threads_signals_and_nested_starts_work_in_them() {
    let process = server().spawn((), || {
        let threads: Vec<_> = (0..4u64).map(|n| std::thread::spawn(move || n * n)).collect();
        let sum: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        let nested = server()
            .spawn((sum,), |sum| (sum + 1, proc_spawn::current_process().name().to_string()));
        let spawned = spawn((sum,), |sum| sum + 2).unwrap().join().unwrap();
        (nested.unwrap().join().unwrap(), spawned)
    });
    let process = process.unwrap();
    let name = format!("{}:1", process.name());
    assert_eq!(process.join().unwrap(), ((15, name), 16));
    // Ctrl-C is ignored by the server, not by them.
    let sleeper = server().spawn((), sleep).unwrap();
    sleeper.interrupt().unwrap();
    assert_eq!(sleeper.wait().signal(), Some(libc::SIGINT));
}

#[test]
fn they_have_the_standard_descriptors_one_socket_and_what_they_were_sent() {
    let (reader, writer) = Handle::pipe();
    let process = server().spawn((writer,), |writer| {
        writer.write("here\n");
        descriptors(std::process::id())
    });
    assert_eq!(reader.read_to_end(), "here\n");
    let fds = process.unwrap().join().unwrap();
    assert_eq!(fds.len(), 5, "{fds:?}");
    assert_eq!(fds[0].1, "/dev/null");
    let count = |start: &str| fds[3..].iter().filter(|(_, name)| name.starts_with(start)).count();
    assert_eq!((count("socket:"), count("pipe:")), (1, 1), "{fds:?}");
}

#[test]
fn settings_hold_as_elsewhere() {
    let seen = || {
        println!("printed");
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let nice = rustix::process::getpriority_process(None).unwrap();
        (
            std::env::var("COLOUR").ok(),
            std::env::var("PATH").ok(),
            limit,
            nice,
            std::env::current_dir().unwrap(),
        )
    };
    let process = server()
        .env("COLOUR", "green")
        .env_remove("PATH")
        .open_files(77)
        .nice(19)
        .current_dir("/")
        .stdout(Stdio::captured())
        .spawn((), seen)
        .unwrap();
    let printed = process.captured_stdout().unwrap().clone();
    assert_eq!(process.join().unwrap(), (Some("green".into()), None, Some(77), 19, "/".into()));
    assert_eq!(printed.tail(100).unwrap(), b"printed\n");
    let refused = server().current_dir("/nowhere").spawn((), || ());
    assert!(matches!(refused, Err(proc_spawn::SpawnError::Setting(_))), "{refused:?}");
    let tiny = server().memory_bytes(4096).spawn((), || ());
    assert!(matches!(tiny, Err(proc_spawn::SpawnError::Setting(_))), "{tiny:?}");
    let limited = server()
        .memory_bytes(200 << 20)
        .spawn((), || std::hint::black_box(vec![1u8; 1 << 30]).len());
    assert!(matches!(limited.unwrap().join(), Err(JoinError::OutOfMemory(_))));
}

#[test]
fn environment_directory_and_output_are_those_of_the_moment() {
    let outcome = alone(|| {
        let seen = || {
            println!("to the new output");
            (std::env::var("WHEN").unwrap_or_default(), std::env::current_dir().unwrap())
        };
        let first = server().spawn((), || std::env::var("WHEN").is_err()).unwrap().join().unwrap();
        let before = servers();
        // SAFETY: there is one thread.
        #[allow(unsafe_code, reason = "there is one thread")]
        unsafe {
            std::env::set_var("WHEN", "later");
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        rustix::stdio::dup2_stdout(&file).unwrap();
        std::env::set_current_dir("/proc").unwrap();
        let later = server().spawn((), seen).unwrap().join().unwrap();
        // No third server: nothing has changed since.
        let after = servers();
        server().spawn((), || ()).unwrap().join().unwrap();
        assert_eq!(servers(), after);
        let text = std::fs::read_to_string(file.path()).unwrap();
        (first, later, before.len(), after.len(), before != after, text)
    });
    let later = ("later".to_string(), "/proc".into());
    assert_eq!(outcome, (true, later, 1, 1, true, "to the new output\n".into()));
}

#[test]
fn what_was_preloaded_is_in_their_memory() {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static LOADED: AtomicU32 = AtomicU32::new(0);
    let outcome = alone(|| {
        forkserver::preload(|| LOADED.store(LOADED.load(Relaxed) + 5, Relaxed)).unwrap();
        let look = || LOADED.fetch_add(1, Relaxed);
        let first = server().spawn((), look).unwrap().join().unwrap();
        let second = server().spawn((), look).unwrap().join().unwrap();
        forkserver::preload(|| LOADED.store(LOADED.load(Relaxed) + 20, Relaxed)).unwrap();
        let third = server().spawn((), look).unwrap().join().unwrap();
        (first, second, third, LOADED.load(Relaxed))
    });
    assert_eq!(outcome, (5, 5, 25, 0));
}

#[test]
fn a_preloaded_function_that_leaves_threads_or_panics_does_no_harm() {
    let method = alone(|| {
        forkserver::preload(|| drop(std::thread::spawn(sleep))).unwrap();
        let process = server().spawn((), || 5).unwrap();
        let again = server().spawn((), || 6).unwrap();
        let spawned = Some(StartMethod::Spawn);
        (
            process.method() == spawned && again.method() == spawned,
            process.join().unwrap(),
            again.join().unwrap(),
        )
    });
    assert_eq!(method, (true, 5, 6));
    let told = alone(|| {
        forkserver::preload(|| panic!("cannot load")).unwrap();
        let error = server().spawn((), || 5).unwrap_err();
        let cause = std::error::Error::source(&error).unwrap().to_string();
        // And still no zombie.
        (cause, servers().len())
    });
    assert!(told.0.contains("cannot load"), "{told:?}");
    assert_eq!(told.1, 0);
}

#[test]
fn a_killed_server_takes_nobody_along_and_is_replaced() {
    let outcome = alone(|| {
        let (reader, writer) = Handle::pipe();
        let before = server().spawn((reader,), |reader| {
            reader.read_to_end();
            std::process::exit(9)
        });
        let before: Process<()> = before.unwrap();
        kill(servers()[0]);
        let after = server().spawn((), || 7).unwrap();
        let method = after.method() == Some(StartMethod::ForkServer);
        let alive = before.is_alive();
        drop(writer);
        (alive, before.wait().exitcode(), method, after.join().unwrap())
    });
    assert_eq!(outcome, (true, Some(9), true, 7));
}

#[test]
fn a_server_that_is_killed_at_any_moment_loses_no_start_and_leaves_no_zombie() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    let rounds = std::env::var("KILL_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(200u64);
    let left = spawn((rounds,), |rounds| {
        for round in 0..rounds {
            server().spawn((), || ()).unwrap().join().unwrap();
            let victim = servers()[0];
            let killer = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_micros(3 * round % 400));
                kill(victim);
            });
            for number in 0..3 {
                let process = server().spawn((round, number), |a, b| a * 10 + b).unwrap();
                assert_eq!(process.join().unwrap(), round * 10 + number);
            }
            killer.join().unwrap();
        }
        let children = |state: &str| {
            let us = std::process::id().to_string();
            std::fs::read_dir("/proc")
                .unwrap()
                .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("stat")).ok())
                .filter_map(|stat| {
                    let mut fields = stat.rsplit_once(") ")?.1.split(' ').map(str::to_owned);
                    Some((fields.next()?, fields.next()?))
                })
                .filter(|(is, parent)| is.starts_with(state) && *parent == us)
                .count()
        };
        // The last server may have been killed after its last use; nobody has looked yet.
        server().spawn((), || ()).unwrap().join().unwrap();
        (children("Z"), children(""))
    });
    assert_eq!(left.unwrap().join().unwrap(), (0, 1));
}

#[test]
fn the_server_and_its_copies_go_with_their_parent_that_is_killed() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (reader, writer) = Handle::pipe();
    let parent = spawn((writer,), |pids| {
        for busy in [false, true] {
            let copy = server().spawn((pids.clone(), busy), |pids, busy| {
                pids.write(&format!("{}\n", std::process::id()));
                if busy {
                    loop {
                        std::hint::spin_loop();
                    }
                }
                sleep();
            });
            copy.unwrap();
        }
        pids.write(&format!("{}\n", servers()[0]));
        sleep();
    })
    .unwrap();
    let watched: Vec<_> =
        (0..3).map(|_| Watched::new(reader.read_line().parse().unwrap())).collect();
    assert!(watched.iter().all(|process| !process.has_ended()));
    parent.kill().unwrap();
    watched.iter().for_each(Watched::wait);
    assert_eq!(reader.read_to_end(), "");
}

#[test]
fn also_at_any_moment_while_it_starts_them() {
    let _watchdog = testkit::watchdog(Duration::from_secs(240));
    for round in 0..60u64 {
        let (reader, writer) = Handle::pipe();
        let parent = spawn((writer,), |writer| -> () {
            loop {
                drop(server().spawn((writer.clone(),), |_writer| sleep()));
            }
        })
        .unwrap();
        std::thread::sleep(Duration::from_micros(97 * round));
        parent.kill().unwrap();
        assert_eq!(reader.read_to_end(), "");
    }
}

#[test]
fn the_server_is_nobody_s_child_to_wait_for() {
    let (reader, writer) = Handle::pipe();
    let pid = spawn((writer,), |_writer| {
        server().spawn((), || ()).unwrap().join().unwrap();
        assert!(proc_spawn::active_children().is_empty());
        let fds = descriptors(servers()[0]);
        // Nor does it keep our output open, or the pipe that we were sent.
        assert!(fds[0].1 == "/dev/null" && fds[1].1 == "/dev/null", "{fds:?}");
        assert!(fds.iter().skip(3).all(|(_, name)| !name.starts_with("pipe")), "{fds:?}");
        servers()[0]
    });
    assert!(pid.unwrap().join().unwrap() > 0);
    assert_eq!(reader.read_to_end(), "");
}

#[test]
fn several_threads_may_start_them_at_once() {
    let sums = alone(|| {
        let threads: Vec<_> = (0..4u64)
            .map(|thread| {
                std::thread::spawn(move || {
                    let starts = (0..25).map(|n| {
                        let builder = if n % 5 == 0 { Builder::new() } else { server() };
                        builder.spawn((thread, n), |a, b| a * 100 + b).unwrap()
                    });
                    let processes: Vec<_> = starts.collect();
                    processes.into_iter().map(|process| process.join().unwrap()).sum::<u64>()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(sums, [300, 2800, 5300, 7800]);
}

#[test]
fn it_can_be_the_default() {
    let outcome = alone(|| {
        let before = start_method();
        set_start_method(StartMethod::ForkServer);
        let process = spawn((), || start_method() == StartMethod::Spawn).unwrap();
        let method = process.method();
        let spawned = Builder::new().method(StartMethod::Spawn).spawn((), || ()).unwrap();
        (
            before == StartMethod::Spawn,
            method == Some(start_method()),
            process.join().unwrap(),
            spawned.method() == Some(StartMethod::Spawn),
        )
    });
    assert_eq!(outcome, (true, true, true, true));
}

#[test]
fn detached_ones_and_those_without_a_tie_live_on() {
    for detached in [true, false] {
        let (release, hold) = Handle::pipe();
        let (reader, writer) = Handle::pipe();
        let parent = spawn((release, writer, detached), |release, pids, detached| {
            let builder =
                if detached { server().detached(true) } else { server().die_with_parent(false) };
            let child = builder.spawn((release, pids), |release, pids| {
                pids.write("ready\n");
                release.read_to_end();
                pids.write("lives\n");
            });
            child.unwrap();
            sleep();
        })
        .unwrap();
        assert_eq!(reader.read_line(), "ready");
        parent.kill().unwrap();
        let _ = parent.wait();
        drop(hold);
        assert_eq!(reader.read_line(), "lives");
    }
}

#[test]
#[allow(unsafe_code, reason = "a lock of the C library, in shared memory")]
fn a_robust_lock_that_one_held_is_told_of_its_death() {
    use std::os::fd::AsFd;
    const LEN: usize = 4096;
    fn map(fd: std::os::fd::BorrowedFd<'_>) -> *mut libc::pthread_mutex_t {
        let access = rustix::mm::ProtFlags::READ | rustix::mm::ProtFlags::WRITE;
        // SAFETY: a new mapping touches nobody's memory.
        let start = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), LEN, access, rustix::mm::MapFlags::SHARED, fd, 0)
        };
        start.unwrap().cast()
    }
    let memory = rustix::fs::memfd_create(c"lock", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    rustix::fs::ftruncate(&memory, LEN as u64).unwrap();
    let lock = map(memory.as_fd());
    let mut attributes = std::mem::MaybeUninit::uninit();
    let attributes: *mut libc::pthread_mutexattr_t = attributes.as_mut_ptr();
    // SAFETY: it makes an attribute object in memory that is large enough.
    unsafe { libc::pthread_mutexattr_init(attributes) };
    // SAFETY: the object is there.
    unsafe { libc::pthread_mutexattr_setrobust(attributes, libc::PTHREAD_MUTEX_ROBUST) };
    // SAFETY: as above.
    unsafe { libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED) };
    // SAFETY: as above, and the lock's memory is mapped and large enough.
    unsafe { libc::pthread_mutex_init(lock, attributes) };
    let memory = Handle(std::sync::Arc::new(memory));
    let holder = server().spawn((memory,), |memory| -> () {
        let lock = map(memory.0.as_fd());
        // SAFETY: the lock was made by the parent.
        assert_eq!(unsafe { libc::pthread_mutex_lock(lock) }, 0);
        kill(std::process::id());
        sleep();
    });
    assert_eq!(holder.unwrap().wait().signal(), Some(libc::SIGKILL));
    // SAFETY: the lock was made above.
    assert_eq!(unsafe { libc::pthread_mutex_lock(lock) }, libc::EOWNERDEAD);
}
