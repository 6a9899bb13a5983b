//! What can be sent through a pipe, and how it becomes bytes and descriptors.

use crate::error::Error;
use std::borrow::Cow;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

/// The packet holds raw bytes.
const BYTES: u32 = 0;
/// The packet holds an encoded value.
pub(crate) const VALUE: u32 = 1;

/// What a pipe can carry: raw bytes (`[u8]`), or, with the feature `serde`, any value that can be
/// serialised and deserialised.
///
/// Every such type has this trait already; it cannot be implemented for others. Bytes sent into a
/// pipe of values, or the reverse, are refused by the receiver.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent through a pipe",
    label = "neither `[u8]` nor a sized type with `Serialize` and `DeserializeOwned`",
    note = "derive `serde::Serialize` and `serde::Deserialize`, and enable the feature `serde` of `duplex-pipe`",
    note = "for text send a `String`: a pipe of type `str` cannot give back what it receives"
)]
pub trait Message {
    /// What is received when this is sent: `Vec<u8>` for `[u8]`, `T` itself for a value.
    type Owned;

    #[doc(hidden)]
    fn encode<R>(&self, send: impl FnOnce(Encoded<'_>) -> R) -> Result<R, Error>;

    #[doc(hidden)]
    fn decode(arrived: Arrived<'_>) -> Result<Self::Owned, Error>;
}

/// A message on its way out. Its fields are this crate's, so nobody else can implement `Message`.
#[derive(Debug)]
pub struct Encoded<'a> {
    pub(crate) kind: u32,
    pub(crate) body: &'a [u8],
    pub(crate) fds: &'a [BorrowedFd<'a>],
}

/// A message that came.
#[derive(Debug)]
pub struct Arrived<'a> {
    pub(crate) kind: u32,
    pub(crate) body: Cow<'a, [u8]>,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Message for [u8] {
    type Owned = Vec<u8>;

    fn encode<R>(&self, send: impl FnOnce(Encoded<'_>) -> R) -> Result<R, Error> {
        Ok(send(Encoded { kind: BYTES, body: self, fds: &[] }))
    }

    fn decode(arrived: Arrived<'_>) -> Result<Vec<u8>, Error> {
        check_bytes(arrived.kind, arrived.fds.len())?;
        Ok(arrived.body.into_owned())
    }
}

/// Refuses what is no message of raw bytes.
pub(crate) fn check_bytes(kind: u32, fds: usize) -> Result<(), Error> {
    match (kind, fds) {
        (BYTES, 0) => Ok(()),
        (BYTES, fds) => Err(rejected("raw bytes", format!("{fds} descriptors came with them"))),
        (kind, _) => Err(unexpected("raw bytes", kind)),
    }
}

/// The packet's kind is another than `expected`.
pub(crate) fn unexpected(expected: &str, kind: u32) -> Error {
    let found = match kind {
        BYTES => "raw bytes came".into(),
        VALUE => "an encoded value came".into(),
        kind => format!("a packet of kind {kind} came"),
    };
    rejected(expected, found)
}

fn rejected(expected: &str, found: String) -> Error {
    Error::new("decode", expected, io::Error::new(io::ErrorKind::InvalidData, found))
}
