//! The mapping of a lane, and how it gets to the worker.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::arena;
use super::bell::Bell;
use super::mapped::Mapped;
use super::words::Words;

/// The slots and words of a lane, mapped.
pub(super) type Memory = Mapped<Words>;

/// A descriptor that travels as it is.
#[derive(Clone, Debug)]
pub(super) struct File(pub(super) Arc<OwnedFd>);

impl File {
    fn fd(&self) -> &Arc<OwnedFd> {
        &self.0
    }

    fn attach(fd: Arc<OwnedFd>) -> io::Result<Self> {
        // A number, not a promise: a wrong file is refused where it is used.
        if fd.as_raw_fd() < 0 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(Self(fd)) }
    }
}

multiproc_core::travels!([] File);

/// The worker's end of a lane on its way there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Port {
    pub(super) memory: Memory,
    pub(super) arena: File,
    pub(super) bell: Bell,
}

impl Port {
    pub(super) fn new(memory: Memory, bell: Bell) -> io::Result<Self> {
        Ok(Self { memory, arena: File(Arc::new(arena::create()?)), bell })
    }
}
