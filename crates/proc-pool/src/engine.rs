//! What runs tasks: processes, or threads. The calls are written once, over this.

use std::ops::Range;
use std::sync::Arc;

use proc_spawn::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::cut::Cut;
use crate::error::{SubmitError, TaskError};
use crate::job::{Reply, Rules};
use crate::results::Results;
use crate::shared::Shared;

/// A result as it came.
pub(crate) enum Raw<R> {
    /// From another process.
    Encoded(Reply),
    /// From a thread, or decoded before.
    Value(R),
    /// To be put together.
    Later(Box<dyn FnOnce() -> Result<R, TaskError> + Send>),
}

impl<R: DeserializeOwned> Raw<R> {
    pub(crate) fn decode(self) -> Result<R, TaskError> {
        match self {
            Self::Encoded(reply) => reply.decode(),
            Self::Value(value) => Ok(value),
            Self::Later(make) => make(),
        }
    }
}

impl<R: DeserializeOwned + 'static> Raw<Results<R>> {
    /// Does as [`decode`](Self::decode), of a chunk of so many items.
    pub(crate) fn decode_chunk(self, items: usize) -> Result<Results<R>, TaskError> {
        match self {
            Self::Encoded(reply) => reply.decode_results(items),
            Self::Value(results) => Ok(results),
            Self::Later(make) => make(),
        }
    }
}

/// What becomes of a task.
pub(crate) type Told<R> = Result<Raw<R>, TaskError>;

/// Where the answer to a task is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    Anywhere,
    /// Where users' callbacks run.
    Callback,
}

/// What runs tasks.
pub(crate) trait Engine: Clone + Send + Sync + 'static {
    /// Returns how many tasks run at once.
    fn workers(&self) -> usize;

    /// Runs one call; `done` is told once, unless it is refused.
    fn apply<A, R>(
        &self,
        args: A,
        f: A::Fn<R>,
        rules: Rules,
        at: Where,
        done: impl FnOnce(Told<R>) + Send + 'static,
    ) -> Result<u64, SubmitError>
    where
        A: Args + Send,
        A::Fn<R>: Send,
        R: Serialize + Send + 'static;

    /// Runs `f` on each item of each chunk; `batch` is told of each chunk, unless all are refused. Their
    /// places in the batch begin with `first`.
    fn each<A, R>(
        &self,
        chunks: Cut<A>,
        first: usize,
        f: A::Fn<R>,
        rules: Rules,
        batch: &Arc<Batch<R>>,
    ) -> Result<Range<u64>, SubmitError>
    where
        A: Args + Send,
        A::Fn<R>: Send,
        R: Serialize + Send + 'static;

    /// Returns the pool in whose work those take part who wait for it, if it is one that needs them.
    fn pool(&self) -> Option<Arc<Shared>> {
        None
    }

    /// Cancels a task; `false` when it was answered before, or cannot be ended.
    fn cancel(&self, number: u64) -> bool;

    /// Cancels those of the tasks with these numbers that wait.
    fn drop_waiting(&self, numbers: &Range<u64>);
}
