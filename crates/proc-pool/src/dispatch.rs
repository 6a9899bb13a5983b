//! The pool's one thread: takes answers, sees deaths, replaces workers, keeps the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proc_spawn::SpawnError;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{SubmitError, TaskError};
use crate::events;
use crate::lane::{Begun, Bell};
use crate::limits::Limits;
use crate::recycle::{Keep, Recycling};
use crate::shared::Shared;
use crate::slot::{Doom, Given};
use crate::staff::{GRACE, Worker};
use crate::state::{Phase, State};
use crate::verdict::{Verdict, judge};
use crate::worker::Setup;

/// How long the second start in vain is waited for, the third twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// What workers have written is looked at no more often than this.
const TRIM_EVERY: Duration = Duration::from_secs(1);

/// How the pool treats its workers.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) setup: Setup,
    pub(crate) limits: Limits,
    pub(crate) recycling: Recycling,
    /// After so many workers in a row that were of no use, the pool is broken.
    pub(crate) most_failures: u32,
    /// After so many workers that were lost with it, a task is given up.
    pub(crate) poison: u32,
    /// How long a worker has between SIGTERM and SIGKILL.
    pub(crate) grace: Duration,
}

impl Policy {
    pub(crate) fn start(&self, id: u64, bell: &Bell) -> Result<Worker, SpawnError> {
        Worker::start(Setup { id, ..self.setup.clone() }, &self.limits, bell)
    }
}

/// What only the pool's thread knows.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    policy: Policy,
    /// By their place in the state.
    workers: BTreeMap<usize, Worker>,
    /// When a worker may be started where there is none.
    start_at: Instant,
    /// When a worker may have to be let go.
    recycle_at: Option<Instant>,
    trimmed: Instant,
}

impl Dispatcher {
    pub(crate) fn new(shared: Arc<Shared>, policy: Policy) -> Self {
        let now = Instant::now();
        let workers = BTreeMap::new();
        Self { shared, policy, workers, start_at: now, recycle_at: None, trimmed: now }
    }

    /// Takes a worker that was started.
    pub(crate) fn add(&mut self, worker: Worker) {
        let (link, pid) = (Arc::clone(&worker.link), worker.process.pid());
        let mut state = self.shared.state();
        let index = state.seat(link, pid, Instant::now());
        events::started(state.counts.started, pid);
        drop(state);
        self.workers.insert(index, worker);
        // Somebody is to hear that it is ready.
        self.shared.attend();
    }

    /// Ends the workers, before the thread has begun.
    pub(crate) fn discard(mut self) {
        std::mem::take(&mut self.workers).into_values().for_each(Worker::discard);
    }

    /// Runs until the pool is closed or terminated and the last worker is gone.
    pub(crate) fn run(mut self) {
        self.shared.adopt_thread();
        while self.step() {}
    }

    /// Waits for something to happen, and does what there is to do; `false` when all is done.
    fn step(&mut self) -> bool {
        for index in self.wait() {
            self.bury(index);
        }
        self.doom_the_late();
        self.end_the_lost();
        self.recycle();
        self.workers.values_mut().for_each(Worker::kill_if_late);
        self.trim_outputs();
        self.fill();
        self.shared.hand_out();
        self.let_go();
        self.tell();
        self.wind_up()
    }

    /// Sleeps until a worker ends, somebody wants something of this thread, or it is time for something.
    /// Returns the places of those that have ended.
    fn wait(&self) -> Vec<usize> {
        let next = self.next_time();
        let wake = &self.shared.wake;
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        fds.extend(self.workers.values().map(|worker| PollFd::new(&worker.process, PollFlags::IN)));
        let left = next.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.and_then(|left| Timespec::try_from(left).ok());
        if poll(&mut fds, timeout.as_ref()).is_err() {
            // A signal; or no memory for the call, or more descriptors than a lowered limit allows. Then
            // look at each of them, now and then.
            std::thread::sleep(Duration::from_millis(1));
            let ended = self.workers.iter().filter(|(_, worker)| !worker.process.is_alive());
            return ended.map(|(&index, _)| index).collect();
        }
        let happened = |fd: &PollFd<'_>| !fd.revents().is_empty();
        if happened(&fds[0]) {
            let _ = rustix::io::read(wake, &mut [0; 8]);
        }
        let ended = fds[1..].iter().zip(self.workers.keys()).filter(|(fd, _)| happened(fd));
        ended.map(|(_, &index)| index).collect()
    }

