//! A process ends at the limit that it was given, and the parent is told which; others are untouched.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

use proc_spawn::{Builder, JoinError, Limit, SpawnError, spawn};
use std::time::Duration;

const MIB: u64 = 1 << 20;

fn spin() {
    loop {
        std::hint::spin_loop();
    }
}

fn ignore(signal: i32) {
    // SAFETY: ignoring a signal runs no code.
    #[allow(unsafe_code, reason = "no safe wrapper")]
    unsafe {
        libc::signal(signal, libc::SIG_IGN)
    };
}

#[test]
fn an_allocation_beyond_the_memory_limit_is_told_as_such() {
    let builder = Builder::new().memory_bytes(256 * MIB);
    let process = builder.spawn((), || {
        let small = std::hint::black_box(vec![1u8; 16 << 20]);
        let big = std::hint::black_box(vec![1u8; 1 << 30]);
        small.len() + big.len()
    });
    let process = process.unwrap();
    assert_eq!(process.wait().signal(), Some(libc::SIGABRT));
    assert_eq!(process.limit_reached(), Some(Limit::Memory));
    assert!(matches!(process.join(), Err(JoinError::OutOfMemory(Limit::Memory))));
    // Many small ones, up to the last byte.
    let process = builder.spawn((), || -> usize {
        let mut all: Vec<Box<[u8; 100]>> = Vec::new();
        loop {
            all.push(Box::new([1; 100]));
        }
    });
    let error = process.unwrap().join().unwrap_err();
    assert!(matches!(error, JoinError::OutOfMemory(Limit::Memory)), "{error}");
    assert!(error.to_string().contains("memory"), "{error}");
}

#[test]
fn another_abort_under_a_memory_limit_is_an_abort() {
    let process =
        Builder::new().memory_bytes(256 * MIB).spawn((), || -> () { std::process::abort() });
    let process = process.unwrap();
    let _ = process.wait();
    assert_eq!(process.limit_reached(), None);
    let error = process.join().unwrap_err();
    assert!(matches!(error, JoinError::Signaled { signal: libc::SIGABRT, .. }), "{error}");
    // Sent from outside, it still ends the process.
    let process = spawn((), spin).unwrap();
    nix::sys::signal::kill(
        nix::unistd::Pid::from_raw(process.pid().cast_signed()),
        nix::sys::signal::Signal::SIGABRT,
    )
    .unwrap();
    assert_eq!(process.wait().signal(), Some(libc::SIGABRT));
}

#[test]
fn an_allocation_that_fails_without_any_limit_is_told_too() {
    let process = spawn((), || {
        let huge = Vec::<u8>::with_capacity(isize::MAX as usize);
        std::hint::black_box(&huge).capacity()
    });
    let error = process.unwrap().join().unwrap_err();
    assert!(matches!(error, JoinError::OutOfMemory(Limit::Memory)), "{error}");
}

#[test]
fn work_within_the_limits_is_not_disturbed() {
    let process = Builder::new()
        .memory_bytes(512 * MIB)
        .cpu_time(Duration::from_secs(60))
        .time_limit(Duration::from_secs(600))
        .open_files(64)
        .file_size_bytes(MIB)
        .core_size_bytes(0)
        .spawn((), || {
            let limit = |resource| {
                let limit = rustix::process::getrlimit(resource);
                (limit.current.unwrap(), limit.maximum.unwrap())
            };
            use rustix::process::Resource::{As, Core, Cpu, Fsize, Nofile};
            [limit(As), limit(Cpu), limit(Nofile), limit(Fsize), limit(Core)]
        });
    let limits = process.unwrap().join().unwrap();
    let same = |value| (value, value);
    assert_eq!(limits, [same(512 * MIB), (60, 61), same(64), same(MIB), (0, 0)]);
}

