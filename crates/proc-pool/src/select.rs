//! Several handles at once: whichever is answered first.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::de::DeserializeOwned;

use crate::error::TaskError;
use crate::handle::Handle;
use crate::mailbox::Mailbox;

type Arrived = Arc<Mailbox<VecDeque<usize>>>;

/// Tells the watchers of one wait from those of others.
fn key(arrived: &Arrived) -> usize {
    Arc::as_ptr(arrived).addr()
}

fn watch<'h, R: 'h>(handles: impl Iterator<Item = &'h Handle<R>>) -> Arrived {
    let arrived: Arrived = Arc::new(Mailbox::new(VecDeque::new()));
    for (index, handle) in handles.enumerate() {
        let there = Arc::clone(&arrived);
        handle.watch(key(&arrived), move || {
            there.change(|arrived| {
                arrived.push_back(index);
                true
            });
        });
    }
    arrived
}

/// Returns the results of several tasks as they come, each with its place among the handles.
///
/// The handles may be of different pools. The iterator blocks until the next one is answered.
///
/// # Panics
///
/// Asked in a callback of a pool, where it would wait for ever.
///
/// ```
/// use proc_pool::{Pool, as_completed};
/// use std::time::Duration;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let sleep = |ms| std::thread::sleep(Duration::from_millis(ms));
/// let handles = [pool.apply_async((300,), sleep)?, pool.apply_async((1,), sleep)?];
/// let order: Vec<usize> = as_completed(handles).map(|(place, _)| place).collect();
/// assert_eq!(order, [1, 0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn as_completed<R>(handles: impl IntoIterator<Item = Handle<R>>) -> AsCompleted<R> {
    let handles: Vec<_> = handles.into_iter().map(Some).collect();
    let arrived = watch(handles.iter().flatten());
    AsCompleted { left: handles.len(), handles, arrived }
}

/// The results of [`as_completed`].
#[must_use = "an iterator does nothing until it is asked"]
pub struct AsCompleted<R> {
    handles: Vec<Option<Handle<R>>>,
    arrived: Arrived,
    left: usize,
}

impl<R: DeserializeOwned + Send + 'static> Iterator for AsCompleted<R> {
    type Item = (usize, Result<R, TaskError>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let place = self.arrived.wait(|arrived| !arrived.is_empty(), None).pop_front()?;
        let handle = self.handles.get_mut(place)?.take()?;
        Some((place, handle.get()))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<R: DeserializeOwned + Send + 'static> ExactSizeIterator for AsCompleted<R> {}

impl<R> fmt::Debug for AsCompleted<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Waits until one of the tasks is answered, and returns its place; `None` for no handles.
///
/// The handle still has the result. Of several that are answered before, it is the place of the first one.
///
/// # Panics
///
/// In a callback of a pool, where it would wait for ever.
///
/// ```
/// use proc_pool::{Pool, wait_first};
/// use std::time::Duration;
///
/// let pool = Pool::builder().workers(2).build()?;
/// let sleep = |ms| std::thread::sleep(Duration::from_millis(ms));
/// let handles = [pool.apply_async((300,), sleep)?, pool.apply_async((1,), sleep)?];
/// assert_eq!(wait_first(&handles), Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "FIRST_COMPLETED")]
pub fn wait_first<R>(handles: &[Handle<R>]) -> Option<usize> {
    first(handles, None)
}

/// Waits as [`wait_first`], but no longer than `timeout`; then returns `None`.
///
/// # Panics
///
/// As [`wait_first`].
pub fn wait_first_timeout<R>(handles: &[Handle<R>], timeout: Duration) -> Option<usize> {
    first(handles, Instant::now().checked_add(timeout))
}

fn first<R>(handles: &[Handle<R>], end: Option<Instant>) -> Option<usize> {
    // Looks once what the workers have said, and not for each of them.
    let _ = handles.first()?.ready();
    if let Some(ready) = handles.iter().position(Handle::is_answered) {
        return Some(ready);
    }
    let arrived = watch(handles.iter());
    let first = arrived.wait(|arrived| !arrived.is_empty(), end).pop_front();
    // Others may wait for the same handles again and again.
    handles.iter().for_each(|handle| handle.unwatch(key(&arrived)));
    first
}
