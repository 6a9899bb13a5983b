//! The fork server, seen from the process that uses it.
//!
//! It is an ordinary process of ours, spawned at the first use, whose function never returns; in no list, tied to us
//! as any other. A request is one message with the new process's socket; the answer has the pid. The new process is
//! our child, not the server's.
//!
//! A server that is killed between the copy and the answer leaves a child of which nobody told us. So the kernel
//! itself notes each new pid in a page that we share with the server, before the copy runs: when no answer
//! comes, the page says whether there is a process.

use crate::call::{self, Call};
use crate::error::SpawnError;
use crate::forkserver;
use crate::message;
use crate::page::Page;
use crate::registry::{Child, unpoisoned, wait_for};
use crate::start::{CROWDED, Plan, Prepared, StartMethod, crowded, spawn, world};
use crate::status::ExitStatus;
use crate::{affinity, boot, child};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use rustix::event::{PollFd, PollFlags};
use rustix::net::{Shutdown, shutdown};
use rustix::process::{Pid, Signal};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// What a new process is: its pid, and a pidfd.
pub(super) type Made = (Pid, OwnedFd);

/// Asks for a copy. The CPUs of the thread that asks (see [`affinity`]), and the new process's socket.
pub(crate) const COPY: u32 = 0x7370_0021;
/// The answer: the pid, 4 bytes.
pub(crate) const COPIED: u32 = 0x7370_0022;
/// The answer: the kernel's error number, 4 bytes. Another request may go better.
pub(crate) const FAILED: u32 = 0x7370_0023;
/// The answer: there will be no copies here. A text says why.
pub(crate) const UNFIT: u32 = 0x7370_0024;

/// How long a server may take to end that has closed its socket, or was told to.
const PARTING: Duration = Duration::from_secs(1);

enum State {
    None,
    Running(Box<Server>),
    /// There can be none here.
    Unfit,
}

static STATE: Mutex<State> = Mutex::new(State::None);

struct Server {
    child: Child,
    socket: OwnedFd,
    page: Page,
    /// What the server cannot follow: it is replaced when this changes.
    world: u64,
}

/// What became of a request.
enum Answer {
    Copied(Made),
    Failed(io::Error),
    Unfit,
    /// The server is gone, and has made nothing.
    Gone(String),
}

/// Has a process copied that serves the order which waits at the other end of `boot`.
///
/// `None` where that is not possible, now or ever, and nothing was made.
pub(super) fn copy(boot: BorrowedFd<'_>) -> io::Result<Option<Made>> {
    let mut state = unpoisoned(&STATE);
    // Once more with a new server: the old one may have been killed since it was used last.
    for last in [false, true] {
        let world = world::number()?;
        if let State::Running(server) = &*state
            && (server.world != world || server.child.owner != std::process::id())
        {
            *state = State::None;
        }
        let server = match &*state {
            State::Unfit => return Ok(None),
            State::Running(server) => server,
            State::None => {
                *state = State::Running(Box::new(Server::launch(world)?));
                continue_with(&state)?
            }
        };
        match server.request(boot) {
            Answer::Copied(made) => return Ok(Some(made)),
            Answer::Failed(error) => return Err(error),
            Answer::Unfit => {
                *state = State::Unfit;
                return Ok(None);
            }
            Answer::Gone(why) => {
                *state = State::None;
                if last {
                    return Err(ended(&why));
                }
            }
        }
    }
    Ok(None)
}

/// Ends the server; the next start begins another.
pub(crate) fn stop() {
    *unpoisoned(&STATE) = State::None;
}

/// Ends the server at the exit of its user.
pub(crate) fn end() {
    // A thread that is in the middle of a start keeps it; then it ends with us.
    if let Ok(mut state) = STATE.try_lock() {
        *state = State::None;
    }
}

fn continue_with<'a>(state: &'a MutexGuard<'_, State>) -> io::Result<&'a Server> {
    match &**state {
        State::Running(server) => Ok(server),
        _ => Err(io::Error::other("the fork server was not started")),
    }
}

impl Server {
    fn launch(world: u64) -> io::Result<Self> {
        let (socket, theirs) = packet::pair()?;
        let (page, memory) = Page::new()?;
        let plan = Plan { daemon: true, ..Plan::default() };
        let failed = |error: SpawnError| match error {
            SpawnError::Io(error) => io::Error::new(error.kind(), source_of(&error)),
            other => io::Error::other(other.to_string()),
        };
        let name = format!("ForkServer of {}", std::process::id());
        let number = match child::this() {
            Some(this) => format!("{}:0", this.number()),
            None => "0".to_owned(),
        };
        let prepared =
            Prepared::named(&plan, name, number, Some(StartMethod::Spawn)).map_err(failed)?;
        let call = boot::server::call().map_err(failed)?;
        let arguments = boot::server::arguments(theirs, memory, forkserver::preloads());
        let arguments = call::encode(&arguments).map_err(|error| io::Error::other(error.0))?;
        let (child, _ends) =
            super::make(&plan, prepared, call, arguments, StartMethod::Spawn).map_err(failed)?;
        Ok(Self { child, socket, page, world })
    }

