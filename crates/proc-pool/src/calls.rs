//! The calls, written once for all that have them: pools of processes and of threads, with options and
//! without.

mod methods;

use std::sync::Arc;

use proc_spawn::Args;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::cut::Cut;
use crate::engine::{Engine, Where};
use crate::error::{SubmitError, TaskError, TryMapError};
use crate::handle::Handle;
use crate::imap::{self, Imap, ImapUnordered, SendItem};
use crate::map::{self, Map};
use crate::options::Options;

pub(crate) use methods::calls;

pub(crate) fn apply_async<E, A, R>(
    engine: &E,
    options: &Options,
    args: A,
    f: A::Fn<R>,
) -> Result<Handle<R>, SubmitError>
where
    E: Engine,
    A: Args + Send,
    A::Fn<R>: Send,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    options.check()?;
    let (handle, done) = Handle::new();
    let number = engine.apply(args, f, options.rules(), Where::Anywhere, done)?;
    let engine = engine.clone();
    Ok(handle.of_pool(engine.pool()).cancelled_by(move || engine.cancel(number)))
}

pub(crate) fn apply_async_then<E, A, R, C>(
    engine: &E,
    options: &Options,
    args: A,
    f: A::Fn<R>,
    callback: C,
) -> Result<Handle<R>, SubmitError>
where
    E: Engine,
    A: Args + Send,
    A::Fn<R>: Send,
    R: Serialize + DeserializeOwned + Send + 'static,
    C: FnOnce(Result<&R, &TaskError>) + Send + 'static,
{
    options.check()?;
    let (handle, done) = Handle::then(callback);
    let number = engine.apply(args, f, options.rules(), Where::Callback, done)?;
    let engine = engine.clone();
    Ok(handle.of_pool(engine.pool()).cancelled_by(move || engine.cancel(number)))
}

pub(crate) fn starmap<E, A, R>(
    engine: &E,
    options: &Options,
    items: Vec<A>,
    f: A::Fn<R>,
) -> Result<Vec<R>, TaskError>
where
    E: Engine,
    A: Args + Send,
    A::Fn<R>: Send,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let (batch, rules) = (Batch::new(engine.pool()), options.rules());
    let there = Arc::clone(&batch);
    let send = |chunks: Cut<A>, first: usize| engine.each(chunks, first, f, rules, &there);
    Map { options, workers: engine.workers(), batch, send, pool: engine.pool() }.all(items)
}

pub(crate) fn try_map<E, T, R, X>(
    engine: &E,
    options: &Options,
    items: impl IntoIterator<Item = T>,
    f: fn(T) -> Result<R, X>,
) -> Result<Vec<R>, TryMapError<X>>
where
    E: Engine,
    T: Serialize + DeserializeOwned + Send + 'static,
    Result<R, X>: Serialize + DeserializeOwned + Send + 'static,
{
    let (batch, rules) = (Batch::new(engine.pool()), options.rules());
    let there = Arc::clone(&batch);
    let send = |chunks: Cut<(T,)>, first: usize| {
        engine.each::<(T,), Result<R, X>>(chunks, first, f, rules, &there)
    };
    let map = Map { options, workers: engine.workers(), batch, send, pool: engine.pool() };
    map.until_error(singles(items), |numbers| engine.drop_waiting(numbers))
}

pub(crate) fn starmap_async<E, A, R>(
    engine: &E,
    options: &Options,
    items: Vec<A>,
    f: A::Fn<R>,
) -> Result<Handle<Vec<R>>, SubmitError>
where
    E: Engine,
    A: Args + Send,
    A::Fn<R>: Send,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let rules = options.rules();
    let send = |chunks, batch: &Arc<Batch<R>>| engine.each(chunks, 0, f, rules, batch);
    let batch = (engine.pool(), Batch::new(engine.pool()));
    let made = Handle::new();
    let (handle, numbers) = map::later(options, engine.workers(), items, batch, made, send)?;
    let engine = engine.clone();
    Ok(handle.of_pool(engine.pool()).cancelled_by(move || {
        let cancelled = numbers.clone().map(|number| engine.cancel(number));
        cancelled.fold(false, |any, this| any | this)
    }))
}

/// Returns what hands items over one by one.
fn send_items<'p, E, T, R>(engine: &E, options: &Options, f: fn(T) -> R) -> SendItem<'p, T, R>
where
    E: Engine,
    T: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let (engine, rules, checked) = (engine.clone(), options.rules(), options.check());
    Box::new(move |place, item, arrivals| {
        checked.clone()?;
        let arrivals = Arc::clone(arrivals);
        let done = move |told| imap::arrive(&arrivals, place, told);
        engine.apply::<(T,), R>((item,), f, rules, Where::Anywhere, done).map(drop)
    })
}

pub(crate) fn imap<'p, E, I, T, R>(
    engine: &'p E,
    options: &Options,
    items: I,
    f: fn(T) -> R,
) -> Imap<'p, I::IntoIter, T, R>
where
    E: Engine,
    I: IntoIterator<Item = T>,
    T: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let send = send_items(engine, options, f);
    Imap::new(engine, options.ahead, items.into_iter(), send)
}

pub(crate) fn imap_unordered<'p, E, I, T, R>(
    engine: &'p E,
    options: &Options,
    items: I,
    f: fn(T) -> R,
) -> ImapUnordered<'p, I::IntoIter, T, R>
where
    E: Engine,
    I: IntoIterator<Item = T>,
    T: Serialize + DeserializeOwned + Send + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let send = send_items(engine, options, f);
    ImapUnordered::new(engine, options.ahead, items.into_iter(), send)
}

/// Makes tuples of one of items. The memory is the same, and so is the encoding.
pub(crate) fn singles<T>(items: impl IntoIterator<Item = T>) -> Vec<(T,)> {
    items.into_iter().map(|item| (item,)).collect()
}
