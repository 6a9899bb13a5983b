//! What the pool knows of its tasks. Changed under one lock, and never while a user's code runs or
//! something is waited for.
//!
//! A worker's slot:
//!
//! | ready | open | given | means | left by |
//! |---|---|---|---|---|
//! | no | yes | none | starting | the pool's thread, when the worker says so |
//! | yes | yes | none | idle | whoever gives it a task |
//! | yes | yes | some | busy; more than one while tasks are small | whoever hears the answer |
//! | yes | no | any | takes no more: recycled, surplus, or lost | the pool's thread, when it has ended |
//! | yes | no, doomed | some | about to be ended, for the sake of one task | the pool's thread, when it has ended |
//!
//! A worker that has ended leaves its slot empty. Of the tasks that it had, the one that it had begun
//! is judged ([`crate::verdict`]), the others wait anew.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{SubmitError, TaskError};
use crate::events;
use crate::job::{Done, Job, Outcome};
use crate::latency::Latency;
use crate::link::Link;
use crate::pump::Traffic;
use crate::share::Known;

/// A worker that has not begun its next task for so long gets no more.
const PATIENCE: Duration = Duration::from_secs(3);

/// With so many tasks before it a worker is busy for longer than it takes to look after it.
const STREAM: usize = 32;

/// A task that is first in its worker's line, and not begun after so long, is not about to be.
const STUCK: Duration = Duration::from_millis(500);

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

/// A task that a worker was given.
pub(crate) struct Given {
    pub(crate) job: Job,
    pub(crate) since: Instant,
}

/// Why a worker is ended in the middle of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    /// The task took longer than this.
    TimedOut(Duration),
    Cancelled,
}

/// What is known of one worker by everybody; the rest knows the pool's thread.
pub(crate) struct Slot {
    pub(crate) link: Arc<Link>,
    /// The worker's number, counted from 1 for the pool's first.
    pub(crate) id: u64,
    pub(crate) pid: u32,
    pub(crate) started: Instant,
    /// The worker's initializer has run.
    pub(crate) ready: bool,
    /// It may be given tasks.
    pub(crate) open: bool,
    /// In the order in which they were sent.
    pub(crate) given: VecDeque<Given>,
    /// The number of the task for which the worker is to be ended, and why.
    pub(crate) doom: Option<(u64, Doom)>,
    /// How many tasks it was given.
    pub(crate) assigned: u64,
    /// How many tasks it has answered.
    pub(crate) tasks: u64,
    pub(crate) busy: Duration,
    pub(crate) idle_since: Instant,
    pub(crate) shares: Known,
    /// There is nothing more to hear from the worker, ever.
    pub(crate) lost: bool,
    /// It did not wake for its last task: others come first until it answers something.
    pub(crate) suspect: bool,
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
        let slot = Slot {
            link,
            id: self.counts.started,
            pid,
            started: now,
            ready: false,
            open: true,
            given: VecDeque::new(),
            doom: None,
            assigned: 0,
            tasks: 0,
            busy: Duration::ZERO,
            idle_since: now,
            shares: Known::default(),
            lost: false,
            suspect: false,
        };
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
        slot.suspect = false;
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
    /// They are to be ended. Says whether there were any.
    pub(crate) fn rescue(&mut self, now: Instant) -> bool {
        let mut freed = Vec::new();
        for slot in self.slots.iter_mut().flatten() {
            let jobs = slot.take_stuck(now);
            if !jobs.is_empty() {
                events::stuck(slot.id, slot.pid);
                (slot.open, slot.lost) = (false, true);
                freed.extend(jobs);
            }
        }
        let some = !freed.is_empty();
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

impl Slot {
    fn note_idle(&mut self, now: Instant) {
        if self.given.is_empty() {
            self.idle_since = now;
        }
    }

    /// Takes the first of the tasks out, which has this number.
    fn take_first(&mut self, number: u64) -> Option<Given> {
        self.given.front().filter(|first| first.job.number == number)?;
        self.given.pop_front()
    }

    /// Takes the last task back that waits here, if it has not begun.
    pub(crate) fn take_back_last(&mut self) -> Option<Job> {
        let last = self.given.back()?;
        if !self.link.take_back(last.job.number) {
            return None;
        }
        self.assigned -= 1;
        self.given.pop_back().map(|given| given.job)
    }

    /// Takes a task back, if it has not begun.
    fn take_back(&mut self, number: u64) -> Option<Job> {
        let ours = |given: &Given| given.job.number == number;
        let place = self.given.iter().position(ours)?;
        if !self.link.take_back(number) {
            return None;
        }
        let given = self.given.remove(place)?;
        self.note_idle(Instant::now());
        Some(given.job)
    }

    /// Returns the number of a task that has taken longer than it may, and how long that is.
    pub(crate) fn late(&self, now: Instant) -> Option<(u64, Duration)> {
        let late = |given: &Given| {
            let limit = given.job.rules.timeout?;
            let end = self.link.began(given.job.number)?.checked_add(limit)?;
            (end <= now).then_some((given.job.number, limit))
        };
        self.given.iter().filter(|_| self.doom.is_none()).find_map(late)
    }

    fn is_first(&self, given: &Given) -> bool {
        self.given.front().is_some_and(|first| first.job.number == given.job.number)
    }

    /// Takes all tasks back, if the first of them should have been begun long ago and is not.
    fn take_stuck(&mut self, now: Instant) -> Vec<Job> {
        let stuck = |first: &Given| {
            let limit = first.job.rules.timeout.unwrap_or(PATIENCE).clamp(STUCK, PATIENCE);
            first.since.checked_add(limit).is_some_and(|end| end <= now)
        };
        let Some(first) = self.given.front().filter(|first| stuck(first)) else {
            return Vec::new();
        };
        // Somebody may have its answer in hand, and the worker be in the next: then this fails.
        if !self.link.take_back_from_the_stuck(first.job.number) {
            return Vec::new();
        }
        let first = self.given.pop_front().map(|given| given.job);
        first.into_iter().chain(std::iter::from_fn(|| self.take_back_last())).collect()
    }

    /// Returns when a task here may have taken too long, at the earliest.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let at = |given: &Given| {
            let limit = given.job.rules.timeout?;
            match self.link.began(given.job.number) {
                Some(began) => began.checked_add(limit),
                None if self.is_first(given) => given.since.checked_add(limit.max(STUCK)),
                // One that waits behind another has all its time before it.
                None => now.checked_add(limit),
            }
        };
        self.given.iter().filter(|_| self.doom.is_none()).filter_map(at).min()
    }

    /// Has the worker ended for the sake of a task that it has begun, and returns what it has not.
    ///
    /// `false` says that the task is done, and its answer about to be heard: the worker has gone on to the
    /// next one, which must not suffer for it.
    pub(crate) fn doom(&mut self, number: u64, doom: Doom) -> (bool, Vec<Job>) {
        if let Some((doomed, why)) = &mut self.doom {
            let same = *doomed == number;
            if same && doom == Doom::Cancelled {
                *why = doom;
            }
            return (same, Vec::new());
        }
        let numbers = self.given.iter().map(|given| given.job.number);
        let behind: Vec<_> = numbers.skip_while(|other| *other != number).skip(1).collect();
        let count = behind.len();
        // Nothing can begin there once all this is taken back.
        let freed: Vec<_> = behind.into_iter().filter_map(|other| self.take_back(other)).collect();
        if freed.len() < count {
            return (false, freed);
        }
        self.open = false;
        self.doom = Some((number, doom));
        (true, freed)
    }
}
