//! Ends that travel inside messages and as arguments of processes.

use crate::duplex::Duplex;
use crate::end::{DEFAULT_MAX_BYTES, End, check};
use crate::simplex::{PipeReceiver, PipeSender};
use multiproc_core::carry;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::os::fd::AsFd;

// On the wire an end is the index of its descriptor and its limit.
impl Serialize for End {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let index = carry::put(&self.fd).map_err(ser::Error::custom)?;
        (index, self.max_bytes as u64).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for End {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (index, max_bytes) = <(u32, u64)>::deserialize(deserializer)?;
        let fd = carry::get(index).map_err(de::Error::custom)?;
        if let Err(why) = check(fd.as_fd()) {
            let refused = carry::refuse(format!("descriptor {index} of the message: {why}"));
            return Err(de::Error::custom(refused));
        }
        // Who sends an end may lower what we take through it, not raise it.
        let max_bytes = usize::try_from(max_bytes).unwrap_or(usize::MAX).min(DEFAULT_MAX_BYTES);
        Ok(Self { fd, max_bytes })
    }
}

impl<S: ?Sized, R: ?Sized> Serialize for Duplex<S, R> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.end.serialize(serializer)
    }
}

impl<'de, S: ?Sized, R: ?Sized> Deserialize<'de> for Duplex<S, R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        End::deserialize(deserializer).map(Self::wrap)
    }
}

impl<T: ?Sized> Serialize for PipeSender<T> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.end.serialize(serializer)
    }
}

impl<'de, T: ?Sized> Deserialize<'de> for PipeSender<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        End::deserialize(deserializer).map(Self::wrap)
    }
}

impl<T: ?Sized> Serialize for PipeReceiver<T> {
    fn serialize<Z: Serializer>(&self, serializer: Z) -> Result<Z::Ok, Z::Error> {
        self.end.serialize(serializer)
    }
}

impl<'de, T: ?Sized> Deserialize<'de> for PipeReceiver<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        End::deserialize(deserializer).map(Self::wrap)
    }
}
