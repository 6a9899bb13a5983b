//! A descriptor that travels as an argument, and the numbers that ours stay away from.

use multiproc_core::carry;
use rustix::io::fcntl_dupfd_cloexec;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Descriptor(pub(crate) Arc<OwnedFd>);

impl Serialize for Descriptor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        carry::put(&self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Descriptor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        carry::get(u32::deserialize(deserializer)?).map(Self).map_err(de::Error::custom)
    }
}

/// Takes a descriptor away from the numbers of the standard streams, which a program may have closed: what is printed
/// must not go into it.
pub(crate) fn above_standard(fd: impl Into<OwnedFd>) -> io::Result<OwnedFd> {
    let fd = fd.into();
    if fd.as_raw_fd() > 2 { Ok(fd) } else { Ok(fcntl_dupfd_cloexec(fd, 3)?) }
}
