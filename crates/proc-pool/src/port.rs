//! The worker's end of what connects it with the pool.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use multiproc_core::deadline::Deadline;
use multiproc_core::{packet, spare};
use proc_spawn::call::{self, Call, Encoded, Fault, Resolved};
use serde::{Deserialize, Serialize};

use crate::fd::Fd;
use crate::job::kind;
use crate::lane::{self, Order, Working};
use crate::share;

/// The worker's end on its way: made by the pool, sent to the worker as an argument.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Port {
    lane: lane::Port,
    socket: Fd,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Desk {
    working: Working,
    socket: Fd,
    /// The name of the last task's function, and what it leads to.
    last: Option<([u64; 4], Resolved)>,
}

/// A task that was begun.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) ticket: u64,
    /// What is to be called with what; or why this process cannot.
    pub(crate) work: Result<Work, Fault>,
}

/// What is to be done for a task.
#[derive(Debug)]
pub(crate) struct Work {
    order: Order,
    fds: Vec<OwnedFd>,
}

impl Port {
    pub(crate) fn new(lane: lane::Port, socket: OwnedFd) -> Self {
        Self { lane, socket: Fd::new(socket) }
    }

    /// Takes the end into use, in the worker.
    ///
    /// # Errors
    ///
    /// The kernel's; nothing that the pool made is refused otherwise.
    pub(crate) fn open(self) -> io::Result<Desk> {
        Ok(Desk { working: Working::new(self.lane)?, socket: self.socket, last: None })
    }
}

impl Desk {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.fd().as_fd()
    }

    /// Says that the initializer has run.
    pub(crate) fn tell_ready(&self) {
        self.working.tell_ready();
    }

    /// Begins the next task, waiting until there is one; `None` when there is none to come.
    pub(crate) fn next(&mut self) -> Option<Task> {
        let order = self.working.next()?;
        let fds = self.descriptors(order.ticket, order.packets);
        let ticket = order.ticket;
        // No descriptor left for what came with it: that task's failure.
        let work = fds.map(|fds| Work { order, fds }).map_err(|error| not_received(&error));
        Some(Task { ticket, work })
    }

    /// Does what is to be done.
    ///
    /// # Errors
    ///
    /// What the task ends with instead of a result.
    pub(crate) fn run(&mut self, work: Work) -> Result<Encoded, Fault> {
        let Work { order, fds } = work;
        let resolved = match self.last {
            Some((call, resolved)) if call == order.call => resolved,
            _ => Call::from_words(order.call).resolve()?,
        };
        self.last = Some((order.call, resolved));
        // Decoded where they lie.
        let args = self.working.arguments(&order).map_err(|error| not_received(&error))?;
        resolved.run(args, fds)
    }

    /// Takes the packets that came before a task: shared data, and its own descriptors.
    fn descriptors(&self, ticket: u64, packets: u8) -> io::Result<Vec<OwnedFd>> {
        let mut fds = Ok(Vec::new());
        let mut left = packets;
        while left > 0 {
            match packet::recv(self.socket(), usize::MAX, Deadline::NEVER) {
                Ok(Some(packet)) if kind::is_shared(packet.kind) => {
                    let ours = packet.kind == kind::shared(ticket);
                    share::learn(&packet.body, packet.fds);
                    // Else of a task that was not put after all.
                    if !ours {
                        continue;
                    }
                }
                Ok(Some(packet)) if packet.kind == kind::descriptors(ticket) => {
                    fds = Ok(packet.fds);
                }
                // Of a task that was not put after all.
                Ok(Some(_)) => continue,
                Ok(None) => return Err(io::ErrorKind::BrokenPipe.into()),
                Err(error) => fds = Err(error),
            }
            left -= 1;
        }
        fds
    }

    /// Answers a task; `false` when nobody is left to hear it.
    pub(crate) fn answer(&mut self, ticket: u64, answer: Result<Encoded, Fault>) -> bool {
        let mut packets = 0;
        let fault = match answer {
            Ok(Encoded { bytes, fds }) => match self.send_descriptors(ticket, &fds) {
                Ok(sent) => {
                    packets = sent;
                    let put = self.working.answer(ticket, kind::RESULT, packets, &bytes);
                    spare::give(bytes);
                    match put {
                        Ok(()) => return true,
                        Err(error) => Fault::Unencodable(error.to_string()),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return false,
                // Too many handles: this task's failure, not the worker's.
                Err(error) => Fault::Unencodable(error.to_string()),
            },
            Err(fault) => fault,
        };
        let text = call::encode(&fault).map(|text| text.bytes);
        let short = || call::encode(&Fault::Unencodable("there is no memory to say why".into()));
        let mut tell =
            |bytes: &[u8]| self.working.answer(ticket, kind::FAULT, packets, bytes).is_ok();
        text.is_ok_and(|text| tell(&text)) || short().is_ok_and(|short| tell(&short.bytes))
    }

    /// Sends the descriptors of an answer; returns how many packets that took.
    fn send_descriptors(&self, ticket: u64, fds: &[Arc<OwnedFd>]) -> io::Result<u8> {
        if fds.is_empty() {
            return Ok(0);
        }
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let kind = kind::descriptors(ticket);
        packet::send(self.socket(), kind, &[], &fds, Deadline::NEVER)?;
        Ok(1)
    }
}

/// That task's failure: this process had no room for what came with it.
fn not_received(error: &io::Error) -> Fault {
    Fault::Rejected(format!("it could not be received: {error}"))
}
