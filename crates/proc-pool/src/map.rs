//! `map`: a whole sequence, in chunks, results in order.

use std::sync::mpsc;

use proc_spawn::call::{self, Call};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::chunk::{Each, Results};
use crate::error::{SubmitError, TaskError};
use crate::handle;
use crate::job::Reply;
use crate::shared::Shared;

/// How many chunks each worker gets, so that a slow one costs a quarter of a share: Python's number.
const CHUNKS_PER_WORKER: usize = 4;

/// Python's size of a chunk: enough for four chunks a worker, rounded up.
pub(crate) fn chunk_size(items: usize, workers: usize) -> usize {
    items.div_ceil(CHUNKS_PER_WORKER * workers).max(1)
}

/// Sends all chunks, waits for all, and returns the results or the first error in input order.
pub(crate) fn map<T, R>(
    shared: &Shared,
    items: &[T],
    chunk_size: usize,
    f: fn(T) -> R,
) -> Result<Vec<R>, TaskError>
where
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    handle::refuse_in_callback();
    let call = Call::new::<Each<T, R>>(f).map_err(SubmitError::function)?;
    let (tell, told) = mpsc::channel();
    let chunks = items.chunks(chunk_size);
    let count = chunks.len();
    for (index, chunk) in chunks.enumerate() {
        let args = call::encode(chunk).map_err(SubmitError::encode)?;
        let tell = tell.clone();
        // Nobody listens only if this function has returned early, with an error.
        shared.submit(call, args, Box::new(move |outcome| drop(tell.send((index, outcome)))))?;
    }
    // As in Python all chunks are done, whatever becomes of one of them.
    let mut outcomes: Vec<_> = told.iter().take(count).collect();
    outcomes.sort_unstable_by_key(|(index, _)| *index);
    let mut values = Vec::with_capacity(items.len());
    for (_, outcome) in outcomes {
        let results: Results<R> = outcome.and_then(Reply::decode)?;
        for result in results {
            values.push(result.map_err(TaskError::Panicked)?);
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::chunk_size;

    #[test]
    fn chunks_are_pythons() {
        assert_eq!(chunk_size(0, 3), 1);
        assert_eq!(chunk_size(1, 3), 1);
        assert_eq!(chunk_size(12, 3), 1);
        assert_eq!(chunk_size(13, 3), 2);
        assert_eq!(chunk_size(100_000, 2), 12_500);
    }
}
