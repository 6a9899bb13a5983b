//! The worker: takes a task, does it, answers, until its socket ends.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use multiproc_core::deadline::Deadline;
use multiproc_core::header::{Item, Spec};
use multiproc_core::packet::{self, Packet};
use multiproc_core::segment::{self, Opened, Place};
use proc_spawn::call::{self, Call, Encoded, Fault};
use serde::{Deserialize, Serialize};

use crate::job::{self, ANY, kind};
use crate::unix;

/// A descriptor in the arguments of a worker's process.
#[derive(Clone, Debug)]
pub(crate) struct Fd(Arc<OwnedFd>);

impl Fd {
    pub(crate) fn new(fd: impl Into<Arc<OwnedFd>>) -> Self {
        Self(fd.into())
    }

    fn fd(&self) -> &Arc<OwnedFd> {
        &self.0
    }

    #[expect(clippy::unnecessary_wraps, reason = "the macro's shape; a wrong one fails at its use")]
    fn attach(fd: Arc<OwnedFd>) -> io::Result<Self> {
        Ok(Self(fd))
    }

    fn into_owned(self) -> io::Result<OwnedFd> {
        Arc::try_unwrap(self.0).or_else(|shared| shared.try_clone())
    }
}

multiproc_core::travels!([] Fd);

/// One word in shared memory: the number of the task that the worker began last, 0 at first.
///
/// | value | who | to what |
/// |---|---|---|
/// | any | the worker, before it runs a user's function | the number of the task |
///
/// The pool reads it only after the worker's death. So a task that was sent and not begun is told
/// from one that was, without a message for each: the first can safely be given to another worker.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    segment: Arc<segment::Segment>,
    fd: Arc<OwnedFd>,
}

const BEGUN: &str = "pool worker";

impl Begun {
    pub(crate) fn new() -> io::Result<Self> {
        let spec = Spec { kind: BEGUN, item: Item::of::<u64>(), capacity: 1, detail: 0 };
        Ok(Self::from_opened(segment::create(Place::Anonymous(BEGUN), &spec, 8, |_| ())?))
    }

    fn from_opened(opened: Opened) -> Self {
        Self { segment: opened.segment, fd: opened.fd }
    }

    fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    fn attach(fd: Arc<OwnedFd>) -> io::Result<Self> {
        segment::attach(fd, BEGUN, Item::of::<u64>()).map(Self::from_opened)
    }

    fn word(&self) -> &AtomicU64 {
        self.segment.get(0)
    }

    /// Says whether the worker, which has ended, had begun the task with this number.
    pub(crate) fn has(&self, number: u64) -> bool {
        // Acquire: pairs with the Release in `serve`.
        self.word().load(Acquire) == number
    }
}

multiproc_core::travels!([] Begun);

/// What a worker does before its first task: a call, its encoded arguments, their handles.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Initializer {
    call: Call,
    args: Vec<u8>,
    fds: Vec<Fd>,
}

impl Initializer {
    pub(crate) fn new(call: Call, args: Encoded) -> Self {
        Self { call, args: args.bytes, fds: args.fds.into_iter().map(Fd::new).collect() }
    }

    fn run(self) -> Result<(), String> {
        let fds: io::Result<Vec<_>> = self.fds.into_iter().map(Fd::into_owned).collect();
        let fds = fds.map_err(|error| format!("its initializer's handles: {error}"))?;
        // Its result is of no interest, as in Python.
        let done = self.call.run(self.args, fds);
        done.map(drop).map_err(|fault| format!("its initializer failed: {fault}"))
    }
}

/// The function of a worker's process. Returns when the pool has closed the socket.
///
/// The result is the reason for which the worker never became ready, if so.
pub(crate) fn run(
    socket: Fd,
    begun: Begun,
    initializer: Option<Initializer>,
) -> Result<(), String> {
    unix::ignore_interrupt();
    if let Some(initializer) = initializer {
        initializer.run()?;
    }
    let socket = socket.0.as_fd();
    let told = packet::send(socket, kind::READY, &[], &[], Deadline::NEVER);
    if told.is_ok() {
        serve(socket, begun.word());
    }
    Ok(())
}

fn serve(socket: BorrowedFd<'_>, begun: &AtomicU64) {
    let process = std::process::id();
    loop {
        let packet = match packet::recv(socket, usize::MAX, Deadline::NEVER) {
            Ok(Some(packet)) => packet,
            Ok(None) => return,
            // No descriptor or memory left for what came with it: that task's failure, whichever it is.
            Err(error) => {
                let fault = Fault::Rejected(format!("it could not be received: {error}"));
                if reply(socket, ANY, Err(fault)).is_err() {
                    return;
                }
                continue;
            }
        };
        let Packet { kind: kind::TASK, mut body, fds } = packet else { return };
        let Some((number, call)) = job::open(&mut body) else { return };
        let answer = match call {
            Ok(call) => {
                // Release: pairs with the Acquire in `Begun::has`, after this process's death.
                begun.store(number, Release);
                call.run(body, fds)
            }
            Err(error) => Err(Fault::rejected(error)),
        };
        if std::process::id() != process {
            // The task forked, and this is its child, which has no business here.
            unix::leave();
        }
        if reply(socket, number, answer).is_err() {
            return; // Nobody is left to answer to.
        }
    }
}

fn reply(socket: BorrowedFd<'_>, number: u64, answer: Result<Encoded, Fault>) -> io::Result<()> {
    let (result, failure) =
        (kind::answering(kind::RESULT, number), kind::answering(kind::FAULT, number));
    let fault = match answer {
        Ok(Encoded { bytes, fds }) => {
            let borrowed: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
            match packet::send(socket, result, &bytes, &borrowed, Deadline::NEVER) {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                    // Too many handles, or no memory for it: this task's failure, not the worker's.
                    Fault::Unencodable(error.to_string())
                }
                sent => return sent,
            }
        }
        Err(fault) => fault,
    };
    let text = call::encode(&fault).map_err(io::Error::other)?;
    packet::send(socket, failure, &text.bytes, &[], Deadline::NEVER)
}
