//! What the pool knows of its tasks. Changed under one lock, and never while a user's code runs or
//! something is waited for.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::error::{SubmitError, TaskError};
use crate::events;
use crate::job::{Done, Job, Outcome};
use crate::latency::Latency;
use crate::link::Link;
use crate::pump::Traffic;
use crate::slot::{Doom, Given, Slot};

/// With so many tasks before it a worker is busy for longer than it takes to look after it.
const STREAM: usize = 32;

/// Where a pool is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes tasks.
    Running,
    /// Takes none, and finishes those that it has.
    Closed,
    /// Takes none, and answers all that it has.
    Terminated,
    /// As terminated, because no worker becomes ready: for this reason.
    Broken(String),
}

/// Everything that is guarded by the pool's lock.
pub(crate) struct State {
    pub(crate) phase: Phase,
    /// In the order of their numbers: one that comes back does not wait again.
    pub(crate) queue: VecDeque<Job>,
    pub(crate) slots: Vec<Option<Slot>>,
    /// How many calls are still to hand over tasks although the pool may be closed.
    pub(crate) admitted: usize,
    /// How many CPUs this process may use.
    cpus: usize,
    /// How many workers there should be.
    pub(crate) size: usize,
    /// How many tasks a worker is given in its life.
    pub(crate) max_tasks: Option<u64>,
    /// Answers for the pool's thread to tell: callbacks run there.
    pub(crate) to_tell: Vec<(Done, Outcome)>,
    /// Until when the pool's thread sleeps at most; `None` for ever.
    pub(crate) look_at: Option<Instant>,
    /// How many workers in a row were of no use.
    pub(crate) failures: u32,
    /// The pool's thread has ended, and with it the last worker.
    pub(crate) finished: bool,
    pub(crate) latency: Latency,
    pub(crate) counts: Counts,
}

/// What has happened so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) answered: u64,
    pub(crate) failed: u64,
    pub(crate) retried: u64,
    pub(crate) started: u64,
    pub(crate) died: u64,
    pub(crate) recycled: u64,
}

/// What happened to a task that was to be cancelled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CancelStep {
    /// It is done, or nobody knows it.
    TooLate,
    /// It was waiting, and is out of the queue.
    Removed,
    /// Its worker is to be ended.
    Doomed,
}

impl State {
    pub(crate) fn new(size: usize, max_tasks: Option<u64>) -> Self {
        Self {
            phase: Phase::Running,
            queue: VecDeque::new(),
            slots: Vec::new(),
            admitted: 0,
            cpus: proc_spawn::cpu_count().get(),
            size,
            max_tasks,
            to_tell: Vec::new(),
            look_at: None,
            failures: 0,
            finished: false,
            latency: Latency::default(),
            counts: Counts::default(),
        }
    }

    /// Says why the pool takes no tasks, if so; those of a call that was admitted it takes when it is closed.
    pub(crate) fn takes_tasks(&self, admitted: bool) -> Result<(), SubmitError> {
        match &self.phase {
            Phase::Running => Ok(()),
            Phase::Closed if admitted && self.admitted > 0 => Ok(()),
            Phase::Closed | Phase::Terminated => Err(SubmitError::Closed),
            Phase::Broken(why) => Err(SubmitError::Broken(why.clone())),
        }
    }

    /// Puts a worker that was started into a free place, and returns which.
    pub(crate) fn seat(&mut self, link: Arc<Link>, pid: u32, now: Instant) -> usize {
        self.counts.started += 1;
        let slot = Slot::new(link, self.counts.started, pid, now);
        if let Some(free) = self.slots.iter().position(Option::is_none) {
            self.slots[free] = Some(slot);
            return free;
        }
        self.slots.push(Some(slot));
        self.slots.len() - 1
    }

