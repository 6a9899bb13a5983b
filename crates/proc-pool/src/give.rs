//! Which waiting task goes to which worker.
//!
//! A worker with nothing to do comes first, then whoever has least before it and has room for more. When
//! nothing waits, a worker with nothing to do gets what another has not begun.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::TaskError;
use crate::job::Job;
use crate::link::{GiveError, Giving};
use crate::slot::{Given, Slot};
use crate::state::State;

/// A task for which its worker did not wake for so long goes to another that is idle.
const LONELY: Duration = Duration::from_millis(100);

/// So many tasks are given to one worker before the next gets some.
const RUN: usize = 16;

/// A worker that may be given tasks.
struct Taker {
    slot: usize,
    suspect: bool,
    given: usize,
    room: usize,
    /// It was given something just now.
    woken: bool,
}

/// What came of a task that was to be given.
enum Step {
    Given,
    /// Not to this worker, and not now.
    Full(Job),
    /// The worker is gone.
    Gone(Job),
    Failed(Job, TaskError),
}

/// What came of all that were to be given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gave {
    /// Some task was given.
    pub(crate) some: bool,
    /// The pool's thread must look around anew: for a timeout, for a worker that takes no more, for
    /// tasks that it is to answer.
    pub(crate) look: bool,
}

impl State {
    /// Gives waiting tasks to workers with room, until one of the two runs out, and wakes who sleeps.
    pub(crate) fn give(&mut self) -> Gave {
        let mut gave = Gave::default();
        if self.queue.is_empty() && !self.level() {
            return gave;
        }
        let now = Instant::now();
        let mut takers: Vec<Taker> = Vec::new();
        for (slot, worker) in self.slots.iter().enumerate() {
            let takes = |slot: &&Slot| slot.open && slot.ready && !slot.held_up;
            let Some(worker) = worker.as_ref().filter(takes) else {
                continue;
            };
            let given = worker.given.len();
            takers.push(Taker {
                slot,
                suspect: worker.suspect,
                given,
                room: worker.link.room(),
                woken: false,
            });
        }
        let count = takers.len();
        loop {
            if self.queue.is_empty() && !self.level() {
                break;
            }
            let free = takers.iter_mut().filter(|taker| taker.room > 0);
            let Some(taker) = free.min_by_key(|taker| (taker.suspect, taker.given)) else { break };
            // A few at a time: that is one lock.
            let run = self.queue.len().div_ceil(count).min(taker.room).min(RUN);
            if !self.give_run(taker, run, now, &mut gave) {
                break;
            }
        }
        for taker in takers.iter().filter(|taker| taker.woken) {
            if let Some(slot) = self.slot(taker.slot) {
                slot.link.wake();
            }
        }
        gave
    }

    /// Gives so many of the waiting tasks to this worker, as far as it takes them; `false` when no worker
    /// takes the next one now.
    fn give_run(&mut self, taker: &mut Taker, run: usize, now: Instant, gave: &mut Gave) -> bool {
        let Some(slot) = self.slot(taker.slot) else {
            taker.room = 0;
            return true;
        };
        let link = Arc::clone(&slot.link);
        let mut giving = link.giving();
        for _ in 0..run {
            let Some(job) = self.queue.pop_front() else { break };
            match self.give_to(taker.slot, &mut giving, job, now, gave) {
                Step::Given => {
                    gave.some = true;
                    taker.given += 1;
                    if taker.given == 1 {
                        // It has nothing else to do: it begins while the others are put.
                        giving.wake();
                    } else {
                        taker.woken = true;
                    }
                    taker.room -= 1;
                    if self.slot(taker.slot).is_none_or(|slot| !slot.open) {
                        (gave.look, taker.room) = (true, 0);
                        break;
                    }
                }
                Step::Full(job) => {
                    // It may need a worker that has nothing else: the one with least has something.
                    let needs_all = job.message.packets.is_some();
                    taker.room = 0;
                    self.enqueue(job);
                    return !needs_all;
                }
                Step::Gone(job) => {
                    taker.room = 0;
                    gave.look = true;
                    self.enqueue(job);
                    break;
                }
                Step::Failed(job, error) => {
                    gave.look = true;
                    self.counts.failed += 1;
                    self.to_tell.push((job.done, Err(error)));
                }
            }
        }
        true
    }

    fn give_to(
        &mut self,
        index: usize,
        giving: &mut Giving<'_>,
        job: Job,
        now: Instant,
        gave: &mut Gave,
    ) -> Step {
        let max_tasks = self.max_tasks;
        let Some(slot) = self.slot(index) else { return Step::Full(job) };
        let message = &job.message;
        if message.packets.is_some() && !slot.given.is_empty() {
            return Step::Full(job);
        }
        let shares = message.shares().iter();
        let shares = shares.filter_map(|sent| Some((sent.clone(), slot.shares.add(sent)?)));
        let shares: Vec<_> = shares.collect();
        let given = giving.give(job.number, message, &shares);
        if given.is_err() {
            // They may have been sent and may not: they are sent again.
            shares.iter().for_each(|(sent, _)| slot.shares.remove(sent));
        }
        match given {
            Ok(()) => {}
            Err(GiveError::Full) => return Step::Full(job),
            Err(GiveError::Gone) => {
                // No more for that one, until the pool's thread has replaced it.
                slot.open = false;
                return Step::Gone(job);
            }
            Err(GiveError::Failed(error)) => {
                return Step::Failed(job, TaskError::Io(error.to_string()));
            }
        }
        let timeout = job.rules.timeout;
        slot.given.push_back(Given { job, since: now });
        slot.assigned += 1;
        if max_tasks.is_some_and(|most| slot.assigned >= most) {
            slot.open = false;
        }
        if let Some(at) = timeout.and_then(|timeout| now.checked_add(timeout))
            && self.look_at.is_none_or(|look_at| at < look_at)
        {
            self.look_at = Some(at);
            gave.look = true;
        }
        Step::Given
    }

    /// Takes a task that waits at a busy worker back into the queue, if another worker is idle.
    fn level(&mut self) -> bool {
        let idle = |slot: &Slot| slot.open && slot.ready && slot.given.is_empty();
        if !self.slots.iter().flatten().any(idle) {
            return false;
        }
        let now = Instant::now();
        // One alone is left to its worker, unless that is not there to begin it. One that it has begun would
        // only hide others.
        let waits = |slot: &&mut Slot| match slot.given.back() {
            Some(last) if slot.given.len() == 1 => {
                now.saturating_duration_since(last.since) > LONELY
                    && slot.link.began(last.job.number).is_none()
            }
            last => last.is_some(),
        };
        let some = self.slots.iter_mut().flatten().filter(waits);
        let Some(slot) = some.max_by_key(|slot| slot.given.len()) else { return false };
        let lonely = slot.given.len() == 1;
        let job = slot.take_back_last();
        slot.suspect |= lonely && job.is_some();
        let some = job.is_some();
        job.into_iter().for_each(|job| self.enqueue(job));
        some
    }
}
