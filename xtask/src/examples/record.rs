//! Runs a program and writes down what happens.

use super::capture::{Capture, fill};
use super::family::{self, descendants};
use super::recording::{Ending, Line, Recording, Stream};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How much the examples shorten the tutorial's seconds: `SCALE` in `examples/pace/lib.rs`.
pub(crate) const PACE: f64 = 0.2;

/// How long a program is held at most while its processes are counted.
const HOLD: Duration = Duration::from_secs(30);

/// How long it is held when it has the processes that it should have.
const LINGER: Duration = Duration::from_millis(50);

/// How a program is run.
#[derive(Clone, Copy)]
pub(crate) struct Way<'a> {
    /// With the tutorial's own seconds.
    pub(crate) real_time: bool,
    /// Hold its first line back until it has so many processes.
    pub(crate) hold_for: usize,
    /// When it is killed.
    pub(crate) limit: Duration,
    /// What is done to it meanwhile.
    pub(crate) disturbance: Option<&'a dyn Fn(u32) -> bool>,
    /// How long its processes may outlive it.
    pub(crate) grace: Duration,
}

/// Runs `program` until it and everything that it started has ended, by force if need be.
///
/// This process must have adopted orphans, and must have no other children.
pub(crate) fn record(program: &Path, way: &Way<'_>) -> io::Result<Recording> {
    let (out, output) = Capture::new(Stream::Out)?;
    let (err, errors) = Capture::new(Stream::Err)?;
    if way.hold_for > 0 {
        fill(output.as_fd())?;
    }
    let before = shared_memory()?;
    let start = Instant::now();
    let mut child = start_program(program, way, output, errors)?;
    let main = child.id();
    let mut held = BTreeSet::new();
    let mut enough = false;
    while way.hold_for > 0 && !enough && start.elapsed() < HOLD {
        // Looks once more when there are enough: more than those would be wrong, too.
        enough = held.len() >= way.hold_for;
        std::thread::sleep(if enough { LINGER } else { Duration::from_millis(1) });
        held = descendants(main)?.into_iter().map(|member| member.pid).collect();
    }

    let mut seen = Seen { out, err, lines: Vec::new(), start };
    let late = seen.watch(main, way)?;
    if late {
        child.kill()?;
    }
    let status = child.wait()?;
    let took = start.elapsed();
    let survivors = survivors(way.grace)?;
    family::end_descendants()?;
    let gone = start.elapsed();
    // Nobody can write any more, so this comes to the end of both.
    seen.read()?;
    Ok(Recording {
        pace: if way.real_time { 1.0 } else { PACE },
        cpus: std::thread::available_parallelism()?.get(),
        main,
        lines: seen.lines,
        held,
        ending: if late { Ending::Late } else { ending(status) },
        took,
        gone,
        survivors,
        litter: litter(&before)?,
    })
}

fn start_program(
    program: &Path,
    way: &Way<'_>,
    output: OwnedFd,
    errors: OwnedFd,
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.env_remove("REAL_TIME");
    if way.real_time {
        command.arg("--real-time");
    }
    command.stdin(Stdio::null()).stdout(output).stderr(errors);
    if way.disturbance.is_some() {
        // A group of its own, to be interrupted as a terminal would. Others share ours, so that a real
        // Ctrl-C reaches them, too.
        command.process_group(0);
    }
    command.spawn()
}

/// What a program has written so far.
struct Seen {
    out: Capture,
    err: Capture,
    lines: Vec<Line>,
    start: Instant,
}

impl Seen {
    fn read(&mut self) -> io::Result<()> {
        let at = self.start.elapsed();
        self.out.read(at, &mut self.lines)?;
        self.err.read(at, &mut self.lines)
    }

    /// Reads until the program has ended, or its time is over: then says `true`.
    fn watch(&mut self, main: u32, way: &Way<'_>) -> io::Result<bool> {
        let Some(main_pid) = pid(main) else { return Ok(false) };
        let pidfd = pidfd_open(main_pid, PidfdFlags::empty())?;
        let mut disturbance = way.disturbance;
        while self.start.elapsed() <= way.limit {
            let mut fds = vec![PollFd::new(&pidfd, PollFlags::IN)];
            for capture in [&self.out, &self.err] {
                if capture.is_open() {
                    fds.push(PollFd::new(capture, PollFlags::IN));
                }
            }
            // Short, for the limit and for what is to be done meanwhile.
            poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 2_000_000 }))?;
            let ended = !fds[0].revents().is_empty();
            self.read()?;
            if ended {
                return Ok(false);
            }
            if disturbance.is_some_and(|disturb| disturb(main)) {
                disturbance = None;
            }
        }
        Ok(true)
    }
}

/// Returns what is left of the program's processes after `grace`.
fn survivors(grace: Duration) -> io::Result<Vec<String>> {
    let start = Instant::now();
    loop {
        let left = descendants(std::process::id())?;
        let running = left.iter().any(|member| member.state != 'Z');
        if left.is_empty() || start.elapsed() >= grace {
            return Ok(left.iter().map(ToString::to_string).collect());
        }
        if !running {
            // Orphans that ended with their parent are ours to reap, and no survivors.
            family::end_descendants()?;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Code(code),
        (None, signal) => Ending::Signal(signal.unwrap_or(0)),
    }
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Returns what has come into `/dev/shm` and is of no use to anybody.
///
/// Others may put files there at the same time. They have them open; ours are all gone by now.
fn litter(before: &BTreeSet<String>) -> io::Result<Vec<String>> {
    let after = shared_memory()?;
    let mut new: Vec<String> = after.difference(before).cloned().collect();
    if !new.is_empty() {
        let used = files_in_use()?;
        new.retain(|name| !used.contains(&format!("/dev/shm/{name}")));
    }
    Ok(new)
}

/// Returns the paths that some process has open or mapped, as far as we may know.
fn files_in_use() -> io::Result<BTreeSet<String>> {
    let mut used = BTreeSet::new();
    for process in fs::read_dir("/proc")? {
        let process = process?.path();
        let open = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
        used.extend(
            open.filter_map(|fd| {
                fs::read_link(fd.path()).ok()?.into_os_string().into_string().ok()
            }),
        );
        let maps = fs::read_to_string(process.join("maps")).unwrap_or_default();
        used.extend(maps.lines().filter_map(|map| Some(map[map.find('/')?..].to_string())));
    }
    Ok(used)
}

/// Returns what is in `/dev/shm`; nothing where there is no such folder.
fn shared_memory() -> io::Result<BTreeSet<String>> {
    let Ok(folder) = fs::read_dir("/dev/shm") else { return Ok(BTreeSet::new()) };
    folder.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_of_the_examples() {
        let pace = include_str!("../../../examples/pace/lib.rs");
        assert!(pace.contains(&format!("const SCALE: f64 = {PACE};")));
    }

    #[test]
    fn an_open_file_is_in_use() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap().to_string();
        assert!(files_in_use().unwrap().contains(&path));
        let path_of_closed = file.into_temp_path();
        assert!(!files_in_use().unwrap().contains(path_of_closed.to_str().unwrap()));
    }
}
