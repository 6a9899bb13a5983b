//! Pools whose workers have a state that tasks get to change.

mod entries;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use proc_spawn::call::Call;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::batch::Batch;
use crate::cut::Cut;
use crate::engine::{Engine, Where};
use crate::error::{SubmitError, TaskError};
use crate::handle::Handle;
use crate::imap::{self, Imap, ImapUnordered, SendItem};
use crate::map::Map;
use crate::options::Options;
use crate::pool::Pool;
use crate::processes::Processes;

use entries::{Each, One, StateFn};
pub(crate) use entries::{drop_state, init_call};

/// A pool whose workers each have a state, which tasks get to read and change.
///
/// Made by [`Pool::with_state`] and [`Builder::build_with_state`](crate::Builder::build_with_state): for
/// what is dear to make and cannot be sent, such as a connection, a model, a cache. A replacement makes
/// its own. A task that panics leaves the state as it is. Several arguments of a task are a tuple.
pub struct StatePool<S> {
    pool: Pool,
    plain: Options,
    state: PhantomData<fn() -> S>,
}

/// The calls of a [`StatePool`], with [`Options`]. Made by [`StatePool::with`].
#[must_use = "options do nothing until a call is made with them"]
pub struct StateWith<'p, S> {
    pool: &'p StatePool<S>,
    options: Options,
}

impl<S: 'static> StatePool<S> {
    pub(crate) fn new(pool: Pool) -> Self {
        Self { pool, plain: Options::new(), state: PhantomData }
    }

    /// Returns the pool itself: for calls without the state, statistics, and its end.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Returns the same calls with options.
    pub fn with(&self, options: &Options) -> StateWith<'_, S> {
        StateWith { pool: self, options: options.clone() }
    }
}

fn apply_async<S, T, R>(
    engine: &Processes,
    options: &Options,
    arg: &T,
    f: fn(&mut S, T) -> R,
) -> Result<Handle<R>, SubmitError>
where
    S: 'static,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    options.check()?;
    let call = Call::new::<One<S, T, R>>(StateFn(f)).map_err(SubmitError::function)?;
    let (handle, done) = Handle::new();
    let number = engine.call(call, arg, options.rules(), Where::Anywhere, done)?;
    let engine = engine.clone();
    Ok(handle.of_pool(engine.pool()).cancelled_by(move || engine.cancel(number)))
}

fn map<S, T, R>(
    engine: &Processes,
    options: &Options,
    items: Vec<T>,
    f: fn(&mut S, T) -> R,
) -> Result<Vec<R>, TaskError>
where
    S: 'static,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let call = Call::new::<Each<S, T, R>>(StateFn(f)).map_err(SubmitError::function)?;
    let rules = options.rules();
    let batch = Batch::new(engine.pool());
    let there = Arc::clone(&batch);
    let send = |chunks: Cut<T>, first: usize| engine.chunks(call, &chunks, first, rules, &there);
    Map { options, workers: engine.workers(), batch, send, pool: engine.pool() }.all(items)
}

/// Returns what hands items over one by one.
fn send_items<'p, S, T, R>(
    engine: &Processes,
    options: &Options,
    f: fn(&mut S, T) -> R,
) -> SendItem<'p, T, R>
where
    S: 'static,
    T: Serialize + DeserializeOwned + 'static,
    R: Serialize + DeserializeOwned + Send + 'static,
{
    let (engine, rules, checked) = (engine.clone(), options.rules(), options.check());
    let call = Call::new::<One<S, T, R>>(StateFn(f)).map_err(SubmitError::function);
    let call = checked.and(call);
    Box::new(move |place, item, arrivals| {
        let call = call.clone()?;
        let arrivals = Arc::clone(arrivals);
        let done = move |told| imap::arrive(&arrivals, place, told);
        engine.call(call, &item, rules, Where::Anywhere, done).map(drop)
    })
}