    pub(crate) fn slot(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index)?.as_mut()
    }

    /// Returns the workers that may be given tasks, now or once they are ready.
    pub(crate) fn serving(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter().flatten().filter(|slot| slot.open)
    }

    /// Returns how many tasks wait: in the queue, and behind others at workers.
    pub(crate) fn waiting(&self) -> usize {
        let behind = |slot: &Slot| slot.given.len().saturating_sub(1);
        self.queue.len() + self.slots.iter().flatten().map(behind).sum::<usize>()
    }

    /// Puts a task where its number belongs.
    pub(crate) fn enqueue(&mut self, job: Job) {
        // New ones belong at the end, and one that comes back near the front.
        if self.queue.back().is_none_or(|last| last.number < job.number) {
            self.queue.push_back(job);
        } else {
            self.queue.insert(self.place_of(job.number), job);
        }
    }

    fn place_of(&self, number: u64) -> usize {
        self.queue.partition_point(|job| job.number < number)
    }

    /// Takes the task that a worker has answered out of what it was given.
    pub(crate) fn settle(&mut self, index: usize, number: u64, now: Instant) -> Option<Given> {
        let slot = self.slot(index)?;
        // Answers come in the order in which the tasks were given.
        let given = slot.take_first(number)?;
        // What it was doomed for is done: it is only let go.
        slot.doom.take_if(|(doomed, _)| *doomed == number);
        slot.tasks += 1;
        (slot.suspect, slot.held_up) = (false, false);
        slot.busy += now.saturating_duration_since(given.since);
        slot.note_idle(now);
        // What waits behind it begins now.
        if let Some(next) = slot.given.front_mut() {
            next.since = now;
        }
        self.failures = 0;
        self.counts.answered += 1;
        self.latency.record(now.saturating_duration_since(given.job.submitted));
        Some(given)
    }

    /// Takes a task out of the queue, or dooms the worker that has it.
    pub(crate) fn cancel(&mut self, number: u64) -> CancelStep {
        let place = self.place_of(number);
        if self.queue.get(place).is_some_and(|job| job.number == number) {
            if let Some(job) = self.queue.remove(place) {
                self.to_tell.push((job.done, Err(TaskError::Cancelled)));
            }
            return CancelStep::Removed;
        }
        let has = |slot: &Slot| slot.given.iter().any(|given| given.job.number == number);
        let Some(slot) = self.slots.iter_mut().flatten().find(|slot| has(slot)) else {
            return CancelStep::TooLate;
        };
        if let Some(job) = slot.take_back(number) {
            self.to_tell.push((job.done, Err(TaskError::Cancelled)));
            return CancelStep::Removed;
        }
        let (doomed, freed) = slot.doom(number, Doom::Cancelled);
        freed.into_iter().for_each(|job| self.enqueue(job));
        if doomed { CancelStep::Doomed } else { CancelStep::TooLate }
    }

    /// Takes every task that is not done, to be answered by the caller outside the lock.
    pub(crate) fn take_all(&mut self) -> Vec<Job> {
        let slots = self.slots.iter_mut().flatten();
        let given = slots.flat_map(|slot| slot.given.drain(..));
        let mut jobs: Vec<_> = given.map(|given| given.job).collect();
        jobs.extend(self.queue.drain(..));
        jobs
    }

    /// Takes back what lies before workers that do not begin it: one that was stopped, or has lost its mind.
    /// They are to be ended. Says whether there are any. And what lies behind a long task, if there is
    /// another worker.
    pub(crate) fn rescue(&mut self, now: Instant) -> bool {
        let mut freed = Vec::new();
        let serves = |slot: &Slot| slot.open && slot.ready;
        let serving = self.slots.iter().flatten().filter(|slot| serves(slot)).count();
        let mut some = false;
        for slot in self.slots.iter_mut().flatten() {
            let (jobs, stuck) = slot.take_stuck(now);
            if stuck {
                events::stuck(slot.id, slot.pid);
                (slot.open, slot.lost) = (false, true);
                some = true;
            }
            freed.extend(jobs);
            if serving > usize::from(serves(slot)) {
                freed.extend(slot.take_held_up(now));
            }
        }
        freed.into_iter().for_each(|job| self.enqueue(job));
        some
    }

    /// Says whether no task waits and none is being done.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.slots.iter().flatten().all(|slot| slot.given.is_empty())
    }

    /// Returns what is under way.
    pub(crate) fn traffic(&self) -> Traffic {
        if self.is_idle() {
            return Traffic::None;
        }
        let busy = self.slots.iter().flatten().filter(|slot| !slot.given.is_empty());
        let (workers, least) = busy
            .fold((0, usize::MAX), |(count, least), slot| (count + 1, least.min(slot.given.len())));
        if workers > 0 && least >= STREAM {
            Traffic::Stream
        } else if workers < self.cpus {
            Traffic::Light
        } else {
            Traffic::Full
        }
    }

    /// Says whether nothing is waiting and nothing is being done.
    pub(crate) fn is_drained(&self) -> bool {
        self.admitted == 0
            && self.queue.is_empty()
            && self.to_tell.is_empty()
            && self.slots.iter().flatten().all(|slot| slot.given.is_empty())
    }
}