    fn request(&self, boot: BorrowedFd<'_>) -> Answer {
        self.page.clear();
        let socket = self.socket.as_fd();
        let mask = affinity::of_this_thread();
        match packet::send(socket, COPY, &mask, &[boot], Deadline::after(CROWDED)) {
            Ok(()) => {}
            // All that was sent before has been received, so it is not the socket that is full.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                return self.last_words();
            }
            Err(error) => return Answer::Failed(crowded(error)),
        }
        match self.hear() {
            Some(Packet { kind: COPIED, body, .. }) => match <[u8; 4]>::try_from(&body[..]) {
                Ok(pid) => self.made(u32::from_ne_bytes(pid)),
                Err(_) => Answer::Failed(io::ErrorKind::InvalidData.into()),
            },
            Some(Packet { kind: FAILED, body, .. }) => {
                let number = <[u8; 4]>::try_from(&body[..]).map_or(0, i32::from_ne_bytes);
                Answer::Failed(io::Error::from_raw_os_error(number))
            }
            Some(Packet { kind: UNFIT, .. }) => Answer::Unfit,
            Some(_) => Answer::Failed(io::ErrorKind::InvalidData.into()),
            None => match self.page.pid() {
                0 if self.child.try_wait().is_none() => {
                    Answer::Failed(io::Error::other("the fork server does not end"))
                }
                0 => self.last_words(),
                pid => self.made(pid),
            },
        }
    }

    /// Waits for the answer; `None` when the server has ended without one, or does not end.
    fn hear(&self) -> Option<Packet> {
        loop {
            // Not the end of the stream alone: a copy that was just made has the server's end too.
            let mut fds = [
                PollFd::new(&self.socket, PollFlags::IN),
                PollFd::from_borrowed_fd(self.child.pidfd(), PollFlags::IN),
            ];
            let _ = wait_for(&mut fds, Deadline::NEVER);
            let ended = self.child.try_wait().is_some();
            // After the look at its end: what it said before is there now.
            match packet::recv(self.socket.as_fd(), usize::MAX, Deadline::after(Duration::ZERO)) {
                Ok(Some(packet)) => return Some(packet),
                Err(error) if error.kind() == io::ErrorKind::TimedOut && !ended => {}
                Ok(None) | Err(_) => {
                    // Its end may be a moment away, in which it says why. Only then is what the page says the last
                    // word.
                    self.see_off();
                    return None;
                }
            }
        }
    }

    fn made(&self, pid: u32) -> Answer {
        // Whatever the server says: a pid is positive.
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return Answer::Failed(io::ErrorKind::InvalidData.into()) };
        match spawn::look_after(pid) {
            Ok(made) => Answer::Copied(made),
            Err(error) => Answer::Failed(error),
        }
    }

    /// Waits for the end of a server that has closed its socket, and sees to it.
    fn see_off(&self) -> Option<ExitStatus> {
        self.child.wait(Deadline::after(PARTING)).or_else(|| self.end())
    }

    /// Ends it. `None` when that takes too long.
    fn end(&self) -> Option<ExitStatus> {
        // Pulls at its tie, for which we need no right to kill it: we may have given that up since it was started.
        let _ = shutdown(&self.child.control, Shutdown::Both);
        // A server that is not tied yet finds this one closed.
        let _ = shutdown(&self.socket, Shutdown::Both);
        let _ = self.child.signal("end", Signal::KILL);
        self.child.wait(Deadline::after(PARTING))
    }

    /// Says why a server ended.
    fn last_words(&self) -> Answer {
        let status = self.see_off();
        match self.child.take_report().ok().flatten().map(message::read_report) {
            // Another one would end in the same way.
            Some(Ok(message::Report::Fault(fault))) => Answer::Failed(ended(&fault.to_string())),
            _ => Answer::Gone(status.map_or_else(String::new, |status| status.to_string())),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that a fork of its user has inherited is not ours to end.
        if self.child.owner == std::process::id() {
            self.end();
        }
    }
}

fn ended(why: &str) -> io::Error {
    io::Error::other(format!("the fork server ended: {why}"))
}

fn source_of(error: &crate::Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, ToString::to_string)
}

/// Keeps other threads from the server while this one forks.
pub(super) fn hold() -> Held {
    Held(unpoisoned(&STATE))
}

pub(super) struct Held(MutexGuard<'static, State>);

impl Held {
    /// Makes a forked process forget the server of its parent.
    pub(super) fn disown(mut self, null: BorrowedFd<'_>) {
        if let State::Running(server) = std::mem::replace(&mut *self.0, State::None) {
            server.child.disown(null);
        }
    }
}

/// What the server is called with: the socket, the page, what it is to do first.
pub(crate) type Arguments =
    (crate::descriptor::Descriptor, crate::descriptor::Descriptor, Vec<Call>);

/// Makes these.
pub(crate) fn arguments(socket: OwnedFd, page: OwnedFd, preloads: Vec<Call>) -> Arguments {
    use crate::descriptor::Descriptor;
    (Descriptor(Arc::new(socket)), Descriptor(Arc::new(page)), preloads)
}
