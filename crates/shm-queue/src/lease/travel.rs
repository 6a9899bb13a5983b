//! Receivers that lease, inside serde values.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use super::faces::{ByteLeaseReceiver, LeaseReceiver, ValueLeaseReceiver};
use crate::Item;
use crate::ends::Queue;
use crate::error::Error;

macro_rules! travels {
    ([$($generics:tt)*] $handle:ty) => {
        impl<$($generics)*> $handle {
            fn fd(&self) -> &Arc<OwnedFd> {
                self.end.fd()
            }

            fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
                Ok(Self { end: Arc::new(Queue::attach(fd)?) })
            }
        }

        multiproc_core::travels!([$($generics)*] $handle);
    };
}

travels!([T: Item] LeaseReceiver<T>);
travels!([] ByteLeaseReceiver);
travels!([T: DeserializeOwned + 'static] ValueLeaseReceiver<T>);
