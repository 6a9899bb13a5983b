//! Handles inside serde values, as in [`crate::travel`].

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::ends::BlockEnd;
use super::{BlockReceiver, BlockSender};
use crate::error::Error;

macro_rules! travels {
    ($handle:ty) => {
        impl $handle {
            fn fd(&self) -> &Arc<OwnedFd> {
                self.end.fd()
            }

            fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
                Ok(Self { end: Arc::new(BlockEnd::attach(fd)?) })
            }
        }

        multiproc_core::travels!([] $handle);
    };
}

travels!(BlockSender);
travels!(BlockReceiver);
