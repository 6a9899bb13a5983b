//! Handles inside serde values.
//!
//! A handle travels as its descriptor, which stands for its side: while it is on its way, in a
//! message that nobody has received yet, the side still counts as present.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ends::Queue;
use crate::error::Error;
use crate::{ByteReceiver, ByteSender, Item, Receiver, Sender, ValueReceiver, ValueSender};

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

travels!([T: Item] Sender<T>);
travels!([T: Item] Receiver<T>);
travels!([] ByteSender);
travels!([] ByteReceiver);
travels!([T: Serialize + 'static] ValueSender<T>);
travels!([T: DeserializeOwned + 'static] ValueReceiver<T>);
