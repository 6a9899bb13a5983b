//! What the pool's handle and its thread share, and how a task gets from the one to a worker.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time::Instant;

use proc_spawn::call::Call;
use rustix::event::{EventfdFlags, eventfd};

use crate::error::{SubmitError, TaskError};
use crate::events;
use crate::give::Gave;
use crate::job::{Args, Done, Job, Message, Outcome, Reply, Rules, Sink};
use crate::link::Heard;
use crate::mailbox;
use crate::pump::{Pump, Traffic};
use crate::slot::Slot;
use crate::state::{CancelStep, Phase, State};

/// So many answers of a worker are taken at once.
const BATCH: usize = 64;

/// The state and its bells.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Rung when a task was sent, a worker is ready, and when the pool's thread has ended.
    changed: Condvar,
    pub(crate) pump: Pump,
    /// Makes the pool's thread look at the state anew.
    pub(crate) wake: OwnedFd,
    /// The pool's thread looks at the workers after each task: for their memory, or because they end when
    /// there is nothing to do, and are started when tasks wait.
    watched: bool,
    last_number: AtomicU64,
    /// The process that has the pool's thread: the child of a fork has none.
    process: u32,
    thread: OnceLock<ThreadId>,
}

impl Shared {
    pub(crate) fn new(state: State, watched: bool) -> io::Result<Self> {
        Ok(Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            pump: Pump::new()?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            watched,
            last_number: AtomicU64::new(0),
            process: std::process::id(),
            thread: OnceLock::new(),
        })
    }

    /// Notes that this thread is the pool's own.
    pub(crate) fn adopt_thread(&self) {
        self.thread.get_or_init(|| std::thread::current().id());
    }

    /// Says whether this process inherited the pool by a fork, without its thread.
    pub(crate) fn is_a_copy(&self) -> bool {
        std::process::id() != self.process
    }

    /// Locks the state. Nothing of a user's runs under the lock, so no panic leaves it half-changed.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state to look at it; `None` in the child of a fork, where another thread may have had it.
    pub(crate) fn glance(&self) -> Option<MutexGuard<'_, State>> {
        if self.is_a_copy() { self.state.try_lock().ok() } else { Some(self.state()) }
    }

    /// Waits, giving the lock up meanwhile, until `ready`.
    pub(crate) fn until(&self, ready: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.changed.wait_while(self.state(), |state| !ready(state));
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn wake(&self) {
        // Full means that it is about to look already.
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    /// Leaves the phase in which tasks are taken, unless it was left for a worse one.
    pub(crate) fn leave(&self, phase: Phase) {
        if self.is_a_copy() {
            return;
        }
        let mut state = self.state();
        if state.phase == Phase::Running || phase != Phase::Closed && state.phase == Phase::Closed {
            state.phase = phase;
        }
        drop(state);
        self.ring();
        self.wake();
        self.pump.nudge();
    }

    /// Says whether the pool's thread is to look when tasks come and go. When the pool is closed too: it is
    /// over when none is left, and workers that have ended are replaced only while tasks wait.
    fn watches(&self, state: &State) -> bool {
        self.watched || state.phase != Phase::Running
    }

    /// Takes a task, sends it off if a worker has room, and returns its number. `done` is told once,
    /// whatever becomes of it.
    pub(crate) fn submit(
        &self,
        call: Call,
        args: Args,
        rules: Rules,
        done: Done,
    ) -> Result<u64, SubmitError> {
        let numbers = self.submit_all(call, [(args, done)], rules, false)?;
        Ok(numbers.start)
    }

    /// Does as [`submit`](Self::submit) with many, all or none; the sink is told of each by its
    /// index, from `first` on. The caller has an [`Admission`](crate::admission::Admission).
    pub(crate) fn submit_many(
        &self,
        call: Call,
        args: Vec<Args>,
        first: usize,
        rules: Rules,
        sink: &Arc<dyn Sink>,
    ) -> Result<Range<u64>, SubmitError> {
        let indexed = args.into_iter().enumerate();
        let tasks =
            indexed.map(|(index, args)| (args, Done::Indexed(Arc::clone(sink), first + index)));
        self.submit_all(call, tasks, rules, true)
    }

    fn submit_all(
        &self,
        call: Call,
        tasks: impl IntoIterator<Item = (Args, Done), IntoIter: ExactSizeIterator>,
        rules: Rules,
        admitted: bool,
    ) -> Result<Range<u64>, SubmitError> {
        if self.is_a_copy() {
            return Err(SubmitError::Forked);
        }
        let tasks = tasks.into_iter();
        let count = tasks.len() as u64;
        // Relaxed: only to be different.
        let first = self.last_number.fetch_add(count, Relaxed) + 1;
        let submitted = Instant::now();
        let mut state = self.state();
        state.takes_tasks(admitted)?;
        for (number, (args, done)) in (first..).zip(tasks) {
            let message = Message::new(call, args);
            state.enqueue(Job { number, message, done, rules, submitted, deaths: 0 });
        }
        let calls_back = state.queue.back().is_some_and(|job| job.done.is_callback());
        let gave = state.give();
        let starved = self.watches(&state) && state.waiting() > 0;
        drop(state);
        if gave.look || starved {
            self.wake();
        }
        match calls_back {
            true => self.pump.attend_now(),
            false => self.attend(),
        }
        Ok(first..first + count)
    }

    /// Hands waiting tasks to workers with room, until one of the two runs out.
    pub(crate) fn hand_out(&self) {
        let gave = self.state().give();
        if gave.look {
            self.wake();
        }
        if gave.some {
            self.attend();
        }
    }

    /// Takes what all workers have said, and hands out what waits. Returns what is under way, and whether
    /// anything was heard.
    pub(crate) fn sweep(&self) -> (Traffic, bool) {
        let mut heard = false;
        let mut index = 0;
        loop {
            let state = self.state();
            let news = |slot: &Option<Slot>| slot.as_ref().is_some_and(|slot| slot.link.has_news());
            let next = state.slots.iter().skip(index).position(news);
            let Some(next) = next else { break };
            index += next;
            drop(state);
            heard = true;
            self.hear(index);
            index += 1;
        }
        if self.state().rescue(Instant::now()) {
            self.wake();
        }
        self.hand_out();
        (self.state().traffic(), heard)
    }

    /// Says whether a worker has said something.
    pub(crate) fn has_news(&self) -> bool {
        self.state().slots.iter().flatten().any(|slot| slot.link.has_news())
    }

    /// Says whether something is to be heard: of tasks that wait or are being done, or from a worker that
    /// is starting.
    pub(crate) fn is_under_way(&self) -> bool {
        let state = self.state();
        let starting = state.serving().any(|slot| !slot.ready);
        starting || !state.is_idle()
    }

    /// Sees to it that somebody hears what the workers say, if there is anything to be heard.
    pub(crate) fn attend(&self) {
        if self.is_under_way() {
            self.pump.attend();
        }
    }

    /// Takes all that a worker has said.
    pub(crate) fn hear(&self, index: usize) {
        let Some(link) = self.state().slot(index).map(|slot| Arc::clone(&slot.link)) else {
            return;
        };
        loop {
            let turn = link.turn();
            let (heard, last) = link.recv(BATCH);
            let now = Instant::now();
            let mut state = self.state();
            // Buried meanwhile, and the place given to another.
            if !state.slot(index).is_some_and(|slot| Arc::ptr_eq(&slot.link, &link)) {
                return;
            }
            let mut answers = Answers::default();
            let mut called_back = false;
            let some = !heard.is_empty();
            let mut heard = heard.into_iter();
            while let Some((number, outcome)) = heard.next() {
                let Some(given) = state.settle(index, number, now) else { continue };
                let took = now.saturating_duration_since(given.since);
                let outcome = outcome.map(|reply| Reply { took, ..reply });
                if let Err(error) = &outcome {
                    state.counts.failed += 1;
                    events::failed(given.job.number, error);
                }
                let Job { message, done, .. } = given.job;
                message.bytes.recycle();
                // At once, not when the lock is free again: what is not here by then is not waited for. And
                // on the pool's own thread too: it may be in a callback just now.
                if done.is_callback() {
                    state.to_tell.push((done, outcome));
                    called_back = true;
                } else {
                    answers.add(done, outcome, heard.len());
                }
            }
            let again = self.note(&mut state, index, last);
            // The workers' next tasks first: the answers' own work can wait that long.
            let gave = if some { state.give() } else { Gave::default() };
            let watched = self.watches(&state);
            drop((state, turn));
            if gave.look || called_back || watched && some {
                self.wake();
            }
            answers.tell(self);
            if !again {
                return;
            }
        }
    }

    /// Notes what a worker has said beside answers; `true` when there may be more.
    fn note(&self, state: &mut State, index: usize, heard: Heard) -> bool {
        let Some(slot) = state.slot(index) else { return false };
        match heard {
            Heard::Nothing => false,
            Heard::More => true,
            Heard::Ready => {
                slot.ready = true;
                slot.idle_since = Instant::now();
                events::ready(slot.id, slot.pid, slot.started);
                self.pump.nudge();
                // The pool's thread keeps the time of workers that are ready.
                self.wake();
                true
            }
            Heard::Ended(why) => {
                events::lost(slot.id, slot.pid, why);
                (slot.lost, slot.open) = (true, false);
                self.wake();
                false
            }
        }
    }

    /// Tells somebody the answer. Never under the lock: a user's callback may be behind it.
    pub(crate) fn tell(&self, done: Done, outcome: Outcome) {
        match done {
            Done::Callback(_) if !self.is_own_thread() || mailbox::is_in_callback() => {
                self.state().to_tell.push((done, outcome));
                self.wake();
            }
            Done::Callback(tell) | Done::Anywhere(tell) => mailbox::in_callback(|| tell(outcome)),
            Done::Indexed(sink, index) => {
                mailbox::in_callback(|| sink.put(vec![(index, outcome)]));
            }
        }
    }

    fn is_own_thread(&self) -> bool {
        self.thread.get() == Some(&std::thread::current().id())
    }

    /// Cancels a task; `false` when it was answered before.
    pub(crate) fn cancel(&self, number: u64) -> bool {
        if self.is_a_copy() {
            return false;
        }
        let step = self.state().cancel(number);
        if step != CancelStep::TooLate {
            self.wake();
        }
        step != CancelStep::TooLate
    }

    /// Cancels those of the tasks with these numbers that wait; those that have begun go on.
    pub(crate) fn drop_waiting(&self, numbers: &Range<u64>) {
        let mut state = self.state();
        let (mut ours, others): (VecDeque<Job>, _) =
            state.queue.drain(..).partition(|job| numbers.contains(&job.number));
        state.queue = others;
        for slot in state.slots.iter_mut().flatten() {
            ours.extend(slot.take_back_all(numbers));
        }
        drop(state);
        // There is room for others', and workers may have nothing left to do.
        self.hand_out();
        self.wake();
        for job in ours {
            self.tell(job.done, Err(TaskError::Cancelled));
        }
    }
}

/// Outcomes of a `map`, with their indices.
type Outcomes = Vec<(usize, Outcome)>;

/// Answers that are to be told, those to one `map` together.
#[derive(Default)]
struct Answers {
    each: Vec<(Done, Outcome)>,
    maps: Vec<(Arc<dyn Sink>, Outcomes)>,
}

impl Answers {
    /// Adds one, after which at most so many more will come.
    fn add(&mut self, done: Done, outcome: Outcome, more: usize) {
        match done {
            Done::Indexed(sink, index) => match self.maps.last_mut() {
                Some((last, outcomes)) if Arc::ptr_eq(last, &sink) => {
                    outcomes.push((index, outcome))
                }
                _ => {
                    let mut outcomes = Vec::with_capacity(1 + more);
                    outcomes.push((index, outcome));
                    self.maps.push((sink, outcomes));
                }
            },
            done => self.each.push((done, outcome)),
        }
    }

    fn tell(self, shared: &Shared) {
        for (done, outcome) in self.each {
            shared.tell(done, outcome);
        }
        for (sink, outcomes) in self.maps {
            mailbox::in_callback(|| sink.put(outcomes));
        }
    }
}
