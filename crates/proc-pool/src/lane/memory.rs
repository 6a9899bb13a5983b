//! The mapping of a lane, and how it gets to the worker.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use multiproc_core::header::{Item, Spec};
use multiproc_core::segment::{self, Opened, Place, Segment};
use serde::{Deserialize, Serialize};

use super::arena;
use super::bell::Bell;
use super::words::Words;

const KIND: &str = "pool lane";

/// The slots and words of a lane, mapped.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    segment: Arc<Segment>,
    fd: Arc<OwnedFd>,
}

impl Memory {
    pub(super) fn new() -> io::Result<Self> {
        let spec = Spec { kind: KIND, item: Item::named(KIND), capacity: 1, detail: 0 };
        let bytes = size_of::<Words>();
        Ok(Self::from_opened(segment::create(Place::Anonymous(KIND), &spec, bytes, |_| ())?))
    }

    fn from_opened(opened: Opened) -> Self {
        Self { segment: opened.segment, fd: opened.fd }
    }

    fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    fn attach(fd: Arc<OwnedFd>) -> io::Result<Self> {
        let opened = segment::attach(fd, KIND, Item::named(KIND))?;
        if opened.segment.body_bytes() < size_of::<Words>() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too short for a lane"));
        }
        Ok(Self::from_opened(opened))
    }

    #[inline]
    pub(super) fn words(&self) -> &Words {
        self.segment.get(0)
    }
}

multiproc_core::travels!([] Memory);

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
