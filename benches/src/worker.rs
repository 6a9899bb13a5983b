//! Where one worker of a crew runs, and how it is ended.

#![allow(unsafe_code, reason = "forks")]

use multiproc::Process;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a worker that was told to stop may take to do so.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) enum Worker {
    Process(Process<()>),
    Fork(Pid),
    Thread(JoinHandle<()>),
}

impl Worker {
    /// Waits for one that was told to stop; kills one that does not. A thread that hangs stays.
    pub(crate) fn end(self, hangs: bool) {
        match self {
            Self::Process(process) => {
                if hangs || process.wait_timeout(PATIENCE).is_none() {
                    let _ = process.kill();
                    let _ = process.wait();
                }
            }
            Self::Fork(pid) => {
                let start = Instant::now();
                while !hangs && start.elapsed() < PATIENCE {
                    match waitpid(Some(pid), WaitOptions::NOHANG) {
                        Ok(None) => std::thread::sleep(Duration::from_micros(100)),
                        _ => return,
                    }
                }
                let _ = kill_process(pid, Signal::KILL);
                let _ = waitpid(Some(pid), WaitOptions::empty());
            }
            Self::Thread(thread) => {
                if !hangs {
                    let _ = thread.join();
                }
            }
        }
    }
}

/// Runs `work` in a fork of this process, which ends with it and with its parent.
pub(crate) fn forked(work: impl FnOnce()) -> Result<Pid, String> {
    let parent = rustix::process::getpid();
    // SAFETY: the child runs on in a copy of this process with one thread. What other threads might have
    // held in the meantime are locks of libc's allocator, which handles forks itself, and of standard
    // output, which is written to between turns by this thread alone.
    match unsafe { libc::fork() } {
        0 => {
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid() == Some(parent) {
                // A panic has printed itself; the crew notices that nobody says "done".
                let _ = catch_unwind(AssertUnwindSafe(work));
            }
            // SAFETY: ends this process; what the parent has open is not flushed or removed by its copy.
            unsafe { libc::_exit(0) }
        }
        pid => Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(|| {
            let error = io::Error::last_os_error();
            format!("cannot fork: {error}")
        }),
    }
}
