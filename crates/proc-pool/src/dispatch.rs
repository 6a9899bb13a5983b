//! The pool's one thread: takes answers, sees deaths, replaces workers, hands out what waits.

use std::io::ErrorKind;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use proc_spawn::call::{self, Fault};
use proc_spawn::{Process, SpawnError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::Shutdown;

use crate::error::{SubmitError, TaskError, WorkerDied};
use crate::job::{ANY, Outcome, Reply, kind};
use crate::shared::{Shared, answer};
use crate::state::{Given, Phase};
use crate::worker::{self, Begun, Fd, Initializer};

/// After so many workers in a row that ended before they were ready, the pool is broken.
const MOST_FAILURES: u32 = 5;
/// How long the second of them is waited for, the third twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// A worker that lived for less, and did nothing, is as good as one that was never ready.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// After so many workers in a row that died with a task before they began it, it is given up.
const MOST_LOST: u32 = 3;
/// How long a worker may go on that was asked to end, or that has closed its socket.
const GRACE: Duration = Duration::from_secs(1);

/// A worker's process and what belongs to it.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Process<Result<(), String>>,
    begun: Begun,
    /// The pool's end of its socket; gone when there is nothing more to hear.
    socket: Option<Arc<OwnedFd>>,
    started: Instant,
    /// It has said that its initializer has run.
    ready: bool,
    /// It has answered a task.
    useful: bool,
    /// It has been let go, by the end of its socket.
    dismissed: bool,
    /// It has been asked to end, by a signal.
    asked: bool,
    kill_at: Option<Instant>,
}

impl Worker {
    /// Starts the worker with this index.
    pub(crate) fn start(
        index: usize,
        initializer: Option<Initializer>,
    ) -> Result<Self, SpawnError> {
        let no_socket = |error| SpawnError::Encode(format!("a worker's socket: {error}"));
        let (ours, theirs) = packet::pair().map_err(no_socket)?;
        let begun = Begun::new().map_err(no_socket)?;
        let process = proc_spawn::Builder::new()
            .name(format!("PoolWorker-{}", index + 1))
            .daemon(true)
            .spawn((Fd::new(theirs), begun.clone(), initializer), worker::run)?;
        let socket = Some(Arc::new(ours));
        Ok(Self {
            process,
            begun,
            socket,
            started: Instant::now(),
            ready: false,
            useful: false,
            dismissed: false,
            asked: false,
            kill_at: None,
        })
    }

    /// Lets the worker end, once it has done what it has.
    fn dismiss(&mut self) {
        self.dismissed = true;
        if let Some(socket) = self.socket.take() {
            // Not by closing alone: a child of a fork of ours would keep the socket open.
            let _ = rustix::net::shutdown(&*socket, Shutdown::Write);
        }
    }

    /// Says whether it ended before it was of any use, by itself.
    fn was_in_vain(&self) -> bool {
        let short = self.started.elapsed() < SHORT_LIFE;
        !self.dismissed && (!self.ready || (!self.useful && short))
    }

    /// Ends a worker that was started in vain.
    pub(crate) fn discard(self) {
        // It is a child of ours and not reaped: the kernel has no reason to refuse.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    fn kill_in_a_while(&mut self) {
        self.kill_at.get_or_insert_with(|| Instant::now() + GRACE);
    }

    /// Says why it ended before it was ready.
    fn last_words(&mut self) -> String {
        match self.process.join_timeout(Duration::ZERO) {
            Some(Ok(Err(why))) => why,
            Some(Err(error)) => error.to_string(),
            Some(Ok(Ok(()))) | None => "it ended without a word".to_owned(),
        }
    }
}

/// What a poll tells of a worker.
struct Happened {
    said: bool,
    ended: bool,
}

/// What only the pool's thread knows.
pub(crate) struct Dispatcher {
    shared: Arc<Shared>,
    initializer: Option<Initializer>,
    workers: Vec<Option<Worker>>,
    /// When a worker may be started where there is none.
    start_at: Instant,
    /// How many workers in a row ended before they were ready.
    failures: u32,
}