    /// Returns when there is something to do at the latest, and lets others see it.
    fn next_time(&self) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.shared.state();
        let late = state.slots.iter().flatten().filter_map(|slot| slot.next_timeout(now));
        let mut next: Option<Instant> = late.min();
        let mut look = |at: Option<Instant>| next = next.into_iter().chain(at).min();
        look(self.recycle_at);
        // Also in the middle of a long task.
        look(self.policy.limits.output.map(|_| self.trimmed + TRIM_EVERY));
        self.workers.values().for_each(|worker| look(worker.kill_at));
        if self.missing(&state) > 0 {
            look(Some(self.start_at));
        }
        state.look_at = next;
        next
    }

    /// Has those workers ended from which nothing more is to be heard.
    fn end_the_lost(&mut self) {
        let mut state = self.shared.state();
        for (&index, worker) in &mut self.workers {
            if state.slot(index).is_some_and(|slot| slot.lost) {
                worker.kill_within(GRACE);
            }
        }
    }

    /// Clears up after a worker that has ended: its last answer counts, its tasks are judged.
    fn bury(&mut self, index: usize) {
        self.shared.hear(index);
        let Some(mut worker) = self.workers.remove(&index) else { return };
        let died = worker.died();
        let turn = worker.link.turn();
        let mut state = self.shared.state();
        let Some(slot) = state.slots.get_mut(index).and_then(Option::take) else { return };
        let begun = |given: &Given| worker.link.had_begun(given.job.number) != Begun::No;
        // One that died in a task was good enough to begin it.
        let useful = slot.tasks > 0 || slot.given.iter().any(begun);
        let in_vain = worker.was_in_vain(slot.ready, useful);
        events::ended(slot.id, slot.pid, died.status, worker.dismissed || worker.asked);
        state.counts.died += u64::from(!worker.dismissed);
        let mut failed = Vec::new();
        for Given { mut job, .. } in slot.given {
            let begun = worker.link.had_begun(job.number);
            let doom = slot.doom.filter(|(number, _)| *number == job.number).map(|(_, why)| why);
            match judge(&mut job, begun, doom, self.policy.poison, died.clone()) {
                Verdict::Again => {
                    state.counts.retried += u64::from(begun != Begun::No);
                    events::retried(job.number);
                    state.enqueue(job);
                }
                Verdict::Fails(error) => {
                    state.counts.failed += 1;
                    events::failed(job.number, &error);
                    failed.push((job.done, error));
                }
            }
        }
        drop((state, turn));
        self.shared.pump.nudge();
        if in_vain {
            let why = worker.last_words(slot.ready, &self.policy.setup);
            self.failed(why);
        }
        for (done, error) in failed {
            self.shared.tell(done, Err(error));
        }
    }

    /// Notes that a worker was of no use, and gives up after so many in a row, if none is left.
    fn failed(&mut self, why: String) {
        let mut state = self.shared.state();
        state.failures += 1;
        let failures = state.failures;
        let any_left = state.serving().any(|slot| slot.ready);
        drop(state);
        let pause = FIRST_PAUSE * 2u32.saturating_pow((failures - 1).min(10));
        self.start_at = Instant::now() + pause;
        if failures >= self.policy.most_failures && !any_left {
            events::broken(&why);
            self.shared.leave(Phase::Broken(why));
        }
    }

    /// Returns how many workers are to be started.
    fn missing(&self, state: &State) -> usize {
        let serving = state.serving().count();
        let waiting = state.waiting();
        let wanted = match state.phase {
            Phase::Running if self.policy.recycling.idle.is_none() => state.size,
            // Those that are free take one each.
            Phase::Running | Phase::Closed => {
                let free = state.serving().filter(|slot| slot.given.is_empty()).count();
                (serving + waiting.saturating_sub(free)).min(state.size)
            }
            Phase::Terminated | Phase::Broken(_) => 0,
        };
        wanted.saturating_sub(serving)
    }

    /// Starts workers that are missing, and lets surplus ones go.
    fn fill(&mut self) {
        while Instant::now() >= self.start_at {
            let state = self.shared.state();
            let (missing, id) = (self.missing(&state), state.counts.started + 1);
            drop(state);
            if missing == 0 {
                break;
            }
            match self.policy.start(id, self.shared.pump.bell()) {
                Ok(worker) => self.add(worker),
                // The workers are being ended, and nobody waits for tasks.
                Err(SpawnError::Exiting) => {
                    self.shared.leave(Phase::Terminated);
                    break;
                }
                Err(error) => self.failed(error.to_string()),
            }
        }
        let mut state = self.shared.state();
        let surplus = state.serving().count().saturating_sub(state.size);
        let mut indices: Vec<_> = (0..state.slots.len()).collect();
        // Idle ones first.
        indices.sort_by_key(|&index| state.slot(index).map(|slot| slot.given.len()));
        indices.retain(|&index| state.slot(index).is_some_and(|slot| slot.open));
        for index in indices.into_iter().take(surplus) {
            if let Some(slot) = state.slot(index) {
                slot.open = false;
            }
        }
    }

    /// Dooms the workers whose tasks have taken too long.
    fn doom_the_late(&mut self) {
        let now = Instant::now();
        let indices: Vec<usize> = self.workers.keys().copied().collect();
        for index in indices {
            if self.shared.state().slot(index).is_none_or(|slot| slot.late(now).is_none()) {
                continue;
            }
            // It may have been done in time, or just now.
            self.shared.hear(index);
            let mut state = self.shared.state();
            let Some(slot) = state.slot(index) else { continue };
            let Some((number, limit)) = slot.late(now) else { continue };
            let (doomed, freed) = slot.doom(number, Doom::TimedOut(limit));
            if doomed {
                events::doomed(number, "timeout");
            }
            freed.into_iter().for_each(|job| state.enqueue(job));
        }
        self.shared.state().rescue(now);
    }

    /// Asks the doomed to end, and lets those go that take no more and have nothing to do.
    fn let_go(&mut self) {
        let mut state = self.shared.state();
        for (&index, worker) in &mut self.workers {
            let Some(slot) = state.slot(index).filter(|slot| !slot.open) else { continue };
            match slot.doom {
                Some((number, _)) if slot.given.iter().any(|given| given.job.number == number) => {
                    worker.ask_to_end(self.policy.grace);
                }
                _ if !slot.lost => worker.dismiss(),
                _ => {}
            }
        }
    }

    /// Lets workers go that have done enough, or have nothing to do.
    fn recycle(&mut self) {
        let now = Instant::now();
        let mut state = self.shared.state();
        let running = state.phase == Phase::Running;
        let mut count = 0;
        self.recycle_at = None;
        for (&index, worker) in &mut self.workers {
            let Some(slot) = state.slot(index).filter(|slot| slot.open && slot.ready) else {
                continue;
            };
            let why = match self.policy.recycling.judge(slot, &mut worker.weighed, now) {
                Keep::Replaced(why) => why,
                Keep::Idle if running => "idle",
                Keep::Idle => continue,
                Keep::Stays(at) => {
                    self.recycle_at = self.recycle_at.into_iter().chain(at).min();
                    continue;
                }
            };
            events::recycled(slot.id, slot.pid, why);
            slot.open = false;
            count += 1;
        }
        state.counts.recycled += count;
    }

    /// Gives the memory of output back that nobody will see, now and then.
    fn trim_outputs(&mut self) {
        if self.policy.limits.output.is_none() || self.trimmed.elapsed() < TRIM_EVERY {
            return;
        }
        self.trimmed = Instant::now();
        self.workers.values().for_each(Worker::trim_output);
    }

    /// Answers what only this thread may answer.
    fn tell(&self) {
        let answers = std::mem::take(&mut self.shared.state().to_tell);
        for (done, outcome) in answers {
            self.shared.tell(done, outcome);
        }
    }

    /// Ends what is to be ended; `false` when nothing is left.
    fn wind_up(&mut self) -> bool {
        let mut state = self.shared.state();
        let (unanswered, error) = match &state.phase {
            Phase::Running => return true,
            Phase::Closed if !state.is_drained() => return true,
            Phase::Closed => (Vec::new(), TaskError::Terminated),
            Phase::Terminated => (state.take_all(), TaskError::Terminated),
            Phase::Broken(why) => {
                let error = TaskError::Submit(SubmitError::Broken(why.clone()));
                (state.take_all(), error)
            }
        };
        let gently = state.phase == Phase::Closed;
        state.slots.iter_mut().flatten().for_each(|slot| slot.open = false);
        drop(state);
        for worker in self.workers.values_mut() {
            worker.dismiss();
            if !gently {
                worker.ask_to_end(self.policy.grace);
            }
        }
        for job in unanswered {
            self.shared.tell(job.done, Err(error.clone()));
        }
        !self.workers.is_empty()
    }
}

/// However the thread ends, nobody waits for it, and no worker is left.
impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shared.leave(Phase::Terminated);
        std::mem::take(&mut self.workers).into_values().for_each(Worker::discard);
        let mut state = self.shared.state();
        let unanswered = state.take_all();
        let answers = std::mem::take(&mut state.to_tell);
        state.slots.clear();
        state.finished = true;
        drop(state);
        for (done, outcome) in answers {
            self.shared.tell(done, outcome);
        }
        for job in unanswered {
            self.shared.tell(job.done, Err(TaskError::Terminated));
        }
        self.shared.ring();
        self.shared.dismiss_second();
    }
}