#[test]
fn cpu_time() {
    let process = Builder::new().cpu_time(Duration::from_millis(150)).spawn((), spin).unwrap();
    assert_eq!(process.wait().signal(), Some(libc::SIGXCPU));
    let used = process.usage().unwrap().cpu();
    assert!(used >= Duration::from_millis(100), "{used:?}");
    assert!(matches!(process.join(), Err(JoinError::TimedOut(Limit::CpuTime))));
    // One that ignores the signal is killed, by the limit in whole seconds.
    let deaf = Builder::new().cpu_time(Duration::from_millis(100)).spawn((), || {
        ignore(libc::SIGXCPU);
        spin();
    });
    let deaf = deaf.unwrap();
    assert_eq!(deaf.wait().signal(), Some(libc::SIGKILL));
    assert_eq!(deaf.limit_reached(), Some(Limit::CpuTime));
    // As good as none.
    let process = Builder::new().cpu_time(Duration::MAX).time_limit(Duration::MAX);
    assert_eq!(process.spawn((), || 1).unwrap().join().unwrap(), 1);
}

#[test]
fn wall_time() {
    let limited = Builder::new().time_limit(Duration::from_millis(100));
    let sleep = || std::thread::sleep(Duration::from_secs(600));
    let begin = std::time::Instant::now();
    let process = limited.spawn((), sleep).unwrap();
    assert!(matches!(process.join(), Err(JoinError::TimedOut(Limit::WallTime))));
    assert!(begin.elapsed() >= Duration::from_millis(100));
    let deaf = limited.spawn((), || {
        ignore(libc::SIGVTALRM);
        std::thread::sleep(Duration::from_secs(600));
    });
    let stopped = limited.spawn((), || nix::sys::signal::raise(nix::sys::signal::SIGSTOP).unwrap());
    let deaf = deaf.unwrap();
    wait_without_reaping(&deaf);
    // Too late to be what ended it.
    deaf.kill().unwrap();
    assert_eq!(deaf.wait().signal(), Some(libc::SIGKILL));
    assert_eq!(deaf.limit_reached(), Some(Limit::WallTime));
    assert!(matches!(stopped.unwrap().join(), Err(JoinError::TimedOut(Limit::WallTime))));
    // A kill of ours is no limit's doing, however late it is.
    let killed = Builder::new().time_limit(Duration::from_secs(600)).spawn((), sleep).unwrap();
    killed.kill().unwrap();
    assert!(matches!(killed.join(), Err(JoinError::Signaled { signal: libc::SIGKILL, .. })));
}

/// Waits until a process has ended, and leaves it a zombie.
fn wait_without_reaping<R>(process: &proc_spawn::Process<R>) {
    use rustix::event::{PollFd, PollFlags, poll};
    while poll(&mut [PollFd::new(process, PollFlags::IN)], None).unwrap_or(0) == 0 {}
}

#[test]
fn who_is_killed_before_its_time_and_looked_at_after_it_did_not_run_out_of_it() {
    let builder = Builder::new().time_limit(Duration::from_millis(300));
    let process = builder.spawn((), || nix::sys::signal::raise(nix::sys::signal::SIGKILL).unwrap());
    let process = process.unwrap();
    std::thread::sleep(Duration::from_millis(350));
    assert_eq!(process.wait().signal(), Some(libc::SIGKILL));
    assert_eq!(process.limit_reached(), None);
}

#[test]
fn a_result_larger_than_its_files_may_be_is_an_error() {
    let builder = Builder::new().file_size_bytes(64 << 10);
    let error = builder.spawn((), || vec![7u8; 200_000]).unwrap().join().unwrap_err();
    assert!(matches!(error, JoinError::Decode(_)), "{error}");
    assert!(error.to_string().contains("File too large"), "{error}");
    assert_eq!(builder.spawn((), || vec![7u8; 60_000]).unwrap().join().unwrap().len(), 60_000);
}

#[test]
fn open_files_and_the_size_of_files() {
    let process = Builder::new().open_files(8).spawn((), || {
        let files: Vec<_> = (0..10).map(|_| std::fs::File::open("/dev/null")).collect();
        files.iter().filter(|file| file.is_err()).count()
    });
    assert!(process.unwrap().join().unwrap() > 0);
    let process = Builder::new().file_size_bytes(1000).spawn((), || {
        use std::io::Write;
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[1; 900]).unwrap();
        file.write_all(&[1; 900]).unwrap();
    });
    let process = process.unwrap();
    assert_eq!(process.wait().signal(), Some(libc::SIGXFSZ));
    assert_eq!(process.limit_reached(), Some(Limit::FileSize));
    assert!(matches!(process.join(), Err(JoinError::Signaled { signal: libc::SIGXFSZ, .. })));
}

