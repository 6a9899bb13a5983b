//! A descriptor that travels as an argument.

use multiproc_core::carry;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::os::fd::OwnedFd;
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
