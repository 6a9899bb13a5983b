//! One end of a pipe without its types: a shared descriptor and a limit.

use crate::error::{Error, RecvFault, SendFault};
use crate::message::{Arrived, Message, check_bytes};
use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, IntoBuf};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

/// What a receiving end takes unless it is told otherwise: 1 GiB.
pub(crate) const DEFAULT_MAX_BYTES: usize = 1 << 30;

/// A descriptor of a connected socket; clones share it.
#[derive(Clone)]
pub(crate) struct End {
    pub(crate) fd: Arc<OwnedFd>,
    pub(crate) max_bytes: usize,
}

/// How a buffered receive can fail, before it is known which operation asked.
pub(crate) enum IntoFault {
    TooShort(Vec<u8>),
    Recv(RecvFault),
}

impl End {
    pub(crate) fn pair() -> Result<(Self, Self), Error> {
        let (a, b) = packet::pair().map_err(|error| Error::new("make", "a pipe", error))?;
        Ok((Self::new(a), Self::new(b)))
    }

    fn new(fd: OwnedFd) -> Self {
        Self { fd: Arc::new(fd), max_bytes: DEFAULT_MAX_BYTES }
    }

    /// Takes a descriptor that came from elsewhere.
    pub(crate) fn adopt(fd: OwnedFd) -> Result<Self, Error> {
        match check(fd.as_fd()) {
            Ok(()) => Ok(Self::new(fd)),
            Err(why) => {
                let object = format!("descriptor {} as a pipe end", fd.as_raw_fd());
                let cause = io::Error::new(io::ErrorKind::InvalidInput, why);
                Err(Error::new("use", object, cause))
            }
        }
    }

    pub(crate) fn send<T: Message + ?Sized>(
        &self,
        message: &T,
        deadline: Deadline,
    ) -> Result<(), SendFault> {
        let sent = message.encode(|encoded| {
            packet::send(self.fd.as_fd(), encoded.kind, encoded.body, encoded.fds, deadline)
                .map_err(|error| SendFault::new(error, encoded.body.len()))
        });
        sent.map_err(SendFault::Encode)?
    }

    pub(crate) fn recv<T: Message + ?Sized>(
        &self,
        deadline: Deadline,
    ) -> Result<T::Owned, RecvFault> {
        let received =
            packet::recv_with(self.fd.as_fd(), self.max_bytes, deadline, |kind, body, fds| {
                T::decode(Arrived { kind, body, fds })
            });
        match received {
            Ok(Some(decoded)) => decoded.map_err(RecvFault::Decode),
            Ok(None) => Err(RecvFault::Disconnected),
            Err(error) => Err(RecvFault::new(error)),
        }
    }

    pub(crate) fn recv_into(&self, buf: &mut [u8], deadline: Deadline) -> Result<usize, IntoFault> {
        let (kind, fds, result) =
            match packet::recv_into(self.fd.as_fd(), buf, self.max_bytes, deadline) {
                Ok(Some(IntoBuf::Filled { kind, len, fds })) => (kind, fds.len(), Ok(len)),
                Ok(Some(IntoBuf::TooShort(packet))) => {
                    (packet.kind, packet.fds.len(), Err(IntoFault::TooShort(packet.body)))
                }
                Ok(None) => return Err(IntoFault::Recv(RecvFault::Disconnected)),
                Err(error) => return Err(IntoFault::Recv(RecvFault::new(error))),
            };
        check_bytes(kind, fds).map_err(|error| IntoFault::Recv(RecvFault::Decode(error)))?;
        result
    }

    pub(crate) fn poll(&self, timeout: Option<Duration>) -> Result<bool, Error> {
        packet::wait_readable(self.fd.as_fd(), Deadline::from_option(timeout))
            .map_err(|error| Error::new("wait for", "a pipe message", error))
    }
}

/// Says why a descriptor cannot be a pipe's end.
pub(crate) fn check(fd: BorrowedFd<'_>) -> Result<(), String> {
    let found = match (sockopt::socket_domain(fd), sockopt::socket_type(fd)) {
        (Ok(AddressFamily::UNIX), Ok(SocketType::SEQPACKET)) => return Ok(()),
        (Ok(AddressFamily::UNIX), Ok(_)) => "a Unix socket of another type",
        (Ok(_), Ok(_)) => "a socket of another family",
        _ => "no socket",
    };
    Err(format!("a pipe's end is a Unix socket that keeps message borders, and this is {found}"))
}

/// A deadline that has passed: look once, wait never.
pub(crate) fn now() -> Deadline {
    Deadline::after(Duration::ZERO)
}
