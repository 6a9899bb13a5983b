//! Values as messages: postcard for the bytes, descriptors for the handles inside.

use crate::error::Error;
use crate::message::{Arrived, Encoded, Message, VALUE, unexpected};
use multiproc_core::carry;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::type_name;
use std::cell::Cell;
use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};

/// The largest buffer that a thread keeps for its next message.
const KEPT: usize = 1 << 20;

thread_local! {
    // Taken out while in use, because a `Serialize` may itself send.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<T: Serialize + DeserializeOwned> Message for T {
    type Owned = T;

    fn encode<R>(&self, send: impl FnOnce(Encoded<'_>) -> R) -> Result<R, Error> {
        let mut buffer = BUFFER.try_with(Cell::take).unwrap_or_default();
        buffer.clear();
        let (encoded, out) = carry::outgoing(|| postcard::to_extend(self, buffer));
        let body = match (encoded, out.refusal) {
            (Ok(body), _) => body,
            // The serialiser loses the sentence with which a handle was refused; the scope kept it.
            (Err(_), Some(refused)) => return Err(failed::<T>("encode", refused)),
            (Err(error), None) => return Err(failed::<T>("encode", error)),
        };
        let fds: Vec<BorrowedFd<'_>> = out.fds.iter().map(|fd| fd.as_fd()).collect();
        let result = send(Encoded { kind: VALUE, body: &body, fds: &fds });
        if body.capacity() <= KEPT {
            // The thread may be ending; then the buffer just goes.
            let _ = BUFFER.try_with(|cell| cell.set(body));
        }
        Ok(result)
    }

    fn decode(arrived: Arrived<'_>) -> Result<T, Error> {
        let Arrived { kind, body, fds } = arrived;
        if kind != VALUE {
            return Err(unexpected(&object::<T>(), kind));
        }
        let (decoded, refusal) = carry::incoming(fds, || postcard::take_from_bytes::<T>(&body));
        match (decoded, refusal) {
            (Ok((value, [])), _) => Ok(value),
            (Ok((_, rest)), _) => Err(failed::<T>(
                "decode",
                format!("{} of {} bytes were left over", rest.len(), body.len()),
            )),
            (Err(_), Some(refused)) => Err(failed::<T>("decode", refused)),
            (Err(error), None) => Err(failed::<T>("decode", error)),
        }
    }
}

fn object<T>() -> String {
    format!("a message of type {}", type_name::<T>())
}

fn failed<T>(operation: &'static str, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
    let kind = if operation == "encode" { ErrorKind::InvalidInput } else { ErrorKind::InvalidData };
    Error::new(operation, object::<T>(), io::Error::new(kind, cause))
}
