//! Fulfils the wishes for a new process, in that process, before its function runs.
#![allow(unsafe_code, reason = "environment and timers of the C library")]

use crate::limit::{GRACE, TIME_SIGNAL};
use crate::settings::{Environment, Limits, Root, Setting, Settings, Unset};
use crate::stdio::Redirect;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{
    Resource, Rlimit, chdir, fchdir, getrlimit, setpriority_process, setrlimit, setsid,
};
use rustix::thread::{CpuSet, sched_setaffinity};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

/// How much more address space than it has a process must be allowed to get anything done.
const LEAST_ROOM: u64 = 1 << 20;

/// Does all of it, the limit of memory last. Called while there is one thread.
pub(crate) fn apply(settings: &Settings, sent: &[impl AsFd]) -> Result<Place, Unset> {
    // Exhaustive, so that nothing is forgotten.
    let Settings { environment, base, directory, redirects, session, tree, nice, cpus, limits } =
        settings;
    set_environment(environment);
    let refused = |error| Unset::by_kernel(Setting::Directory, error);
    if let Some(base) = base.and_then(|place| sent.get(place as usize)) {
        fchdir(base).map_err(refused)?;
    }
    if let Some(directory) = directory {
        chdir(directory.as_os_str()).map_err(refused)?;
    }
    redirect(redirects, sent)?;
    if *session {
        setsid().map_err(|error| Unset::by_kernel(Setting::Session, error))?;
    }
    let place = match tree {
        Some(root) => gather(*root, sent)?,
        None => Place::AsWished,
    };
    if let Some(nice) = nice {
        let refused = |error| Unset::by_kernel(Setting::Nice, error);
        setpriority_process(None, *nice).map_err(refused)?;
    }
    if let Some(cpus) = cpus {
        pin(cpus)?;
    }
    limit(limits)?;
    Ok(place)
}

/// Where a process is that was to enter a control group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    AsWished,
    /// It could not, and inherits orphans instead.
    Outside,
}

/// Sees to it that what this process starts can be ended with it.
fn gather(root: Root, sent: &[impl AsFd]) -> Result<Place, Unset> {
    let mut place = Place::AsWished;
    if let Root::Group(entrance) = root {
        // 0 is whoever writes.
        let entered = sent.get(entrance as usize).map(|fd| rustix::io::write(fd, b"0"));
        if matches!(entered, Some(Ok(_))) {
            return Ok(place);
        }
        place = Place::Outside;
    }
    let us = Some(rustix::process::getpid());
    rustix::process::set_child_subreaper(us)
        .map_err(|error| Unset::by_kernel(Setting::Tree, error))?;
    Ok(place)
}

fn set_environment(environment: &Environment) {
    if environment.is_unchanged() {
        return;
    }
    let variables = environment.applied_to(std::env::vars_os());
    // SAFETY: there is one thread and never was another (a fork has its environment made before), and nobody holds a pointer into the environment.
    unsafe { libc::clearenv() };
    for (name, value) in variables {
        // SAFETY: as above.
        unsafe { std::env::set_var(name, value) };
    }
}

fn redirect(redirects: &[Redirect; 3], sent: &[impl AsFd]) -> Result<(), Unset> {
    let refused = |error| Unset::by_kernel(Setting::Streams, error);
    for (index, redirect) in redirects.iter().enumerate() {
        let null;
        let fd = match redirect {
            Redirect::Keep => continue,
            Redirect::Null => {
                null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
                    // Not in the place of a closed one, which would be closed again with it.
                    .and_then(|null| {
                        if null.as_raw_fd() > 2 { Ok(null) } else { fcntl_dupfd_cloexec(null, 3) }
                    })
                    .map_err(refused)?;
                null.as_fd()
            }
            Redirect::Sent(place) => match sent.get(*place as usize) {
                Some(fd) => fd.as_fd(),
                None => return Err(refused(rustix::io::Errno::BADF)),
            },
        };
        match index {
            0 => rustix::stdio::dup2_stdin(fd),
            1 => rustix::stdio::dup2_stdout(fd),
            _ => rustix::stdio::dup2_stderr(fd),
        }
        .map_err(refused)?;
    }
    Ok(())
}

