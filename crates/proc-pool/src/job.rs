//! A task on its way: what is sent to a worker, and who is told the answer.

use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proc_spawn::call::{self, Call, Encoded};

use crate::bytes::Bytes;
use crate::error::{SubmitError, TaskError};
use crate::results::{self, Results};
use crate::share::Sent;

/// Kinds of what pool and worker send each other.
pub(crate) mod kind {
    /// An answer: the encoded result.
    pub(crate) const RESULT: u8 = 1;
    /// An answer: the encoded fault.
    pub(crate) const FAULT: u8 = 2;
    /// A packet to a worker: data that later tasks name, see [`crate::share`].
    const SHARED: u32 = 3;
    /// A packet: descriptors that belong to a task or to its answer.
    const DESCRIPTORS: u32 = 4;

    /// Returns the kind of a packet with shared data that the task with this ticket is the first to name.
    pub(crate) fn shared(ticket: u64) -> u32 {
        // As below.
        SHARED | (ticket as u32) << 8
    }

    /// Says whether a packet has shared data, for whichever task.
    pub(crate) fn is_shared(kind: u32) -> bool {
        kind & 0xff == SHARED
    }

    /// Returns the kind of a packet with the descriptors of the task with this ticket.
    pub(crate) fn descriptors(ticket: u64) -> u32 {
        // The low 24 bits: stray packets are of recent tasks.
        DESCRIPTORS | (ticket as u32) << 8
    }
}

/// The result of a task, still encoded, or why there is none.
pub(crate) type Outcome = Result<Reply, TaskError>;

/// An encoded result with the descriptors of the handles inside it.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Bytes,
    pub(crate) fds: Vec<OwnedFd>,
    /// For how long the worker had the task.
    pub(crate) took: Duration,
}

impl Reply {
    /// Returns its bytes, if they are few and it carries no descriptors.
    pub(crate) fn short_alone(&self) -> Option<&[u8]> {
        (self.bytes.is_short() && self.fds.is_empty()).then_some(&*self.bytes)
    }

    /// Decodes the results of a chunk of so many items.
    pub(crate) fn decode_results<R>(self, items: usize) -> Result<Results<R>, TaskError>
    where
        R: serde::de::DeserializeOwned + 'static,
    {
        let mut values = Vec::new();
        let panics = self.decode_with(results::Onto(&mut values, items))?;
        Ok(Results::from_parts(values, panics))
    }

    /// Does so onto others; those stay alone if there is an error.
    pub(crate) fn decode_onto<R>(self, values: &mut Vec<R>, items: usize) -> Result<(), TaskError>
    where
        R: serde::de::DeserializeOwned + 'static,
    {
        let before = values.len();
        let panics = self.decode_with(results::Onto(values, items));
        let panic = panics.map(|panics| panics.into_iter().next().map(|(_, panic)| panic));
        let error = match panic {
            Ok(None) => return Ok(()),
            Ok(Some(panic)) => TaskError::Panicked(panic),
            Err(error) => error,
        };
        values.truncate(before);
        Err(error)
    }

    pub(crate) fn decode<R: serde::de::DeserializeOwned>(self) -> Result<R, TaskError> {
        self.decode_with(PhantomData)
    }

    fn decode_with<T, S>(self, seed: S) -> Result<T, TaskError>
    where
        S: for<'de> serde::de::DeserializeSeed<'de, Value = T>,
    {
        let decoded = call::decode_with(seed, &self.bytes, self.fds).map_err(TaskError::result);
        self.bytes.recycle();
        decoded
    }
}

/// Tells somebody the answer: called once, and must not block.
pub(crate) type Tell = Box<dyn FnOnce(Outcome) + Send>;

/// Who is told the answer, and where.
pub(crate) enum Done {
    /// On whichever thread has it.
    Anywhere(Tell),
    /// On the pool's own thread: a user's callback is behind it.
    Callback(Tell),
    /// On whichever thread has it: one of many, at this index.
    Indexed(Arc<dyn Sink>, usize),
}

impl Done {
    pub(crate) fn is_callback(&self) -> bool {
        matches!(self, Self::Callback(_))
    }
}

/// Takes the answers of many tasks.
pub(crate) trait Sink: Send + Sync {
    /// Takes answers with their indices: called once for each, and must not block.
    fn put(&self, outcomes: Vec<(usize, Outcome)>);
}

/// What a task may cost. The engine's half of [`Options`](crate::Options).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    /// How long a worker may work on it, from when it begins.
    pub(crate) timeout: Option<Duration>,
    /// How often it may be begun again after its worker died or was ended for its timeout.
    pub(crate) retries: u32,
}

/// A task that is waiting or being done.
pub(crate) struct Job {
    pub(crate) number: u64,
    pub(crate) message: Message,
    pub(crate) done: Done,
    pub(crate) rules: Rules,
    pub(crate) submitted: Instant,
    /// How often workers were lost that had begun it.
    pub(crate) deaths: u32,
}

/// What a worker is sent. Kept until the answer, to be sent again if need be.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) call: [u64; 4],
    pub(crate) bytes: Bytes,
    /// What goes before it over the socket, if anything does.
    pub(crate) packets: Option<Box<Packets>>,
}

/// What a worker must have before it can decode the arguments.
#[derive(Debug)]
pub(crate) struct Packets {
    /// The descriptors of handles.
    pub(crate) fds: Vec<Arc<OwnedFd>>,
    /// The shared data that the arguments name.
    pub(crate) shares: Vec<Sent>,
}

impl Message {
    pub(crate) fn new(call: Call, args: Args) -> Self {
        let Args { bytes, packets } = args;
        Self { call: call.to_words(), bytes, packets }
    }

    /// Returns the descriptors of its handles.
    pub(crate) fn fds(&self) -> &[Arc<OwnedFd>] {
        self.packets.as_ref().map_or(&[], |packets| &packets.fds)
    }

    /// Returns the shared data that it names.
    pub(crate) fn shares(&self) -> &[Sent] {
        self.packets.as_ref().map_or(&[], |packets| &packets.shares)
    }
}

/// Arguments, encoded, with the shared data that they name.
#[derive(Debug)]
pub(crate) struct Args {
    bytes: Bytes,
    packets: Option<Box<Packets>>,
}

impl Args {
    /// Encodes many. Each names the shared data that any of them does.
    pub(crate) fn encode_each<'v, T: serde::Serialize + ?Sized + 'v>(
        args: impl ExactSizeIterator<Item = &'v T> + Clone,
    ) -> Result<Vec<Self>, SubmitError> {
        let keep = |buffer: &mut _, fds| (Bytes::take_from(buffer), fds);
        let (encoded, shares) = crate::share::collect(|| call::encode_each(args, keep));
        let encoded = encoded.map_err(SubmitError::encode)?.into_iter();
        Ok(encoded.map(|(bytes, fds)| Self::new(bytes, fds, &shares)).collect())
    }

    fn new(bytes: Bytes, fds: Vec<Arc<OwnedFd>>, shares: &[Sent]) -> Self {
        let some = !(fds.is_empty() && shares.is_empty());
        let packets = some.then(|| Box::new(Packets { fds, shares: shares.to_vec() }));
        Self { bytes, packets }
    }

    /// Returns how many bytes they are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn encode<T: serde::Serialize + ?Sized>(args: &T) -> Result<Self, SubmitError> {
        let (encoded, shares) = crate::share::collect(|| call::encode(args));
        let Encoded { mut bytes, fds } = encoded.map_err(SubmitError::encode)?;
        Ok(Self::new(Bytes::take_from(&mut bytes), fds, &shares))
    }
}
