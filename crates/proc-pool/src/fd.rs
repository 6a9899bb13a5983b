//! A descriptor in the arguments of a worker's process.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// A descriptor that travels.
#[derive(Clone, Debug)]
pub(crate) struct Fd(Arc<OwnedFd>);

impl Fd {
    pub(crate) fn new(fd: impl Into<Arc<OwnedFd>>) -> Self {
        Self(fd.into())
    }

    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.0
    }

    #[expect(clippy::unnecessary_wraps, reason = "the macro's shape; a wrong one fails at its use")]
    fn attach(fd: Arc<OwnedFd>) -> io::Result<Self> {
        Ok(Self(fd))
    }

    pub(crate) fn into_owned(self) -> io::Result<OwnedFd> {
        Arc::try_unwrap(self.0).or_else(|shared| shared.try_clone())
    }
}

multiproc_core::travels!([] Fd);