fn pin(cpus: &[u32]) -> Result<(), Unset> {
    let mut set = CpuSet::new();
    for &cpu in cpus {
        if cpu as usize >= CpuSet::MAX_CPU {
            return Err(Unset::because(Setting::Affinity, format!("there is no CPU {cpu}")));
        }
        set.set(cpu as usize);
    }
    sched_setaffinity(None, &set).map_err(|_| {
        let text = format!("none of the CPUs {cpus:?} is there and allowed");
        Unset::because(Setting::Affinity, text)
    })
}

fn limit(limits: &Limits) -> Result<(), Unset> {
    let Limits { memory, cpu, time, files, file_size, core } = limits;
    for (setting, resource, value) in [
        (Setting::CoreSize, Resource::Core, core),
        (Setting::FileSize, Resource::Fsize, file_size),
        (Setting::OpenFiles, Resource::Nofile, files),
    ] {
        if let Some(value) = *value {
            set(setting, resource, value, value)?;
        }
    }
    if let Some(cpu) = *cpu {
        // The timer is exact; the resource limit, in whole seconds, is what programs inherit that the
        // process starts, and what a process cannot ignore.
        let seconds = cpu.as_secs().saturating_add(u64::from(cpu.subsec_nanos() > 0)).max(1);
        // So much is no limit, and no number to the kernel.
        if seconds < u64::MAX - 1 {
            set(Setting::CpuTime, Resource::Cpu, seconds, seconds + 1)?;
        }
        arm(Setting::CpuTime, libc::CLOCK_PROCESS_CPUTIME_ID, libc::SIGXCPU, cpu)?;
    }
    if let Some(time) = *time {
        let clock = libc::CLOCK_MONOTONIC;
        arm(Setting::WallTime, clock, TIME_SIGNAL, time)?;
        arm(Setting::WallTime, clock, libc::SIGKILL, time.saturating_add(GRACE))?;
    }
    if let Some(memory) = *memory {
        let needed = address_space() + LEAST_ROOM;
        if memory < needed {
            return Err(Unset::because(
                Setting::Memory,
                format!(
                    "{memory} bytes are too few: only to start it has needed {needed} bytes of address space"
                ),
            ));
        }
        set(Setting::Memory, Resource::As, memory, memory)?;
    }
    Ok(())
}

fn set(setting: Setting, resource: Resource, soft: u64, hard: u64) -> Result<(), Unset> {
    let limit = Rlimit { current: Some(soft), maximum: Some(hard) };
    setrlimit(resource, limit).map_err(|error| match getrlimit(resource).maximum {
        Some(most) if most < hard => {
            Unset::because(setting, format!("{soft} is more than the hard limit allows, {most}"))
        }
        _ => Unset::by_kernel(setting, error),
    })
}

/// Returns how many bytes of address space this process has.
fn address_space() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text.split(' ').next().and_then(|pages| pages.parse().ok()).unwrap_or(0);
    pages * rustix::param::page_size() as u64
}

/// Has the kernel send this process a signal when the clock has gone on by `after`.
fn arm(
    setting: Setting,
    clock: libc::clockid_t,
    signal: libc::c_int,
    after: Duration,
) -> Result<(), Unset> {
    let refused = || Unset::by_kernel(setting, std::io::Error::last_os_error());
    // SAFETY: all zero is a valid value.
    let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
    event.sigev_notify = libc::SIGEV_SIGNAL;
    event.sigev_signo = signal;
    let mut timer = MaybeUninit::uninit();
    // SAFETY: the event is filled, and the timer is written where the call succeeds.
    if unsafe { libc::timer_create(clock, &raw mut event, timer.as_mut_ptr()) } != 0 {
        return Err(refused());
    }
    // SAFETY: written, as the call succeeded.
    let timer = unsafe { timer.assume_init() };
    let zero = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // All zero would disarm it.
    let after = after.max(Duration::from_nanos(1));
    let value = libc::timespec {
        // As long as the kernel counts: for ever.
        tv_sec: i64::try_from(after.as_secs()).unwrap_or(i64::MAX).min(i64::MAX / 4),
        tv_nsec: after.subsec_nanos().into(),
    };
    let spec = libc::itimerspec { it_interval: zero, it_value: value };
    // SAFETY: the timer is this process's, and the specification is filled. The timer stays until the process
    // ends, or executes another program.
    if unsafe { libc::timer_settime(timer, 0, &raw const spec, std::ptr::null_mut()) } != 0 {
        return Err(refused());
    }
    Ok(())
}
