//! `imap`: results one by one, while the input is drawn no further than need be.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;

use crate::engine::{Engine, Raw, Told};
use crate::error::{SubmitError, TaskError};
use crate::mailbox::Mailbox;

/// How many items each worker has before it, in the pool or on their way: one to work on, one to go on with
/// at once, one to spare.
const AHEAD_PER_WORKER: usize = 3;

/// Where answers arrive, with the places of their items.
pub(crate) type Arrivals<R> = Mailbox<VecDeque<(usize, Told<R>)>>;

/// Hands an item over, whose answer is to arrive with this place.
pub(crate) type SendItem<'p, T, R> =
    Box<dyn FnMut(usize, T, &Arc<Arrivals<R>>) -> Result<(), SubmitError> + Send + 'p>;

/// Takes an answer.
pub(crate) fn arrive<R>(arrivals: &Arrivals<R>, place: usize, told: Told<R>) {
    arrivals.change(|arrived| {
        arrived.push_back((place, told));
        true
    });
}

/// Items on their way through the pool.
struct Flow<'p, I, T, R> {
    items: std::iter::Fuse<I>,
    send: SendItem<'p, T, R>,
    ahead: usize,
    sent: usize,
    in_flight: usize,
    arrivals: Arc<Arrivals<R>>,
}

impl<'p, I: Iterator<Item = T>, T, R> Flow<'p, I, T, R> {
    fn new(engine: &impl Engine, ahead: Option<usize>, items: I, send: SendItem<'p, T, R>) -> Self {
        let arrivals = Mailbox::new(VecDeque::new());
        arrivals.changed_by(engine.pool());
        let mut flow = Self {
            items: items.fuse(),
            send,
            ahead: ahead.unwrap_or(AHEAD_PER_WORKER * engine.workers()).max(1),
            sent: 0,
            in_flight: 0,
            arrivals: Arc::new(arrivals),
        };
        flow.fill();
        flow
    }

    /// Sends items until enough are on their way.
    fn fill(&mut self) {
        while self.in_flight < self.ahead {
            let Some(item) = self.items.next() else { return };
            let place = self.sent;
            self.sent += 1;
            self.in_flight += 1;
            if let Err(error) = (self.send)(place, item, &self.arrivals) {
                // Its place in the order is kept.
                arrive(&self.arrivals, place, Err(error.into()));
            }
        }
    }

    /// Waits for any result; `None` when there is none to come.
    fn next(&mut self) -> Option<(usize, Told<R>)> {
        if self.in_flight == 0 {
            return None;
        }
        // Every task is answered: this always comes.
        let told = self.arrivals.wait(|arrived| !arrived.is_empty(), None).pop_front()?;
        self.in_flight -= 1;
        Some(told)
    }
}

/// The results of [`Pool::imap`](crate::Pool::imap), in the order of the input.
#[must_use = "an iterator does nothing until it is asked"]
pub struct Imap<'p, I, T, R> {
    flow: Flow<'p, I, T, R>,
    early: BTreeMap<usize, Told<R>>,
    next: usize,
}

/// The results of [`Pool::imap_unordered`](crate::Pool::imap_unordered), as they come.
#[must_use = "an iterator does nothing until it is asked"]
pub struct ImapUnordered<'p, I, T, R> {
    flow: Flow<'p, I, T, R>,
}

impl<'p, I: Iterator<Item = T>, T, R> Imap<'p, I, T, R> {
    pub(crate) fn new(
        engine: &impl Engine,
        ahead: Option<usize>,
        items: I,
        send: SendItem<'p, T, R>,
    ) -> Self {
        Self { flow: Flow::new(engine, ahead, items, send), early: BTreeMap::new(), next: 0 }
    }
}

impl<'p, I: Iterator<Item = T>, T, R> ImapUnordered<'p, I, T, R> {
    pub(crate) fn new(
        engine: &impl Engine,
        ahead: Option<usize>,
        items: I,
        send: SendItem<'p, T, R>,
    ) -> Self {
        Self { flow: Flow::new(engine, ahead, items, send) }
    }
}

impl<I: Iterator<Item = T>, T, R: DeserializeOwned> Iterator for Imap<'_, I, T, R> {
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(told) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(told.and_then(Raw::decode));
            }
            // Results that wait for their turn count too: what is held here is bounded.
            if self.early.len() < self.flow.ahead {
                self.flow.fill();
            }
            let (place, told) = self.flow.next()?;
            self.early.insert(place, told);
        }
    }
}

impl<I: Iterator<Item = T>, T, R: DeserializeOwned> Iterator for ImapUnordered<'_, I, T, R> {
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.flow.fill();
        let (_, told) = self.flow.next()?;
        Some(told.and_then(Raw::decode))
    }
}

macro_rules! printed {
    ($($name:ident)*) => {$(
        impl<I, T, R> fmt::Debug for $name<'_, I, T, R> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name))
                    .field("sent", &self.flow.sent)
                    .field("in_flight", &self.flow.in_flight)
                    .finish_non_exhaustive()
            }
        }
    )*};
}

printed!(Imap ImapUnordered);
