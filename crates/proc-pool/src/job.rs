//! A task on its way: what is sent to a worker, and who is told the answer.
//!
//! ```text
//! | encoded arguments ... | task number, 8 bytes | call, encoded | length of the call, 2 bytes |
//! ```
//!
//! What is of known shape comes last, so that the arguments are encoded where they are sent from.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use proc_spawn::call::{self, Call, CodecError, Encoded};

use crate::error::{SubmitError, TaskError};

/// Kinds of packets between pool and worker, in the low byte. In the others an answer says to which task:
/// a task that forked, and returned twice, must not answer the next one.
pub(crate) mod kind {
    /// To a worker: a [`super::Message`].
    pub(crate) const TASK: u32 = 1;
    /// From a worker: its initializer has run.
    pub(crate) const READY: u32 = 2;
    /// From a worker: the encoded result.
    pub(crate) const RESULT: u32 = 3;
    /// From a worker: the encoded fault.
    pub(crate) const FAULT: u32 = 4;

    /// Says that an answer of this kind belongs to the task with this number.
    pub(crate) fn answering(kind: u32, number: u64) -> u32 {
        // The low 24 bits of the number: stray answers are to recent tasks.
        kind | (number as u32) << 8
    }

    /// Takes the kind out again.
    pub(crate) fn of(kind: u32) -> u32 {
        kind & 0xff
    }
}

/// The number of no task: the answer is to whatever the worker was given.
pub(crate) const ANY: u64 = 0;

/// The result of a task, still encoded, or why there is none.
pub(crate) type Outcome = Result<Reply, TaskError>;

/// An encoded result with the descriptors of the handles inside it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<OwnedFd>,
}

impl Reply {
    pub(crate) fn decode<R: serde::de::DeserializeOwned>(self) -> Result<R, TaskError> {
        call::decode(&self.bytes, self.fds).map_err(TaskError::result)
    }
}

/// Who is told the answer: called once, on the pool's thread, and must not block.
pub(crate) type Done = Box<dyn FnOnce(Outcome) + Send>;

/// A task that is waiting or being done.
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) message: Arc<Message>,
    pub(crate) done: Done,
    /// How many workers died that had been given it and had not begun.
    pub(crate) lost: u32,
}

/// The bytes and descriptors that a worker is sent. Kept until the answer, to be sent again if need be.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<Arc<OwnedFd>>,
}

impl Message {
    pub(crate) fn new(number: u64, call: Call, args: Encoded) -> Result<Self, SubmitError> {
        let Encoded { mut bytes, fds } = args;
        let call = call::encode(&call).map_err(SubmitError::encode)?.bytes;
        let length = u16::try_from(call.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&number.to_le_bytes());
        bytes.extend_from_slice(&call);
        bytes.extend_from_slice(&length.to_le_bytes());
        Ok(Self { bytes, fds })
    }
}

/// Takes a message apart again, in the worker; leaves the arguments in `bytes`.
pub(crate) fn open(bytes: &mut Vec<u8>) -> Option<(u64, Result<Call, CodecError>)> {
    let length = u16::from_le_bytes(take_last(bytes)?);
    let call = bytes.split_off(bytes.len().checked_sub(usize::from(length))?);
    let number = u64::from_le_bytes(take_last(bytes)?);
    Some((number, call::decode(&call, Vec::new())))
}

fn take_last<const N: usize>(bytes: &mut Vec<u8>) -> Option<[u8; N]> {
    let last = bytes.last_chunk::<N>().copied()?;
    bytes.truncate(bytes.len() - N);
    Some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_apart_as_it_was_put_together() {
        let call = Call::apply::<(u8,), u8>(|x| x).unwrap();
        let args = Encoded { bytes: vec![1, 2, 3], fds: Vec::new() };
        let message = Message::new(77, call, args).unwrap();
        let mut bytes = message.bytes.clone();
        assert_eq!(open(&mut bytes), Some((77, Ok(call))));
        assert_eq!(bytes, [1, 2, 3]);
    }

    #[test]
    fn what_is_cut_off_anywhere_is_no_message_of_ours_or_names_no_call() {
        let call = Call::apply::<(u8,), u8>(|x| x).unwrap();
        let args = Encoded { bytes: Vec::new(), fds: Vec::new() };
        let whole = Message::new(77, call, args).unwrap().bytes;
        for end in 0..whole.len() {
            let opened = open(&mut whole[..end].to_vec());
            assert!(!matches!(opened, Some((_, Ok(other))) if other == call), "cut at {end}");
        }
    }
}