macro_rules! state_calls {
    ([$($impl:tt)*], $make:literal, $self:ident => $engine:expr, $options:expr) => {
        $($impl)* {
            /// Calls `f` with a worker's state and `arg`, waits for the result and returns it.
            ///
            /// # Errors
            ///
            /// As [`Pool::apply`].
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// assert_eq!(pool.apply(32, |start, x| *start + x)?, 42);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn apply<T, R>(&$self, arg: T, f: fn(&mut S, T) -> R) -> Result<R, TaskError>
            where
                T: Serialize + DeserializeOwned + 'static,
                R: Serialize + DeserializeOwned + Send + 'static,
            {
                $self.apply_async(arg, f)?.get()
            }

            /// Hands `f` with `arg` to the workers, and returns at once with a handle for the result.
            ///
            /// # Errors
            ///
            /// As [`Pool::apply_async`].
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let later = pool.apply_async((3, 4), |start, (x, y)| *start + x * y)?;
            /// assert_eq!(later.get()?, 22);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn apply_async<T, R>(
                &$self,
                arg: T,
                f: fn(&mut S, T) -> R,
            ) -> Result<Handle<R>, SubmitError>
            where
                T: Serialize + DeserializeOwned + 'static,
                R: Serialize + DeserializeOwned + Send + 'static,
            {
                apply_async($engine, $options, &arg, f)
            }

            /// Calls `f` with a worker's state and each item, waits for all, and returns the results in
            /// order.
            ///
            /// # Errors
            ///
            /// As [`Pool::map`].
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// assert_eq!(pool.map([1, 2], |start, x| *start + x)?, [11, 12]);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn map<I, T, R>(&$self, items: I, f: fn(&mut S, T) -> R) -> Result<Vec<R>, TaskError>
            where
                I: IntoIterator<Item = T>,
                T: Serialize + DeserializeOwned + 'static,
                R: Serialize + DeserializeOwned + Send + 'static,
            {
                map($engine, $options, items.into_iter().collect(), f)
            }

            /// Calls `f` with a worker's state and each item, and returns the results one by one, in order.
            ///
            /// As [`Pool::imap`] otherwise.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let mut sums = pool.imap(1.., |start, x| *start + x);
            /// assert_eq!(sums.nth(4).unwrap()?, 15);
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn imap<I, T, R>(
                &$self,
                items: I,
                f: fn(&mut S, T) -> R,
            ) -> Imap<'_, I::IntoIter, T, R>
            where
                I: IntoIterator<Item = T>,
                T: Serialize + DeserializeOwned + 'static,
                R: Serialize + DeserializeOwned + Send + 'static,
            {
                let (engine, options) = ($engine, $options);
                let send = send_items(engine, options, f);
                Imap::new(engine, options.ahead, items.into_iter(), send)
            }

            /// Does as [`imap`](Self::imap), and returns whichever result comes first.
            ///
            /// ```
            #[doc = concat!("let pool = ", $make, ";")]
            /// let sums: Result<Vec<_>, _> = pool.imap_unordered([1, 2], |start, x| *start + x).collect();
            /// assert_eq!(sums?.into_iter().max(), Some(12));
            /// # Ok::<(), Box<dyn std::error::Error>>(())
            /// ```
            pub fn imap_unordered<I, T, R>(
                &$self,
                items: I,
                f: fn(&mut S, T) -> R,
            ) -> ImapUnordered<'_, I::IntoIter, T, R>
            where
                I: IntoIterator<Item = T>,
                T: Serialize + DeserializeOwned + 'static,
                R: Serialize + DeserializeOwned + Send + 'static,
            {
                let (engine, options) = ($engine, $options);
                let send = send_items(engine, options, f);
                ImapUnordered::new(engine, options.ahead, items.into_iter(), send)
            }
        }
    };
}

state_calls! {
    [impl<S: 'static> StatePool<S>],
    "proc_pool::Pool::with_state(|| 10)?",
    self => self.pool.engine(), &self.plain
}

state_calls! {
    [impl<S: 'static> StateWith<'_, S>],
    "proc_pool::Pool::with_state(|| 10)?; let pool = pool.with(&proc_pool::Options::new())",
    self => self.pool.pool.engine(), &self.options
}

impl<S> fmt::Debug for StatePool<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StatePool").field(&self.pool).finish()
    }
}

impl<S> fmt::Debug for StateWith<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateWith").field("options", &self.options).finish_non_exhaustive()
    }
}
