//! The handle: where a task's result will be.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::engine::Raw;
use crate::error::TaskError;
use crate::mailbox::Mailbox;
use crate::shared::Shared;

/// A task that was handed to a pool, and the place where its result will be.
///
/// It is always answered: with the result, or with what became of the task, the end of the pool
/// included. Dropping the handle does not stop the task; its result is lost.
///
/// ```
/// use proc_pool::Pool;
/// use std::time::Duration;
///
/// let pool = Pool::builder().workers(1).build()?;
/// let mut slow = pool.apply_async((100u64,), |ms| std::thread::sleep(Duration::from_millis(ms)))?;
/// assert!(slow.get_timeout(Duration::ZERO).is_none(), "not ready yet, ask again");
/// slow.wait();
/// assert!(slow.ready());
/// assert_eq!(slow.successful(), Some(true));
/// slow.get()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// It is a [`Future`] too, of any runtime: `let result = pool.apply_async(args, f)?.await;`.
#[doc(alias = "AsyncResult")]
pub struct Handle<R> {
    place: Arc<Place<R>>,
    canceller: Option<Box<dyn Fn() -> bool + Send + Sync>>,
}

/// Where an answer arrives.
pub(crate) struct Place<R> {
    mailbox: Mailbox<Inside<R>>,
}

struct Inside<R> {
    answer: Answer<R>,
    waker: Option<Waker>,
    /// Told once, when the answer is there.
    watchers: Vec<(usize, Box<dyn FnOnce() + Send>)>,
}

enum Answer<R> {
    Waiting,
    /// As it came: whoever wants it decodes it, in his own time.
    Raw(Raw<R>),
    Failed(TaskError),
    Taken,
}

impl<R> Place<R> {
    fn new() -> Arc<Self> {
        let inside = Inside { answer: Answer::Waiting, waker: None, watchers: Vec::new() };
        Arc::new(Self { mailbox: Mailbox::new(inside) })
    }

    fn put(&self, answer: Answer<R>) {
        let mut told = (None, Vec::new());
        self.mailbox.change(|inside| {
            inside.answer = answer;
            told = (inside.waker.take(), std::mem::take(&mut inside.watchers));
            true
        });
        told.0.into_iter().for_each(Waker::wake);
        told.1.into_iter().for_each(|(_, watcher)| watcher());
    }
}

impl<R: DeserializeOwned + Send + 'static> Handle<R> {
    /// Makes a handle, and the function that is to be called with the answer.
    pub(crate) fn new() -> (Self, impl FnOnce(Result<Raw<R>, TaskError>) + Send + use<R>) {
        let place = Place::new();
        let there = Arc::clone(&place);
        let done = move |outcome| match outcome {
            Ok(raw) => there.put(Answer::Raw(raw)),
            Err(error) => there.put(Answer::Failed(error)),
        };
        (Self { place, canceller: None }, done)
    }

    /// The same, with a callback that sees the result before anybody can ask for it.
    pub(crate) fn then<C>(
        callback: C,
    ) -> (Self, impl FnOnce(Result<Raw<R>, TaskError>) + Send + use<R, C>)
    where
        C: FnOnce(Result<&R, &TaskError>) + Send + 'static,
    {
        let (handle, done) = Self::new();
        let done = move |outcome: Result<Raw<R>, TaskError>| {
            // A user's `Deserialize` may panic in there, which is the task's failure and nobody else's.
            let decode = AssertUnwindSafe(|| outcome.and_then(Raw::decode));
            let result = catch_unwind(decode).unwrap_or_else(|payload| {
                std::mem::forget(payload); // Its destructor is a user's, too.
                Err(TaskError::Result("decoding it panicked".to_owned()))
            });
            // A panic there has been printed by the hook, and is nobody else's concern.
            let called = catch_unwind(AssertUnwindSafe(|| callback(result.as_ref())));
            std::mem::forget(called);
            done(result.map(Raw::Value));
        };
        (handle, done)
    }

    /// Waits for the result, and returns it.
    ///
    /// # Errors
    ///
    /// [`TaskError`] says what became of the task instead.
    ///
    /// # Panics
    ///
    /// In a callback of a pool, where it would wait for ever, and in the child of a fork, which has the
    /// handle and not the pool.
    pub fn get(self) -> Result<R, TaskError> {
        Self::take(self.until(None))
    }

    /// Waits for the result as [`get`](Self::get), but no longer than `timeout`; then returns `None`, and
    /// may be called again.
    ///
    /// The result is given once; after that it is [`TaskError::Taken`].
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn get_timeout(&mut self, timeout: Duration) -> Option<Result<R, TaskError>> {
        let inside = self.until(Instant::now().checked_add(timeout));
        if matches!(inside.answer, Answer::Waiting) {
            return None;
        }
        Some(Self::take(inside))
    }

    /// Takes the answer, which is there, and decodes it outside the lock.
    fn take(mut inside: MutexGuard<'_, Inside<R>>) -> Result<R, TaskError> {
        let taken = std::mem::replace(&mut inside.answer, Answer::Taken);
        drop(inside);
        match taken {
            Answer::Raw(raw) => raw.decode(),
            Answer::Failed(error) => Err(error),
            Answer::Taken | Answer::Waiting => Err(TaskError::Taken),
        }
    }
}

