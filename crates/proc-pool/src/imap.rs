//! `imap`: results one by one, while the input is drawn no further than need be.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::mpsc::{self, Receiver, Sender};

use proc_spawn::call::{self, Call};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{SubmitError, TaskError};
use crate::handle;
use crate::job::{Outcome, Reply};
use crate::shared::Shared;

/// How many items each worker has before it, in the pool or on their way: one to work on, one to go on with
/// at once, one to spare.
const AHEAD_PER_WORKER: usize = 3;

/// Items on their way through the pool.
struct Flow<'p, I, T, R> {
    shared: &'p Shared,
    items: std::iter::Fuse<I>,
    call: Result<Call, SubmitError>,
    function: std::marker::PhantomData<fn(T) -> R>,
    ahead: usize,
    sent: usize,
    in_flight: usize,
    tell: Sender<(usize, Outcome)>,
    told: Receiver<(usize, Outcome)>,
}

impl<'p, I, T, R> Flow<'p, I, T, R>
where
    I: Iterator<Item = T>,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    fn new(shared: &'p Shared, workers: usize, items: I, f: fn(T) -> R) -> Self {
        let call = Call::apply::<(T,), R>(f).map_err(SubmitError::function);
        let (tell, told) = mpsc::channel();
        let mut flow = Self {
            shared,
            items: items.fuse(),
            call,
            function: std::marker::PhantomData,
            ahead: AHEAD_PER_WORKER * workers,
            sent: 0,
            in_flight: 0,
            tell,
            told,
        };
        flow.fill();
        flow
    }

    /// Sends items until enough are on their way.
    fn fill(&mut self) {
        while self.in_flight < self.ahead {
            let Some(item) = self.items.next() else { return };
            let index = self.sent;
            self.sent += 1;
            self.in_flight += 1;
            if let Err(error) = self.send(index, item) {
                // Its place in the order is kept. We have a receiver, so it cannot be gone.
                let _ = self.tell.send((index, Err(error.into())));
            }
        }
    }

    fn send(&self, index: usize, item: T) -> Result<(), SubmitError> {
        let call = self.call.clone()?;
        let args = call::encode(&(item,)).map_err(SubmitError::encode)?;
        let tell = self.tell.clone();
        self.shared.submit(call, args, Box::new(move |outcome| drop(tell.send((index, outcome)))))
    }

    /// Waits for any result; `None` when there is none to come.
    fn next(&mut self) -> Option<(usize, Outcome)> {
        if self.in_flight == 0 {
            return None;
        }
        handle::refuse_in_callback();
        // Every task is answered, and we have a sender: this always comes.
        let told = self.told.recv().ok()?;
        self.in_flight -= 1;
        Some(told)
    }
}

/// The results of [`Pool::imap`](crate::Pool::imap), in the order of the input.
pub struct Imap<'p, I, T, R> {
    flow: Flow<'p, I, T, R>,
    early: BTreeMap<usize, Outcome>,
    next: usize,
}

/// The results of [`Pool::imap_unordered`](crate::Pool::imap_unordered), as they come.
pub struct ImapUnordered<'p, I, T, R> {
    flow: Flow<'p, I, T, R>,
}

impl<'p, I, T, R> Imap<'p, I, T, R>
where
    I: Iterator<Item = T>,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    pub(crate) fn new(shared: &'p Shared, workers: usize, items: I, f: fn(T) -> R) -> Self {
        Self { flow: Flow::new(shared, workers, items, f), early: BTreeMap::new(), next: 0 }
    }
}

impl<'p, I, T, R> ImapUnordered<'p, I, T, R>
where
    I: Iterator<Item = T>,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    pub(crate) fn new(shared: &'p Shared, workers: usize, items: I, f: fn(T) -> R) -> Self {
        Self { flow: Flow::new(shared, workers, items, f) }
    }
}

impl<I, T, R> Iterator for Imap<'_, I, T, R>
where
    I: Iterator<Item = T>,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(outcome) = self.early.remove(&self.next) {
                self.next += 1;
                return Some(outcome.and_then(Reply::decode));
            }
            // Results that wait for their turn count too: what is held here is bounded.
            if self.early.len() < self.flow.ahead {
                self.flow.fill();
            }
            let (index, outcome) = self.flow.next()?;
            self.early.insert(index, outcome);
        }
    }
}

impl<I, T, R> Iterator for ImapUnordered<'_, I, T, R>
where
    I: Iterator<Item = T>,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + 'static,
{
    type Item = Result<R, TaskError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.flow.fill();
        let (_, outcome) = self.flow.next()?;
        Some(outcome.and_then(Reply::decode))
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
