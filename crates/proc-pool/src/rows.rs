//! The results of a `map`, put in order as they come.

use std::collections::VecDeque;

use proc_spawn::call;
use serde::de::DeserializeOwned;

use crate::bulk;
use crate::engine::{Raw, Told};
use crate::error::TaskError;
use crate::results::{self, Results};

/// The results of a map, decoded, in order as far as they have come.
pub(crate) struct Rows<R> {
    values: Vec<R>,
    /// Of the chunks from `next` on, those that have come, and of how many items they are.
    early: VecDeque<Option<(usize, Told<Results<R>>)>>,
    next: usize,
    arrived: usize,
    failed: Option<TaskError>,
}

impl<R: DeserializeOwned + 'static> Rows<R> {
    pub(crate) fn new(items: usize) -> Self {
        let values = Vec::with_capacity(items);
        Self { values, early: VecDeque::new(), next: 0, arrived: 0, failed: None }
    }

    /// Returns how many chunks have come.
    pub(crate) fn arrived(&self) -> usize {
        self.arrived
    }

    /// Takes the answer to the chunk at this place, of so many items. It counts after
    /// [`append_ready`](Self::append_ready).
    pub(crate) fn put(&mut self, place: usize, items: usize, answer: Told<Results<R>>) {
        self.arrived += 1;
        let ahead = place - self.next;
        let is_long = matches!(&answer, Ok(Raw::Encoded(reply)) if !reply.bytes.is_short());
        let answer = match answer {
            // While others are on their way, if that is more than to copy it.
            Ok(Raw::Encoded(reply)) if is_long && ahead > 0 && !bulk::is_number::<R>() => {
                reply.decode_results(items).map(Raw::Value)
            }
            other => other,
        };
        if self.early.len() <= ahead {
            self.early.resize_with(ahead + 1, || None);
        }
        self.early[ahead] = Some((items, answer));
        if is_long {
            self.append_ready();
        }
    }

    /// Appends what is next.
    pub(crate) fn append_ready(&mut self) {
        loop {
            self.append_short();
            let Some((items, answer)) = self.early.front_mut().and_then(Option::take) else {
                return;
            };
            self.early.pop_front();
            self.append(answer, items);
        }
    }

    /// Does so with short results that are as they should be, together.
    fn append_short(&mut self) {
        let Self { values, early, failed, .. } = self;
        if failed.is_some() {
            return;
        }
        let short = early.iter().map_while(|answer| match answer {
            Some((items, Ok(Raw::Encoded(reply)))) => Some((reply.short_alone()?, *items)),
            _ => None,
        });
        let before = values.len();
        let append = |together: &call::Together| {
            let append = |(bytes, items): (&[u8], usize)| {
                results::append_without_panics(together, bytes, (&mut *values, items))
            };
            short.map(append).take_while(|appended| *appended).count()
        };
        match call::together(append) {
            Some(count) => {
                early.drain(..count);
                self.next += count;
            }
            // One after the other, to find which it is.
            None => values.truncate(before),
        }
    }

    fn append(&mut self, answer: Told<Results<R>>, items: usize) {
        self.next += 1;
        if self.failed.is_some() {
            return; // The first one in the order of the input.
        }
        let appended = match answer {
            Ok(Raw::Encoded(reply)) => reply.decode_onto(&mut self.values, items),
            other => {
                let results = other.and_then(|raw| raw.decode_chunk(items));
                let values = results.and_then(Results::into_values);
                values.map(|mut values| self.values.append(&mut values))
            }
        };
        self.failed = appended.err();
    }

    /// Returns all, or the first error in the order of the input.
    pub(crate) fn finish(self) -> Result<Vec<R>, TaskError> {
        self.failed.map_or(Ok(self.values), Err)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::bytes::Bytes;
    use crate::job::Reply;

    fn told(values: &[u64], panic: bool) -> Told<Results<u64>> {
        let mut results = Results::with_capacity(values.len());
        values.iter().for_each(|value| results.push(*value));
        if panic {
            let why = || std::panic::resume_unwind(Box::new("in a chunk"));
            results.push_panic(call::catch::<()>(why).unwrap_err());
        }
        let bytes = Bytes::take_from(&mut call::encode(&results).unwrap().bytes);
        Ok(Raw::Encoded(Reply { bytes, fds: Vec::new(), took: Duration::ZERO }))
    }

    /// Puts chunks of these lengths in this order, so many before what is next is appended.
    fn rows(order: &[usize], together: usize, panic: Option<usize>) -> Result<Vec<u64>, TaskError> {
        const LENGTHS: [u64; 8] = [1, 2, 100, 1, 0, 3, 1, 20];
        let start = |place: usize| LENGTHS[..place].iter().sum::<u64>();
        let mut rows = Rows::new(0);
        for places in order.chunks(together) {
            for &place in places {
                let values: Vec<u64> = (start(place)..start(place + 1)).collect();
                let panic = panic == Some(place);
                rows.put(place, values.len() + usize::from(panic), told(&values, panic));
            }
            rows.append_ready();
        }
        assert_eq!((rows.next, rows.arrived), (order.len(), order.len()));
        rows.finish()
    }

    #[test]
    fn results_are_in_order_in_whatever_order_chunks_come() {
        let orders = [[0, 1, 2, 3, 4, 5, 6, 7], [7, 6, 5, 4, 3, 2, 1, 0], [1, 0, 3, 2, 7, 5, 4, 6]];
        for (order, together) in orders.iter().flat_map(|order| [1, 2, 8].map(|n| (order, n))) {
            let values = rows(order, together, None).unwrap();
            assert!(values.into_iter().eq(0..128), "{order:?} {together}");
            for place in 0..8 {
                let error = rows(order, together, Some(place)).unwrap_err();
                assert_eq!(error.panic().unwrap().message(), "in a chunk", "{order:?} {place}");
            }
        }
    }

    #[test]
    fn a_short_result_that_cannot_be_decoded_is_the_error() {
        // A part of a number, too few bytes, too many, none; no number, and two of them.
        let two = [&[16][..], &[0; 17]].concat();
        for bytes in [&[1, 7, 0][..], &[8, 0, 0], &[0, 0, 9], &[], &[0, 0], &two] {
            let mut rows = Rows::<u64>::new(2);
            rows.put(0, 1, told(&[5], false));
            let bytes = Bytes::take_from(&mut bytes.to_vec());
            let reply = Reply { bytes, fds: Vec::new(), took: Duration::ZERO };
            rows.put(1, 1, Ok(Raw::Encoded(reply)));
            rows.put(2, 1, told(&[6], false));
            rows.append_ready();
            assert_eq!(rows.values, [5]);
            assert!(matches!(rows.finish(), Err(TaskError::Result(_))));
        }
    }
}