impl<R> Handle<R> {
    /// Has whoever waits take part in the work of that pool, if it needs that.
    pub(crate) fn of_pool(self, pool: Option<Arc<Shared>>) -> Self {
        self.place.mailbox.changed_by(pool);
        self
    }

    pub(crate) fn cancelled_by(
        mut self,
        cancel: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        self.canceller = Some(Box::new(cancel));
        self
    }

    fn until(&self, end: Option<Instant>) -> MutexGuard<'_, Inside<R>> {
        self.place.mailbox.wait(|inside| !matches!(inside.answer, Answer::Waiting), end)
    }

    /// Waits until the task is answered, one way or the other.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn wait(&self) {
        drop(self.until(None));
    }

    /// Waits until the task is answered, but no longer than `timeout`; says whether it is.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        !matches!(self.until(Instant::now().checked_add(timeout)).answer, Answer::Waiting)
    }

    /// Says whether the task is answered. Never blocks.
    #[must_use]
    #[doc(alias = "done")]
    pub fn ready(&self) -> bool {
        if self.is_answered() {
            return true;
        }
        self.place.mailbox.look();
        self.is_answered()
    }

    /// Says whether the answer is here, without looking whether the workers have one.
    pub(crate) fn is_answered(&self) -> bool {
        !matches!(self.place.mailbox.lock().answer, Answer::Waiting)
    }

    /// Says whether the task is answered with a result; `None` while it is not answered.
    ///
    /// A result that cannot be decoded shows when it is asked for.
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        match self.place.mailbox.lock().answer {
            Answer::Waiting => None,
            Answer::Failed(_) => Some(false),
            Answer::Raw(_) | Answer::Taken => Some(true),
        }
    }

    /// Cancels the task: one that waits is dropped, one that runs is ended with its worker. Never blocks.
    ///
    /// Returns `false` when the task was answered before. After `true` the answer is
    /// [`TaskError::Cancelled`] once the worker is gone, unless a result overtakes it; the worker is
    /// asked by SIGTERM, killed after the pool's [grace](crate::Builder::grace), and replaced. Other
    /// tasks are not touched. A thread cannot be ended: of a [`ThreadPool`](crate::ThreadPool) only
    /// tasks that wait are cancelled.
    ///
    /// ```
    /// use proc_pool::{Pool, TaskError};
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let endless = pool.apply_async((), || -> () { loop { std::hint::spin_loop() } })?;
    /// assert!(endless.cancel());
    /// assert_eq!(endless.get(), Err(TaskError::Cancelled));
    /// assert_eq!(pool.apply((1,), |x: i32| x)?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn cancel(&self) -> bool {
        self.canceller.as_ref().is_some_and(|cancel| cancel())
    }

    /// Has `watcher` called once the answer is there, at once if it is.
    pub(crate) fn watch(&self, key: usize, watcher: impl FnOnce() + Send + 'static) {
        let mut inside = self.place.mailbox.lock();
        if matches!(inside.answer, Answer::Waiting) {
            inside.watchers.push((key, Box::new(watcher)));
            drop(inside);
            self.place.mailbox.attend();
        } else {
            drop(inside);
            watcher();
        }
    }

    /// Forgets the watchers with this key.
    pub(crate) fn unwatch(&self, key: usize) {
        self.place.mailbox.lock().watchers.retain(|(other, _)| *other != key);
    }
}

impl<R: DeserializeOwned + Send + 'static> Future for Handle<R> {
    type Output = Result<R, TaskError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inside = self.place.mailbox.lock();
        if matches!(inside.answer, Answer::Waiting) {
            // Whoever polled before has lost interest.
            inside.waker = Some(context.waker().clone());
            drop(inside);
            self.place.mailbox.attend();
            return Poll::Pending;
        }
        Poll::Ready(Self::take(inside))
    }
}

impl<R> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("ready", &self.ready()).finish_non_exhaustive()
    }
}
