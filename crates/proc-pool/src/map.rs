//! `map`: a whole sequence, in chunks, results in order.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::admission::Admission;
use crate::batch::Batch;
use crate::cut::Cut;
use crate::engine::{Raw, Told};
use crate::error::{SubmitError, TaskError, TryMapError};
use crate::handle::Handle;
use crate::mailbox;
use crate::options::{Chunks, Options, Progress};
use crate::results::Results;
use crate::rows::Rows;
use crate::shared::Shared;

/// How many chunks each worker gets, so that a slow one costs a quarter of a share: Python's number.
const CHUNKS_PER_WORKER: usize = 4;

/// How many chunks each worker has before it, in the pool or on their way, however small they are.
const WINDOW_PER_WORKER: usize = 1_024;
/// With so many bytes on their way for each worker there are enough of them.
const BYTES_PER_WORKER: usize = 4 << 20;
/// So many bytes are worth to be sent, or to be decoded, before there are more.
const LARGE: usize = 4 << 10;
/// So many results are decoded at once at most: their bytes are in memory still.
const MOST_AT_ONCE: usize = 256;

/// How many chunks each worker has before it while their size is adapted: one to go on with at once.
const ADAPTED_PER_WORKER: usize = 2;

/// Hands chunks over, the first of which has this place in the batch.
pub(crate) trait SendChunks<A>:
    Fn(Cut<A>, usize) -> Result<Range<u64>, SubmitError>
{
}

impl<A, F: Fn(Cut<A>, usize) -> Result<Range<u64>, SubmitError>> SendChunks<A> for F {}

/// Python's size of a chunk: enough for four chunks a worker, rounded up.
fn share(items: usize, workers: usize) -> usize {
    items.div_ceil(CHUNKS_PER_WORKER * workers).max(1)
}

/// How large the next chunks are.
struct Sizing {
    size: usize,
    /// How long a chunk should take, and how large it is at most: then the last ones end at about the same
    /// time.
    lasting: Option<(Duration, usize)>,
}

impl Sizing {
    fn now(&self) -> usize {
        self.size
    }

    /// Goes by how long a chunk of this length took, if the size is to be adapted.
    fn learn(&mut self, length: usize, took: Duration) {
        let Some((time, most)) = self.lasting.filter(|_| !took.is_zero()) else { return };
        let fits = time.as_nanos() * length as u128 / took.as_nanos();
        // At most doubled: the first ones pay for what is not there yet.
        let fits = usize::try_from(fits).unwrap_or(usize::MAX);
        self.size = fits.clamp(1, (self.size * 2).min(most));
    }
}

/// One `map` that somebody waits for.
pub(crate) struct Map<'o, R, S> {
    pub(crate) options: &'o Options,
    pub(crate) workers: usize,
    pub(crate) batch: Arc<Batch<R>>,
    pub(crate) send: S,
    /// The pool in whose work whoever waits takes part.
    pub(crate) pool: Option<Arc<Shared>>,
}

impl<R, S> Map<'_, R, S>
where
    R: DeserializeOwned + Send + 'static,
{
    /// Sends all chunks, waits for all, and returns the results or the first error in input order.
    ///
    /// As in Python all chunks are done, whatever becomes of one of them.
    pub(crate) fn all<A>(self, items: Vec<A>) -> Result<Vec<R>, TaskError>
    where
        S: SendChunks<A>,
    {
        self.options.check()?;
        mailbox::refuse_in_callback();
        let total = items.len();
        let _admission = self.pool.as_ref().map(Admission::new).transpose()?;
        let mut size = self.sizing(total);
        let mut items = items.into_iter();
        let mut rows = Rows::new(total);
        let (mut lengths, mut done, mut refused) = (Vec::new(), 0, None);
        loop {
            let window = self.window(lengths.len());
            if lengths.len() - rows.arrived() <= window / 2 {
                while refused.is_none()
                    && items.len() > 0
                    && lengths.len() - rows.arrived() < window
                {
                    let room = window - (lengths.len() - rows.arrived());
                    let count = self.at_once().min(room).min(items.len().div_ceil(size.now()));
                    let part = items.by_ref().take(count.saturating_mul(size.now())).collect();
                    let chunks = Cut::new(part, size.now());
                    let first = lengths.len();
                    lengths.extend(chunks.slices().map(<[A]>::len));
                    if let Err(error) = (self.send)(chunks, first) {
                        lengths.truncate(first);
                        refused = Some(error);
                    }
                }
            }
            let on_their_way = lengths.len() - rows.arrived();
            if on_their_way == 0 {
                break;
            }
            let is_last = items.len() == 0 || refused.is_some();
            let at_least = match &self.options.progress {
                Some(_) => 1,
                // There is something to decode meanwhile.
                None if self.batch.mean_bytes().is_some_and(|bytes| bytes >= LARGE) => 1,
                None if is_last => on_their_way,
                None => on_their_way.div_ceil(2),
            };
            for (place, answer) in self.batch.take_fresh(at_least.min(MOST_AT_ONCE)) {
                let length = lengths.get(place).copied().unwrap_or(1);
                if let Ok(Raw::Encoded(reply)) = &answer {
                    size.learn(length, reply.took);
                }
                done += length;
                rows.put(place, length, answer);
            }
            rows.append_ready();
            if let Some(hook) = &self.options.progress {
                hook(Progress { done, total });
            }
        }
        // What became of a task says more than that the next was not taken.
        let values = rows.finish()?;
        refused.map_or(Ok(values), |refused| Err(refused.into()))
    }

    fn sizing(&self, items: usize) -> Sizing {
        let share = share(items, self.workers);
        match self.options.chunks {
            Chunks::Fixed(size) => Sizing { size, lasting: None },
            Chunks::Share => Sizing { size: share, lasting: None },
            Chunks::Lasting(time) => Sizing { size: 1, lasting: Some((time, share)) },
        }
    }

    /// Returns how many chunks to encode and send in one go: few enough for the workers not to wait.
    fn at_once(&self) -> usize {
        match (&self.pool, self.batch.mean_bytes()) {
            (None, _) => usize::MAX,
            (Some(_), None) => 1,
            (Some(_), Some(bytes)) => (LARGE / bytes.max(1)).clamp(1, MOST_AT_ONCE),
        }
    }

    /// Returns how many chunks may be on their way, when so many were sent.
    ///
    /// All, unless whoever waits feeds the workers.
    fn window(&self, sent: usize) -> usize {
        if matches!(self.options.chunks, Chunks::Lasting(_)) {
            return ADAPTED_PER_WORKER * self.workers;
        }
        if self.pool.is_none() {
            return usize::MAX;
        }
        let least = CHUNKS_PER_WORKER * self.workers;
        match self.batch.mean_bytes() {
            Some(bytes) if sent > 0 => {
                let fit = BYTES_PER_WORKER * self.workers / bytes.max(1);
                fit.clamp(least, WINDOW_PER_WORKER * self.workers)
            }
            _ => least,
        }
    }
}

