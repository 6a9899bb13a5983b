//! The engine whose workers are threads.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

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
use crate::stats::{LatencyStats, Stats};
use crate::worker;

use super::tally::{Done, Tally};

/// What each thread does first.
pub(super) type Hook = Box<dyn Fn() + Send + Sync>;

/// What is to become of a task.
enum Fate<'a> {
    /// It is done, and whether it failed is noted before its answer is told.
    Do(&'a dyn Fn(bool)),
    Refuse(TaskError),
}

/// Does a task and tells the answer, or the error with which it is refused.
type Run = Box<dyn FnOnce(Fate<'_>) + Send>;

struct Task {
    number: u64,
    submitted: Instant,
    run: Run,
}

struct State {
    open: bool,
    queue: VecDeque<Task>,
    last_number: u64,
    /// How many threads there shall be.
    size: usize,
    /// Those that there are.
    threads: Vec<Arc<Tally>>,
    started: u64,
    /// What those had done that have left.
    before: Done,
}

struct Inner {
    state: Mutex<State>,
    /// Rung for each task, for all at the end, and for those that are too many.
    work: Condvar,
    /// Rung when a thread leaves.
    left: Condvar,
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
    /// Makes a queue without threads.
    pub(super) fn new(initializer: Option<Hook>) -> Self {
        let state = State {
            open: true,
            queue: VecDeque::new(),
            last_number: 0,
            size: 0,
            threads: Vec::new(),
            started: 0,
            before: Done::default(),
        };
        let (work, left) = (Condvar::new(), Condvar::new());
        Self(Arc::new(Inner { state: Mutex::new(state), work, left, initializer }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets how many threads there shall be. Those that are too many end.
    pub(super) fn set_size(&self, size: usize) {
        self.state().size = size;
        self.0.work.notify_all();
    }

    /// Returns the place of a thread that is to be started, which [`serve`](Self::serve)s there; `None`
    /// when there are enough.
    pub(super) fn vacancy(&self) -> Option<Arc<Tally>> {
        let mut state = self.state();
        if !state.open || state.threads.len() >= state.size {
            return None;
        }
        state.started += 1;
        let tally = Arc::new(Tally::new(state.started));
        state.threads.push(Arc::clone(&tally));
        Some(tally)
    }

    /// Notes that no thread could be started, and asks for no more than there are.
    pub(super) fn give_up(&self, vacancy: &Arc<Tally>) {
        let mut state = self.state();
        state.remove(vacancy);
        state.started -= 1;
        state.size = state.threads.len();
        self.0.left.notify_all();
    }

    /// Waits until no thread does tasks any more.
    pub(super) fn until_all_have_left(&self) {
        let there = |state: &mut State| !state.threads.is_empty();
        drop(self.0.left.wait_while(self.state(), there));
    }

    pub(super) fn stats(&self) -> Stats {
        let state = self.state();
        let mut all = state.before.clone();
        let workers: Vec<_> = state.threads.iter().map(|tally| tally.stats()).collect();
        state.threads.iter().for_each(|tally| all.add(&tally.done()));
        Stats {
            waiting: state.queue.len(),
            running: workers.iter().map(|worker| worker.running).sum(),
            workers,
            done: all.tasks,
            failed: all.failed,
            retried: 0,
            started: state.started,
            died: 0,
            recycled: 0,
            latency: LatencyStats::of(&all.latency),
        }
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

    /// Does tasks until there are none to come, or there are too many threads.
    pub(super) fn serve(&self, tally: &Arc<Tally>) {
        let _place = Place(self, tally);
        HERE.set(self.name());
        worker::set_thread(tally.id);
        if let Some(initializer) = &self.0.initializer {
            // It has been printed.
            let _ = call::catch(initializer);
        }
        tally.note_ready();
        while let Some(Task { submitted, run, .. }) = self.next(tally) {
            tally.begin();
            run(Fate::Do(&|failed| tally.end(submitted, failed)));
        }
    }

    /// Waits for a task. `None` when this thread shall end.
    fn next(&self, tally: &Arc<Tally>) -> Option<Task> {
        let waiting =
            |state: &mut State| state.open && state.queue.is_empty() && !state.has_too_many();
        let state = self.0.work.wait_while(self.state(), waiting);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        if state.open && state.has_too_many() {
            state.remove(tally);
            // Who was woken for a task, and leaves, hands the call on.
            self.0.work.notify_one();
            return None;
        }
        state.queue.pop_front()
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
        let submitted = Instant::now();
        let tasks = (first..).zip(runs).map(|(number, run)| Task { number, submitted, run });
        state.queue.extend(tasks);
        drop(state);
        match count {
            1 => self.0.work.notify_one(),
            _ => self.0.work.notify_all(),
        }
        Ok(first..first + count as u64)
    }
}

impl State {
    fn has_too_many(&self) -> bool {
        self.threads.len() > self.size
    }

    fn remove(&mut self, thread: &Arc<Tally>) {
        for gone in self.threads.extract_if(.., |tally| Arc::ptr_eq(tally, thread)) {
            self.before.add(&gone.done());
        }
    }
}

/// A thread among the pool's, until it is dropped.
struct Place<'a>(&'a Threads, &'a Arc<Tally>);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.state().remove(self.1);
        self.0.0.left.notify_all();
    }
}

fn tell_all(tasks: impl IntoIterator<Item = Task>, error: &TaskError) {
    for task in tasks {
        (task.run)(Fate::Refuse(error.clone()));
    }
}

/// Makes what does a task and tells its answer.
fn run<R>(
    work: impl FnOnce() -> R + Send + 'static,
    done: impl FnOnce(Told<R>) + Send + 'static,
) -> Run {
    Box::new(move |fate| {
        let told = match fate {
            Fate::Refuse(error) => Err(error),
            Fate::Do(note) => {
                let told = call::catch(work).map(Raw::Value).map_err(TaskError::Panicked);
                note(told.is_err());
                told
            }
        };
        mailbox::in_callback(|| done(told));
    })
}

impl Engine for Threads {
    fn workers(&self) -> usize {
        self.state().size
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
            .field("size", &state.size)
            .field("open", &state.open)
            .field("waiting", &state.queue.len())
            .finish_non_exhaustive()
    }
}