impl Dispatcher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        initializer: Option<Initializer>,
        workers: Vec<Worker>,
    ) -> Self {
        let mut state = shared.state();
        for (slot, worker) in state.slots.iter_mut().zip(&workers) {
            slot.socket.clone_from(&worker.socket);
        }
        drop(state);
        let workers = workers.into_iter().map(Some).collect();
        Self { shared, initializer, workers, start_at: Instant::now(), failures: 0 }
    }

    /// Runs until the pool is closed or terminated and the last worker is gone.
    pub(crate) fn run(mut self) {
        while self.step() {}
    }

    /// Waits for something to happen, and does what there is to do; `false` when all is done.
    fn step(&mut self) -> bool {
        for (index, Happened { said, ended }) in self.wait().into_iter().enumerate() {
            if said {
                self.hear(index);
            }
            if ended {
                self.bury(index);
            }
        }
        self.kill_the_late();
        self.fill();
        self.shared.hand_out();
        self.answer_failed();
        self.wind_up()
    }

    /// Sleeps until a worker says something or ends, or until it is time for something.
    fn wait(&self) -> Vec<Happened> {
        let wake = &self.shared.wake;
        let mut fds = vec![PollFd::new(wake, PollFlags::IN)];
        for worker in &self.workers {
            let socket = worker.as_ref().and_then(|worker| worker.socket.as_ref());
            // A descriptor that is asked for nothing stands for one that is not there.
            fds.push(match socket {
                Some(socket) => PollFd::new(&**socket, PollFlags::IN),
                None => PollFd::new(wake, PollFlags::empty()),
            });
            fds.push(match worker {
                Some(worker) => PollFd::new(&worker.process, PollFlags::IN),
                None => PollFd::new(wake, PollFlags::empty()),
            });
        }
        let timeout = self.next_time().map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            }
        });
        if poll(&mut fds, timeout.as_ref()).is_err() {
            // EINTR; or no memory for the call, or more descriptors than a lowered limit allows. Then
            // look at each of them, now and then.
            std::thread::sleep(Duration::from_millis(1));
            let ended = |worker: &Worker| !worker.process.is_alive();
            let ended = self.workers.iter().map(|worker| worker.as_ref().is_some_and(ended));
            return ended.map(|ended| Happened { said: true, ended }).collect();
        }
        let happened = |fd: &PollFd<'_>| !fd.revents().is_empty();
        if happened(&fds[0]) {
            let _ = rustix::io::read(wake, &mut [0; 8]);
        }
        let of_workers = fds[1..].chunks_exact(2);
        of_workers
            .map(|fds| Happened { said: happened(&fds[0]), ended: happened(&fds[1]) })
            .collect()
    }

    fn next_time(&self) -> Option<Instant> {
        let missing = self.workers.iter().any(Option::is_none) && self.wants_workers();
        let kills = self.workers.iter().flatten().filter_map(|worker| worker.kill_at);
        kills.chain(missing.then_some(self.start_at)).min()
    }

    /// Takes what a worker has said, one thing at a time; `false` when there was nothing more.
    fn hear(&mut self, index: usize) -> bool {
        let Some(worker) = &mut self.workers[index] else { return false };
        let Some(socket) = worker.socket.clone() else { return false };
        match packet::recv(socket.as_fd(), usize::MAX, Deadline::after(Duration::ZERO)) {
            Ok(Some(packet)) => {
                self.take(index, packet);
                true
            }
            Err(error) if error.kind() == ErrorKind::TimedOut => false,
            // We had no descriptor or memory left for it: it is gone, and the next can be received.
            Err(error) if matches!(error.kind(), ErrorKind::Other | ErrorKind::OutOfMemory) => {
                self.settle(index, ANY, Err(TaskError::Result(error.to_string())));
                true
            }
            // The end, or nonsense: either way there is nothing more to hear from it.
            Ok(None) | Err(_) => {
                worker.socket = None;
                worker.kill_in_a_while();
                self.shared.state().slots[index].socket = None;
                false
            }
        }
    }

    fn take(&mut self, index: usize, packet: Packet) {
        let Packet { kind, body: bytes, fds } = packet;
        let outcome: Outcome = match kind::of(kind) {
            kind::READY => {
                if let Some(worker) = &mut self.workers[index] {
                    worker.ready = true;
                    self.shared.state().slots[index].ready = true;
                }
                return;
            }
            kind::RESULT => Ok(Reply { bytes, fds }),
            kind::FAULT => Err(match call::decode::<Fault>(&bytes, fds) {
                Ok(fault) => TaskError::from_fault(fault),
                Err(error) => TaskError::result(error),
            }),
            other => Err(TaskError::Result(format!("the worker answered with a packet {other}"))),
        };
        self.settle(index, u64::from(kind >> 8), outcome);
    }

    /// Answers the task that the worker was given, if it is the one with this number.
    fn settle(&mut self, index: usize, number: u64, outcome: Outcome) {
        let ours = |given: &mut Given| {
            number == ANY || kind::answering(0, given.job.number) == kind::answering(0, number)
        };
        let Some(given) = self.shared.state().slots[index].given.take_if(ours) else { return };
        self.failures = 0;
        if let Some(worker) = &mut self.workers[index] {
            worker.useful = true;
        }
        // The worker's next task first: the answer's own work can wait that long.
        self.shared.hand_out();
        answer(given.job.done, outcome);
    }

    /// Answers the tasks that could be sent to nobody.
    fn answer_failed(&self) {
        let failed = std::mem::take(&mut self.shared.state().failed);
        for (job, error) in failed {
            answer(job.done, Err(error));
        }
    }

    /// Clears up after a worker that has ended: its last answer counts, its task is settled.
    fn bury(&mut self, index: usize) {
        while self.hear(index) {}
        let Some(mut worker) = self.workers[index].take() else { return };
        let status = worker.process.wait();
        // A thread that is sending it something gets an error, and takes that back.
        let mut state = self
            .shared
            .until(|state| state.slots[index].given.as_ref().is_none_or(|given| !given.sending));
        let slot = &mut state.slots[index];
        (slot.socket, slot.ready) = (None, false);
        let failed = slot.given.take().and_then(|Given { mut job, .. }| {
            // Before it was ready the task cannot have been to blame.
            job.lost += u32::from(worker.ready);
            if worker.begun.has(job.number) || job.lost == MOST_LOST {
                return Some(job);
            }
            state.queue.push_front(job);
            None
        });
        drop(state);
        if worker.was_in_vain() {
            self.failed(worker.last_words());
        }
        if let Some(job) = failed {
            let pid = worker.process.pid();
            answer(job.done, Err(TaskError::WorkerDied(WorkerDied { pid, status })));
        }
    }

    /// Notes that a worker was of no use, and gives up after the fifth in a row, if none is left.
    fn failed(&mut self, why: String) {
        self.failures += 1;
        let pause = FIRST_PAUSE * 2u32.pow(self.failures.min(MOST_FAILURES) - 1);
        self.start_at = Instant::now() + pause;
        let any_left = self.workers.iter().flatten().any(|worker| worker.ready);
        if self.failures >= MOST_FAILURES && !any_left {
            self.shared.leave(Phase::Broken(why));
        }
    }

    fn wants_workers(&self) -> bool {
        let state = self.shared.state();
        match state.phase {
            Phase::Running => true,
            Phase::Closed => !state.queue.is_empty(),
            Phase::Terminated | Phase::Broken(_) => false,
        }
    }

    /// Starts workers where there are none.
    fn fill(&mut self) {
        for index in 0..self.workers.len() {
            if self.workers[index].is_some()
                || Instant::now() < self.start_at
                || !self.wants_workers()
            {
                continue;
            }
            match Worker::start(index, self.initializer.clone()) {
                Ok(worker) => {
                    self.shared.state().slots[index].socket.clone_from(&worker.socket);
                    self.workers[index] = Some(worker);
                }
                Err(error) => self.failed(error.to_string()),
            }
        }
    }

    fn kill_the_late(&mut self) {
        for worker in self.workers.iter_mut().flatten() {
            if worker.kill_at.is_some_and(|at| at <= Instant::now()) {
                worker.kill_at = None;
                // It is a child of ours and not reaped: the kernel has no reason to refuse.
                let _ = worker.process.kill();
            }
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
        state.slots.iter_mut().for_each(|slot| slot.socket = None);
        drop(state);
        for worker in self.workers.iter_mut().flatten() {
            worker.dismiss();
            if !gently && !std::mem::replace(&mut worker.asked, true) {
                let _ = worker.process.terminate();
                worker.kill_in_a_while();
            }
        }
        for job in unanswered {
            answer(job.done, Err(error.clone()));
        }
        self.workers.iter().any(Option::is_some)
    }
}

/// However the thread ends, nobody waits for it, and no worker is left.
impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shared.leave(Phase::Terminated);
        self.workers.drain(..).flatten().for_each(Worker::discard);
        let mut state = self.shared.state();
        let unanswered = state.take_all();
        state.finished = true;
        drop(state);
        for job in unanswered {
            answer(job.done, Err(TaskError::Terminated));
        }
        self.shared.ring();
    }
}