impl<T, E, S> Map<'_, Result<T, E>, S>
where
    Result<T, E>: DeserializeOwned + Send + 'static,
{
    /// Sends all chunks, and waits for all or for the first error, whichever comes first.
    pub(crate) fn until_error<A>(
        self,
        items: Vec<A>,
        drop_waiting: impl FnOnce(&Range<u64>),
    ) -> Result<Vec<T>, TryMapError<E>>
    where
        S: SendChunks<A>,
    {
        self.options.check()?;
        mailbox::refuse_in_callback();
        let total = items.len();
        let chunks = Cut::new(items, self.sizing(total).now());
        let lengths: Vec<usize> = chunks.slices().map(<[A]>::len).collect();
        let admission = self.pool.as_ref().map(Admission::new).transpose();
        let _admission = admission.map_err(TaskError::from)?;
        let numbers = (self.send)(chunks, 0)?;
        let mut values: BTreeMap<usize, Vec<T>> = BTreeMap::new();
        let mut done = 0;
        while values.len() < lengths.len() {
            for (place, answer) in self.batch.take_fresh(1) {
                let length = lengths.get(place).copied().unwrap_or(1);
                match each_ok(answer, length) {
                    Ok(chunk) => drop(values.insert(place, chunk)),
                    Err(error) => {
                        drop_waiting(&numbers);
                        return Err(error);
                    }
                }
                done += length;
            }
            if let Some(hook) = &self.options.progress {
                hook(Progress { done, total });
            }
        }
        Ok(values.into_values().flatten().collect())
    }
}

/// Decodes the answer to a chunk of so many items, and returns its values if there is no error among them.
fn each_ok<T, E>(
    answer: Told<Results<Result<T, E>>>,
    items: usize,
) -> Result<Vec<T>, TryMapError<E>>
where
    Result<T, E>: DeserializeOwned + 'static,
{
    let results = answer?.decode_chunk(items)?;
    let result = |result: Result<Result<T, E>, _>| match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(TryMapError::Returned(error)),
        Err(panic) => Err(TryMapError::Failed(TaskError::Panicked(panic))),
    };
    results.into_each().map(result).collect()
}

/// Sends all chunks, and returns a handle for the results together.
pub(crate) fn later<A, R, D>(
    options: &Options,
    workers: usize,
    items: Vec<A>,
    (pool, batch): (Option<Arc<Shared>>, Arc<Batch<R>>),
    (handle, done): (Handle<Vec<R>>, D),
    send: impl FnOnce(Cut<A>, &Arc<Batch<R>>) -> Result<Range<u64>, SubmitError>,
) -> Result<(Handle<Vec<R>>, Range<u64>), SubmitError>
where
    R: DeserializeOwned + Send + 'static,
    D: FnOnce(Told<Vec<R>>) + Send + 'static,
{
    options.check()?;
    let total = items.len();
    let size = match options.chunks {
        Chunks::Fixed(size) => size,
        Chunks::Share | Chunks::Lasting(_) => share(total, workers),
    };
    let chunks = Cut::new(items, size);
    if chunks.len() == 0 {
        done(Ok(Raw::Value(Vec::new())));
        return Ok((handle, 0..0));
    }
    let whole = Arc::downgrade(&batch);
    batch.finish_with(chunks.len(), move || {
        // Whoever tells the last answer has the batch.
        let later =
            whole.upgrade().map(|batch| Box::new(move || batch.collect(total, size)) as Box<_>);
        done(later.map(Raw::Later).ok_or(TaskError::Taken));
    });
    let _admission = pool.as_ref().map(Admission::new).transpose()?;
    let numbers = send(chunks, &batch)?;
    Ok((handle, numbers))
}

#[cfg(test)]
mod tests {
    use super::share;

    #[test]
    fn chunks_are_pythons() {
        assert_eq!(share(0, 3), 1);
        assert_eq!(share(1, 3), 1);
        assert_eq!(share(12, 3), 1);
        assert_eq!(share(13, 3), 2);
        assert_eq!(share(100_000, 2), 12_500);
    }
}
