//! The engine whose workers are threads.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use proc_spawn::Args;
use proc_spawn::call;
use serde::Serialize;

use crate::batch::Batch;
use crate::chunk;
use crate::cut::Cut;
use crate::engine::{Engine, Raw, Told, Where};
use crate::error::{SubmitError, TaskError};
use crate::job::Rules;
use crate::mailbox;

/// What each thread does first.
pub(super) type Hook = Box<dyn Fn() + Send + Sync>;

/// Does a task and tells the answer, or, given an error, tells that.
type Run = Box<dyn FnOnce(Option<TaskError>) + Send>;

struct Task {
    number: u64,
    run: Run,
}

struct State {
    open: bool,
    queue: VecDeque<Task>,
    last_number: u64,
}

struct Inner {
    state: Mutex<State>,
    /// Rung for each task, and for all at the end.
    work: Condvar,
    count: usize,
    initializer: Option<Hook>,
}

/// The threads' queue, shared by them and by those who call.
#[derive(Clone)]
pub(crate) struct Threads(Arc<Inner>);

thread_local! {
    /// The queue that this thread works for.
    static HERE: Cell<*const ()> = const { Cell::new(std::ptr::null()) };
}

impl Threads {
    pub(super) fn new(count: usize, initializer: Option<Hook>) -> Self {
        let state = State { open: true, queue: VecDeque::new(), last_number: 0 };
        let (state, work) = (Mutex::new(state), Condvar::new());
        Self(Arc::new(Inner { state, work, count, initializer }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn count(&self) -> usize {
        self.0.count
    }

    pub(super) fn is_running(&self) -> bool {
        self.state().open
    }

    fn name(&self) -> *const () {
        Arc::as_ptr(&self.0).cast()
    }

    /// Says whether this thread is one of the pool's.
    pub(super) fn is_here(&self) -> bool {
        HERE.get() == self.name()
    }

    /// Does tasks until there are none to come.
    pub(super) fn serve(&self) {
        HERE.set(self.name());
        if let Some(initializer) = &self.0.initializer {
            // It has been printed.
            let _ = call::catch(initializer);
        }
        loop {
            let waiting = |state: &mut State| state.open && state.queue.is_empty();
            let state = self.0.work.wait_while(self.state(), waiting);
            let task = state.unwrap_or_else(PoisonError::into_inner).queue.pop_front();
            let Some(task) = task else { return };
            (task.run)(None);
        }
    }

    pub(super) fn close(&self) {
        self.state().open = false;
        self.0.work.notify_all();
    }

    pub(super) fn terminate(&self) {
        let mut state = self.state();
        state.open = false;
        let tasks = std::mem::take(&mut state.queue);
        drop(state);
        self.0.work.notify_all();
        tell_all(tasks, &TaskError::Terminated);
    }

    fn submit_all(&self, runs: Vec<Run>) -> Result<Range<u64>, SubmitError> {
        let mut state = self.state();
        if !state.open {
            return Err(SubmitError::Closed);
        }
        let first = state.last_number + 1;
        let count = runs.len();
        state.last_number += count as u64;
        state.queue.extend((first..).zip(runs).map(|(number, run)| Task { number, run }));
        drop(state);
        match count {
            1 => self.0.work.notify_one(),
            _ => self.0.work.notify_all(),
        }
        Ok(first..first + count as u64)
    }
}

fn tell_all(tasks: impl IntoIterator<Item = Task>, error: &TaskError) {
    for task in tasks {
        (task.run)(Some(error.clone()));
    }
}

/// Makes what does a task and tells its answer.
fn run<R>(
    work: impl FnOnce() -> R + Send + 'static,
    done: impl FnOnce(Told<R>) + Send + 'static,
) -> Run {
    Box::new(move |error| {
        let told = match error {
            Some(error) => Err(error),
            None => call::catch(work).map(Raw::Value).map_err(TaskError::Panicked),
        };
        mailbox::in_callback(|| done(told));
    })
}

impl Engine for Threads {
    fn workers(&self) -> usize {
        self.0.count
    }

    fn apply<A, R>(
        &self,
        args: A,
        f: A::Fn<R>,
        _rules: Rules,
        _at: Where,
        done: impl FnOnce(Told<R>) + Send + 'static,
    ) -> Result<u64, SubmitError>
    where
        A: Args + Send,
        A::Fn<R>: Send,
        R: Serialize + Send + 'static,
    {
        let numbers = self.submit_all(vec![run(move || args.call(f), done)])?;
        Ok(numbers.start)
    }

    fn each<A, R>(
        &self,
        chunks: Cut<A>,
        first: usize,
        f: A::Fn<R>,
        _rules: Rules,
        batch: &Arc<Batch<R>>,
    ) -> Result<Range<u64>, SubmitError>
    where
        A: Args + Send,
        A::Fn<R>: Send,
        R: Serialize + Send + 'static,
    {
        let runs = (first..).zip(chunks.into_chunks()).map(|(place, items)| {
            let batch = Arc::clone(batch);
            run(
                move || chunk::each(items, |args| args.call(f)),
                move |told| batch.arrive(place, told),
            )
        });
        self.submit_all(runs.collect())
    }

    fn cancel(&self, number: u64) -> bool {
        let mut state = self.state();
        let place = state.queue.iter().position(|task| task.number == number);
        let task = place.and_then(|place| state.queue.remove(place));
        drop(state);
        let found = task.is_some();
        tell_all(task, &TaskError::Cancelled);
        found
    }

    fn drop_waiting(&self, numbers: &Range<u64>) {
        let mut state = self.state();
        let all = std::mem::take(&mut state.queue);
        let (ours, others): (VecDeque<_>, _) =
            all.into_iter().partition(|task| numbers.contains(&task.number));
        state.queue = others;
        drop(state);
        tell_all(ours, &TaskError::Cancelled);
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state();
        f.debug_struct("Threads")
            .field("count", &self.0.count)
            .field("open", &state.open)
            .field("waiting", &state.queue.len())
            .finish_non_exhaustive()
    }
}
