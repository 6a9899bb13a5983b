//! The engine whose workers are processes.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use proc_spawn::Args;
use proc_spawn::call::Call;
use serde::Serialize;

use crate::batch::Batch;
use crate::bulk::Run;
use crate::chunk::Each;
use crate::cut::Cut;
use crate::engine::{Engine, Raw, Told, Where};
use crate::error::SubmitError;
use crate::job::{self, Done, Outcome, Rules, Sink};
use crate::shared::Shared;

/// The pool's state, as the calls see it.
#[derive(Clone)]
pub(crate) struct Processes(pub(crate) Arc<Shared>);

impl Processes {
    /// Hands over a call with arguments of its own shape.
    pub(crate) fn call<A: Serialize, R: Send + 'static>(
        &self,
        call: Call,
        args: &A,
        rules: Rules,
        at: Where,
        done: impl FnOnce(Told<R>) + Send + 'static,
    ) -> Result<u64, SubmitError> {
        let args = job::Args::encode(args)?;
        let tell = Box::new(move |outcome: Outcome| done(outcome.map(Raw::Encoded)));
        let done = match at {
            Where::Anywhere => Done::Anywhere(tell),
            Where::Callback => Done::Callback(tell),
        };
        self.0.submit(call, args, rules, done)
    }

    /// Hands over chunks, for a call that takes them.
    pub(crate) fn chunks<A: Serialize + 'static, R: Send + 'static>(
        &self,
        call: Call,
        chunks: &Cut<A>,
        first: usize,
        rules: Rules,
        batch: &Arc<Batch<R>>,
    ) -> Result<Range<u64>, SubmitError> {
        let runs: Vec<Run<'_, A>> = chunks.slices().map(Run).collect();
        let args = job::Args::encode_each(runs.iter())?;
        batch.note_sent(args.len(), args.iter().map(job::Args::len).sum());
        let sink: Arc<dyn Sink> = Arc::<Batch<R>>::clone(batch);
        self.0.submit_many(call, args, first, rules, &sink)
    }
}

impl Engine for Processes {
    fn workers(&self) -> usize {
        self.0.glance().map_or(1, |state| state.size)
    }

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
        R: Serialize + Send + 'static,
    {
        let call = Call::apply::<A, R>(f).map_err(SubmitError::function)?;
        self.call(call, &args, rules, at, done)
    }

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
        R: Serialize + Send + 'static,
    {
        let call = Call::new::<Each<A, R>>(f).map_err(SubmitError::function)?;
        self.chunks(call, &chunks, first, rules, batch)
    }

    fn pool(&self) -> Option<Arc<Shared>> {
        Some(Arc::clone(&self.0))
    }

    fn cancel(&self, number: u64) -> bool {
        self.0.cancel(number)
    }

    fn drop_waiting(&self, numbers: &Range<u64>) {
        self.0.drop_waiting(numbers);
    }
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = f.debug_struct("Processes");
        if let Some(state) = self.0.glance() {
            text.field("workers", &state.size)
                .field("phase", &state.phase)
                .field("waiting", &state.queue.len());
        }
        text.finish_non_exhaustive()
    }
}