#[test]
fn the_kernel_s_kill_for_want_of_memory_is_told_from_another() {
    let outcome = spawn((), in_a_small_group).unwrap().join().unwrap();
    match outcome {
        // No rights to make a group, or no controller: nothing to be seen here.
        None => eprintln!("skipped: no memory cgroup can be made here"),
        Some(outcome) => assert_eq!(outcome, (true, Some(Limit::GroupMemory), None)),
    }
}

/// Moves itself into a memory cgroup and starts one process that is too large for it and one that is killed.
/// Says whether the first was out of memory, and the limits that both ran into.
fn in_a_small_group() -> Option<(bool, Option<Limit>, Option<Limit>)> {
    let own = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = |line: &str| line.splitn(3, ':').nth(2).map(str::to_owned);
    let first = own.lines().find(|line| line.contains(":memory:"));
    let (base, limit) = match first {
        Some(line) => (format!("/sys/fs/cgroup/memory{}", path(line)?), "memory.limit_in_bytes"),
        None => (format!("/sys/fs/cgroup{}", path(own.lines().next()?)?), "memory.max"),
    };
    let group = std::path::PathBuf::from(base).join(format!("proc-spawn-{}", std::process::id()));
    let made = std::fs::create_dir(&group)
        .and_then(|()| std::fs::write(group.join(limit), "41943040"))
        .and_then(|()| std::fs::write(group.join("cgroup.procs"), std::process::id().to_string()));
    if made.is_err() {
        let _ = std::fs::remove_dir(&group);
        return None;
    }
    let hungry = spawn((), || vec![1u8; 100 << 20].iter().filter(|x| **x == 1).count()).unwrap();
    let _ = hungry.wait();
    let sleeper = spawn((), || std::thread::sleep(Duration::from_secs(600))).unwrap();
    let pid = nix::unistd::Pid::from_raw(sleeper.pid().cast_signed());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    let _ = sleeper.wait();
    let limits = (hungry.limit_reached(), sleeper.limit_reached());
    let out = matches!(hungry.join(), Err(JoinError::OutOfMemory(Limit::GroupMemory)));
    // Out of it again, or it could not be removed.
    let _ = std::fs::write(group.join("../cgroup.procs"), std::process::id().to_string());
    let _ = std::fs::remove_dir(&group);
    Some((out, limits.0, limits.1))
}

#[test]
fn a_limit_that_cannot_be_set_is_an_error_of_the_start() {
    let refused = |builder: Builder| match builder.spawn((), || -> () { panic!("it ran") }) {
        Err(SpawnError::Setting(error)) => {
            let cause = std::error::Error::source(&error).unwrap().to_string();
            format!("{error}: {cause}")
        }
        other => panic!("{other:?}"),
    };
    let told = refused(Builder::new().name("tiny").memory_bytes(100_000));
    assert!(told.contains("limit the memory of process 'tiny'"), "{told}");
    assert!(told.contains("100000 bytes are too few"), "{told}");
    let told = refused(Builder::new().affinity([1000]));
    assert!(told.contains("[1000]"), "{told}");
    assert!(refused(Builder::new().affinity([])).contains("none of the CPUs"));
    assert!(refused(Builder::new().affinity([1_000_000])).contains("no CPU 1000000"));
    assert!(refused(Builder::new().current_dir("/nowhere")).contains("No such file"));
    // Nothing of them is left.
    assert!(proc_spawn::active_children().iter().all(|child| child.name() != "tiny"));
    // Beyond the hard limit, for those who may not raise it.
    let told = Builder::new().open_files(100).spawn((), || {
        nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).ok()?;
        // Or our children could not look at us.
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)
            .unwrap();
        match Builder::new().open_files(1000).spawn((), || ()) {
            Err(SpawnError::Setting(error)) => {
                Some(std::error::Error::source(&error).unwrap().to_string())
            }
            other => panic!("{other:?}"),
        }
    });
    if let Some(told) = told.unwrap().join().unwrap() {
        assert!(told.contains("hard limit allows, 100"), "{told}");
    }
}
