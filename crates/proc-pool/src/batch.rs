//! The answers to the chunks of one `map`.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use serde::de::DeserializeOwned;

use crate::engine::{Raw, Told};
use crate::error::TaskError;
use crate::job::{Outcome, Sink};
use crate::mailbox::Mailbox;
use crate::results::Results;
use crate::shared::Shared;

/// The answers to the chunks of one `map`, as they come.
pub(crate) struct Batch<R> {
    mailbox: Mailbox<Inside<R>>,
    /// How many chunks were handed over, and how many bytes that was.
    sent: [AtomicUsize; 2],
}

struct Inside<R> {
    /// Those that nobody has taken yet, with the chunks' places, as they came.
    fresh: Vec<(usize, Told<Results<R>>)>,
    arrived: usize,
    /// Whoever waits is woken when this many have arrived.
    wake_at: usize,
    /// Called when this many have arrived.
    finish: Option<(usize, Box<dyn FnOnce() + Send>)>,
}

impl<R: Send + 'static> Batch<R> {
    pub(crate) fn new(pool: Option<Arc<Shared>>) -> Arc<Self> {
        let inside = Inside { fresh: Vec::new(), arrived: 0, wake_at: 0, finish: None };
        let mailbox = Mailbox::new(inside);
        mailbox.changed_by(pool);
        Arc::new(Self { mailbox, sent: Default::default() })
    }

    /// Notes that chunks were encoded to so many bytes.
    pub(crate) fn note_sent(&self, chunks: usize, bytes: usize) {
        // Relaxed, here and below: an estimate, for the thread that sends.
        self.sent[0].fetch_add(chunks, Relaxed);
        self.sent[1].fetch_add(bytes, Relaxed);
    }

    /// Returns how many bytes a chunk has on average, where that is known.
    pub(crate) fn mean_bytes(&self) -> Option<usize> {
        let [chunks, bytes] = [0, 1].map(|at| self.sent[at].load(Relaxed));
        bytes.checked_div(chunks)
    }

    /// Has `finish` called when `count` answers have arrived. Before any can.
    pub(crate) fn finish_with(&self, count: usize, finish: impl FnOnce() + Send + 'static) {
        self.mailbox.lock().finish = Some((count, Box::new(finish)));
    }

    /// Takes the answer to the chunk at this place.
    pub(crate) fn arrive(&self, place: usize, answer: Told<Results<R>>) {
        self.arrive_all([(place, answer)]);
    }

    fn arrive_all(&self, answers: impl IntoIterator<Item = (usize, Told<Results<R>>)>) {
        let mut finish = None;
        self.mailbox.change(|inside| {
            let before = inside.arrived;
            let waiting = inside.fresh.len();
            inside.fresh.extend(answers);
            inside.arrived += inside.fresh.len() - waiting;
            let arrived = inside.arrived;
            finish = inside.finish.take_if(|(count, _)| *count <= arrived);
            before < inside.wake_at && inside.wake_at <= arrived
        });
        if let Some((_, finish)) = finish {
            finish();
        }
    }

    /// Waits until so many answers have come that were not taken before, and takes them with their places.
    /// Nobody else waits for the batch.
    pub(crate) fn take_fresh(&self, at_least: usize) -> Vec<(usize, Told<Results<R>>)> {
        let mut inside = self.mailbox.lock();
        inside.wake_at = inside.arrived - inside.fresh.len() + at_least;
        drop(inside);
        let mut inside = self.mailbox.wait(|inside| inside.fresh.len() >= at_least, None);
        std::mem::take(&mut inside.fresh)
    }
}

impl<R: DeserializeOwned + Send + 'static> Batch<R> {
    /// Decodes all, which have come, in the order of their places, or returns the first error. All chunks are
    /// of this size, but the last.
    pub(crate) fn collect(&self, items: usize, size: usize) -> Result<Vec<R>, TaskError> {
        let mut answers = std::mem::take(&mut self.mailbox.lock().fresh);
        answers.sort_unstable_by_key(|(place, _)| *place);
        let mut values = Vec::with_capacity(items);
        for (_, answer) in answers {
            let length = size.min(items - values.len());
            values.append(&mut answer?.decode_chunk(length)?.into_values()?);
        }
        Ok(values)
    }
}

impl<R: Send + 'static> Sink for Batch<R> {
    fn put(&self, outcomes: Vec<(usize, Outcome)>) {
        self.arrive_all(outcomes.into_iter().map(|(place, o)| (place, o.map(Raw::Encoded))));
    }
}
