//! The handle: where a task's result will be.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::error::TaskError;
use crate::job::{Outcome, Reply};

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
#[doc(alias = "AsyncResult")]
#[doc(alias = "Future")]
pub struct Handle<R> {
    place: Arc<Place<R>>,
}

/// Where an answer arrives.
struct Place<R> {
    answer: Mutex<Answer<R>>,
    arrived: Condvar,
    process: u32,
}

enum Answer<R> {
    Waiting,
    /// As it came: whoever wants it decodes it, in his own time.
    Encoded(Reply),
    /// Decoded for a callback.
    Decoded(R),
    Failed(TaskError),
    Taken,
}

impl<R: DeserializeOwned + Send + 'static> Handle<R> {
    /// Makes a handle, and the function that is to be called with the answer.
    pub(crate) fn new() -> (Self, impl FnOnce(Outcome) + Send) {
        Self::with_answer(|outcome| match outcome {
            Ok(reply) => Answer::Encoded(reply),
            Err(error) => Answer::Failed(error),
        })
    }

    /// The same, with a callback that sees the result before anybody can ask for it.
    pub(crate) fn then<C>(callback: C) -> (Self, impl FnOnce(Outcome) + Send)
    where
        C: FnOnce(Result<&R, &TaskError>) + Send + 'static,
    {
        Self::with_answer(|outcome| {
            let result = outcome.and_then(Reply::decode);
            // A panic there has been printed by the hook, and is nobody else's concern.
            let called = catch_unwind(AssertUnwindSafe(|| callback(result.as_ref())));
            std::mem::forget(called);
            match result {
                Ok(value) => Answer::Decoded(value),
                Err(error) => Answer::Failed(error),
            }
        })
    }

    fn with_answer(
        make: impl FnOnce(Outcome) -> Answer<R> + Send,
    ) -> (Self, impl FnOnce(Outcome) + Send) {
        let place = Arc::new(Place {
            answer: Mutex::new(Answer::Waiting),
            arrived: Condvar::new(),
            process: std::process::id(),
        });
        let there = Arc::clone(&place);
        let done = move |outcome| {
            // A user's `Deserialize` may panic in there, which is the task's failure and nobody else's.
            let answer =
                catch_unwind(AssertUnwindSafe(|| make(outcome))).unwrap_or_else(|payload| {
                    std::mem::forget(payload); // Its destructor is a user's, too.
                    Answer::Failed(TaskError::Result("decoding it panicked".to_owned()))
                });
            *there.lock() = answer;
            there.arrived.notify_all();
        };
        (Self { place }, done)
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
        Self::take(self.place.wait(None))
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
        let answer = self.place.wait(Instant::now().checked_add(timeout));
        if matches!(*answer, Answer::Waiting) {
            return None;
        }
        Some(Self::take(answer))
    }

    /// Takes the answer, which is there, and decodes it outside the lock.
    fn take(mut answer: MutexGuard<'_, Answer<R>>) -> Result<R, TaskError> {
        let taken = std::mem::replace(&mut *answer, Answer::Taken);
        drop(answer);
        match taken {
            Answer::Encoded(reply) => reply.decode(),
            Answer::Decoded(value) => Ok(value),
            Answer::Failed(error) => Err(error),
            Answer::Taken | Answer::Waiting => Err(TaskError::Taken),
        }
    }
}

impl<R> Handle<R> {
    /// Waits until the task is answered, one way or the other.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn wait(&self) {
        drop(self.place.wait(None));
    }

    /// Waits until the task is answered, but no longer than `timeout`; says whether it is.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get).
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        !matches!(*self.place.wait(Instant::now().checked_add(timeout)), Answer::Waiting)
    }

    /// Says whether the task is answered. Never blocks.
    #[must_use]
    pub fn ready(&self) -> bool {
        !matches!(*self.place.lock(), Answer::Waiting)
    }

    /// Says whether the task is answered with a result; `None` while it is not answered.
    ///
    /// A result that cannot be decoded shows when it is asked for.
    #[must_use]
    pub fn successful(&self) -> Option<bool> {
        match *self.place.lock() {
            Answer::Waiting => None,
            Answer::Failed(_) => Some(false),
            Answer::Encoded(_) | Answer::Decoded(_) | Answer::Taken => Some(true),
        }
    }
}

impl<R> Place<R> {
    fn lock(&self) -> MutexGuard<'_, Answer<R>> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the answer is there, or until `end`.
    fn wait(&self, end: Option<Instant>) -> MutexGuard<'_, Answer<R>> {
        let mut answer = self.lock();
        while matches!(*answer, Answer::Waiting) {
            refuse_in_callback();
            assert!(
                self.process == std::process::id(),
                "the task belongs to the process that was forked"
            );
            answer = match end {
                None => self.arrived.wait(answer).unwrap_or_else(PoisonError::into_inner),
                Some(end) => {
                    let left = end.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return answer;
                    }
                    self.arrived
                        .wait_timeout(answer, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
        answer
    }
}

impl<R> fmt::Debug for Handle<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("ready", &self.ready()).finish_non_exhaustive()
    }
}

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn is_in_callback() -> bool {
    IN_CALLBACK.get()
}

/// Panics where waiting for a task would wait for ever.
pub(crate) fn refuse_in_callback() {
    assert!(!is_in_callback(), "a callback waits for a task, whose answer waits for the callback");
}

/// Runs what tells an answer, and keeps the pool's thread whatever that does.
pub(crate) fn in_callback(tell: impl FnOnce()) {
    let before = IN_CALLBACK.replace(true);
    std::mem::forget(catch_unwind(AssertUnwindSafe(tell)));
    IN_CALLBACK.set(before);
}
