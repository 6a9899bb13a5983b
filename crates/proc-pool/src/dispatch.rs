//! The pool's one thread: takes answers, sees deaths, replaces workers, hands out what waits.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use multiproc_core::deadline::Deadline;
use multiproc_core::packet::{self, Packet};
use proc_spawn::call::{self, Fault};
use proc_spawn::{Process, SpawnError};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::error::{SubmitError, TaskError, WorkerDied};
use crate::job::{Outcome, Reply, kind};
use crate::shared::{Shared, answer};
use crate::state::Phase;
use crate::worker::{self, Begun, Fd, Initializer};

/// After so many workers in a row that ended before they were ready, the pool is broken.
const MOST_FAILURES: u32 = 5;
/// How long the second of them is waited for, the third twice as long, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// How long a worker may go on that was asked to end, or that has closed its socket.
const GRACE: Duration = Duration::from_secs(1);

/// A worker's process and what belongs to it.
#[derive(Debug)]
pub(crate) struct Worker {
    process: Process<Result<(), String>>,
    begun: Begun,
    /// The pool's end of its socket; gone when there is nothing more to hear.
    socket: Option<Arc<OwnedFd>>,
    /// It has said that its initializer has run.
    ready: bool,
    /// It has been asked to end.
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
        Ok(Self { process, begun, socket, ready: false, asked: false, kill_at: None })
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
            // EINTR; without memory for the call there is nothing better than to try again.
            std::thread::yield_now();
            return Vec::new();
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
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => false,
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
        let outcome: Outcome = match kind {
            kind::READY => {
                self.failures = 0;
                if let Some(worker) = &mut self.workers[index] {
                    worker.ready = true;
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
        let given = self.shared.state().slots[index].given.take();
        // The worker's next task first: the answer's own work can wait that long.
        self.shared.hand_out();
        if let Some(given) = given {
            answer(given.job.done, outcome);
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
        state.slots[index].socket = None;
        let given = state.slots[index].given.take();
        let failed = match given {
            Some(given) if worker.begun.has(given.job.number) => Some(given.job),
            Some(given) => {
                state.queue.push_front(given.job);
                None
            }
            None => None,
        };
        let running = matches!(state.phase, Phase::Running | Phase::Closed);
        drop(state);
        if running && !worker.ready && !worker.asked {
            self.failed(worker.last_words());
        }
        if let Some(job) = failed {
            let pid = worker.process.pid();
            answer(job.done, Err(TaskError::WorkerDied(WorkerDied { pid, status })));
        }
    }

    /// Notes that a worker did not become ready, and gives up after the fifth in a row.
    fn failed(&mut self, why: String) {
        self.failures += 1;
        let pause = FIRST_PAUSE * 2u32.pow(self.failures.min(MOST_FAILURES) - 1);
        self.start_at = Instant::now() + pause;
        if self.failures >= MOST_FAILURES {
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
        for job in unanswered {
            answer(job.done, Err(error.clone()));
        }
        for worker in self.workers.iter_mut().flatten() {
            // The end of its socket is what a worker waits for between tasks.
            worker.socket = None;
            if !gently && !std::mem::replace(&mut worker.asked, true) {
                let _ = worker.process.terminate();
                worker.kill_in_a_while();
            }
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
