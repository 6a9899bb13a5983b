//! Starts: a process with a result, from its start until it is joined.

#![allow(unsafe_code, reason = "forks")]

use crate::python;
use multiproc::process::fork_with_threads;
use multiproc::{Builder, Process, SpawnError, StartMethod};
use multiproc_benches::{Amount, Axis, Effort, Kind, Place, Subject, Suite, called, measuring};
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, set_parent_process_death_signal, waitpid,
};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// The argument with which this program ends at once.
pub(crate) const NOTHING: &str = "--nothing";
const PARENTS: [u64; 3] = [0, 10 << 20, 1 << 30];
/// In a test, and in a quick look: enough to see whether it matters, and too little to be noticed.
const SMALL_PARENTS: [u64; 2] = [0, 64 << 20];

pub(crate) fn rows(suite: &mut Suite) {
    let parents = if suite.effort() == Effort::Full { &PARENTS[..] } else { &SMALL_PARENTS };
    // Made when a row first needs it, and removed at the end.
    let empty = Arc::new(std::sync::OnceLock::new());
    for &ballast in parents {
        row(suite, ballast, &empty);
    }
}

/// The empty program's file, or why there is none.
type Empty = Arc<std::sync::OnceLock<Result<(tempfile::TempDir, PathBuf), String>>>;

fn build() -> Result<(tempfile::TempDir, PathBuf), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (source, program) = (folder.path().join("empty.rs"), folder.path().join("empty"));
    std::fs::write(&source, "fn main() {}").map_err(|error| error.to_string())?;
    let built = Command::new("rustc").arg("-O").arg(&source).arg("-o").arg(&program).status();
    match built {
        Ok(status) if status.success() => Ok((folder, program)),
        Ok(status) => Err(format!("rustc: {status}")),
        Err(error) => Err(format!("no rustc to build an empty program with: {error}")),
    }
}

/// Memory of this process, all of it written to.
fn heavy(bytes: u64) -> Vec<u8> {
    vec![7; usize::try_from(bytes).unwrap()]
}

/// Starts so many, and looks at their results.
fn ours(n: u64, start: impl Fn(u64) -> Result<Process<u64>, SpawnError>) -> Result<(), String> {
    for x in 0..n {
        let answer = start(x).map_err(|error| error.to_string())?.join();
        assert_eq!(answer.map_err(|error| error.to_string())?, x + 1);
    }
    Ok(())
}

fn by(method: StartMethod) -> Box<dyn Subject> {
    let builder = Builder::new().method(method);
    called(move |n| ours(n, |x| builder.spawn((x,), |x: u64| x + 1)))
}

fn row(suite: &mut Suite, ballast: u64, empty: &Empty) {
    let empty = Arc::clone(empty);
    suite
        .contest("start", "start and join", Place::Free)
        .at(Axis::Parent, ballast)
        .at_most(500)
        // First: its server is a fork of this process, as small as it is now.
        .with(Kind::Limit, "fork in a bare server", || {
            let mut server = Server::start()?;
            Ok(called(move |n| (0..n).try_for_each(|_| server.ask())))
        })
        .with(Kind::Ours, "proc-spawn", move || {
            // Stays as long as the row.
            let (kept, mut subject) = (heavy(ballast), by(StartMethod::Spawn));
            Ok(measuring(Amount::Count, move |n| {
                std::hint::black_box(&kept);
                subject.turn(n)
            }))
        })
        .with(Kind::Ours, "proc-spawn, fork server", || Ok(by(StartMethod::ForkServer)))
        .with(Kind::Ours, "proc-spawn, fork", || {
            Ok(called(|n| {
                ours(n, |x| {
                    // SAFETY: the child adds one, and takes nothing that another thread may hold.
                    unsafe { fork_with_threads(move || x + 1) }
                })
            }))
        })
        .with(Kind::Threads, "std::thread", || {
            Ok(called(|n| {
                for x in 0..n {
                    assert_eq!(std::thread::spawn(move || x + 1).join().unwrap(), x + 1);
                }
                Ok(())
            }))
        })
        .with(Kind::Limit, "fork, doing nothing", || Ok(called(forks)))
        .with(Kind::Limit, "posix_spawn of an empty program", move || {
            let (_, program) = empty.get_or_init(build).as_ref().map_err(Clone::clone)?;
            let program = program.clone();
            Ok(called(move |n| runs(n, Command::new(&program))))
        })
        // Of which a start of ours is one: this one is large, and has others' crates to prepare.
        .with(Kind::Limit, "posix_spawn of this program", || {
            Ok(called(|n| {
                let mut this = Command::new("/proc/self/exe");
                this.arg(NOTHING);
                runs(n, this)
            }))
        })
        .with(Kind::Peer, "procspawn", || {
            Ok(called(|n| {
                for x in 0..n {
                    let answer = procspawn::spawn(x, |x| x + 1).join();
                    assert_eq!(answer.map_err(|error| error.to_string())?, x + 1);
                }
                Ok(())
            }))
        })
        .with(Kind::Python, "multiprocessing, fork", move || {
            python::subject(&["start", "fork", &ballast.to_string()])
        })
        .with(Kind::Python, "multiprocessing, spawn", move || {
            python::subject(&["start", "spawn", &ballast.to_string()])
        })
        .with(Kind::Python, "multiprocessing, forkserver", move || {
            python::subject(&["start", "forkserver", &ballast.to_string()])
        })
        .run();
}

/// So many processes of a program that ends at once.
fn runs(n: u64, mut program: Command) -> Result<(), String> {
    for _ in 0..n {
        let status = program.stdin(Stdio::null()).status();
        assert!(status.map_err(|error| error.to_string())?.success());
    }
    Ok(())
}

/// A process that forks a child that ends at once, whenever it is asked, and says when it has ended.
struct Server {
    line: UnixStream,
    pid: Pid,
}

impl Server {
    fn start() -> Result<Self, String> {
        let (line, there) = UnixStream::pair().map_err(|error| error.to_string())?;
        // SAFETY: the child uses nothing but its end of the line, and ends without a way back.
        match unsafe { libc::fork() } {
            0 => {
                drop(line);
                Self::serve(there);
                // SAFETY: ends this process.
                unsafe { libc::_exit(0) }
            }
            pid => {
                let pid = Pid::from_raw(pid).filter(|_| pid > 0);
                let pid = pid.ok_or_else(|| std::io::Error::last_os_error().to_string())?;
                Ok(Self { line, pid })
            }
        }
    }

    fn serve(mut line: UnixStream) {
        if set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
            return;
        }
        let mut byte = [0];
        while line.read_exact(&mut byte).is_ok() {
            if forks(1).is_err() || line.write_all(&byte).is_err() {
                return;
            }
        }
    }

    fn ask(&mut self) -> Result<(), String> {
        let asked = self.line.write_all(&[7]).and_then(|()| self.line.read_exact(&mut [0]));
        asked.map_err(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = kill_process(self.pid, Signal::KILL);
        let _ = waitpid(Some(self.pid), WaitOptions::empty());
    }
}

/// So many children that end at once: nothing runs in them.
fn forks(n: u64) -> Result<(), String> {
    for _ in 0..n {
        // SAFETY: the child does nothing but end.
        match unsafe { libc::fork() } {
            // SAFETY: ends the child.
            0 => unsafe { libc::_exit(0) },
            -1 => return Err(std::io::Error::last_os_error().to_string()),
            // SAFETY: waits for a child of this process.
            pid => assert_eq!(unsafe { libc::waitpid(pid, std::ptr::null_mut(), 0) }, pid),
        }
    }
    Ok(())
}
