//! What the pool knows of its tasks. Changed under one lock, and never while something is sent, run
//! or waited for.
//!
//! A worker's slot:
//!
//! | socket | task | means | left by |
//! |---|---|---|---|
//! | none | none | no worker, or one that takes no more | the pool's thread, with a new worker |
//! | some | none | idle | whoever gives it a task |
//! | some | being sent | | the thread that sends it |
//! | some | sent | busy | the pool's thread, on an answer |
//! | any | sent, and the worker is dead | | the pool's thread: it fails if begun, else it waits anew |

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::error::TaskError;
use crate::job::{Job, Message};

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
    /// It is still being sent, by a thread that will look here again.
    pub(crate) sending: bool,
}

/// What is known of one worker by everybody; the rest knows the pool's thread.
#[derive(Default)]
pub(crate) struct Slot {
    /// The pool's end of the worker's socket, while it may be given tasks.
    pub(crate) socket: Option<Arc<OwnedFd>>,
    /// The worker's initializer has run.
    pub(crate) ready: bool,
    pub(crate) given: Option<Given>,
}

/// A task to be sent to a worker, outside the lock.
pub(crate) struct Sending {
    slot: usize,
    number: u64,
    pub(crate) socket: Arc<OwnedFd>,
    pub(crate) message: Arc<Message>,
}

/// Everything that is guarded by the pool's lock.
pub(crate) struct State {
    pub(crate) phase: Phase,
    pub(crate) queue: VecDeque<Job>,
    pub(crate) slots: Vec<Slot>,
    /// Tasks that can be sent to nobody, for the pool's thread to answer: callbacks run there.
    pub(crate) failed: Vec<(Job, TaskError)>,
    /// The pool's thread has ended, and with it the last worker.
    pub(crate) finished: bool,
}

impl State {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            phase: Phase::Running,
            queue: VecDeque::new(),
            slots: (0..workers).map(|_| Slot::default()).collect(),
            failed: Vec::new(),
            finished: false,
        }
    }

    /// Gives the first task in the queue to an idle worker, if there are both.
    pub(crate) fn give(&mut self) -> Option<Sending> {
        if self.queue.is_empty() {
            return None;
        }
        // One that is still initialising may take its time: only when there is none that has.
        let any_ready = self.slots.iter().any(|slot| slot.socket.is_some() && slot.ready);
        let idle = |slot: &Slot| {
            slot.socket.is_some() && slot.given.is_none() && (slot.ready || !any_ready)
        };
        let slot = self.slots.iter().position(idle)?;
        let socket = Arc::clone(self.slots[slot].socket.as_ref()?);
        let job = self.queue.pop_front()?;
        let (number, message) = (job.number, Arc::clone(&job.message));
        self.slots[slot].given = Some(Given { job, sending: true });
        Some(Sending { slot, number, socket, message })
    }

    /// Notes that a task was sent, or takes it back because it was not.
    pub(crate) fn sent(&mut self, sending: &Sending, result: io::Result<()>) {
        let Slot { socket, given, .. } = &mut self.slots[sending.slot];
        // The pool may have been terminated meanwhile, and the task answered.
        let ours = given.take_if(|given| given.job.number == sending.number);
        match (ours, result) {
            (Some(ours), Ok(())) => *given = Some(Given { sending: false, ..ours }),
            (Some(ours), Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
                // Its worker is dead. No more for that one, until the pool's thread has replaced it.
                *socket = None;
                self.queue.push_front(ours.job);
            }
            (Some(ours), Err(error)) => {
                self.failed.push((ours.job, TaskError::Io(error.to_string())));
            }
            (None, _) => {}
        }
    }

    /// Takes every task that is not done, to be answered by the caller outside the lock.
    pub(crate) fn take_all(&mut self) -> Vec<Job> {
        let given = self.slots.iter_mut().filter_map(|slot| slot.given.take());
        let mut jobs: Vec<_> = given.map(|given| given.job).collect();
        jobs.extend(self.queue.drain(..));
        jobs
    }

    /// Says whether nothing is waiting and nothing is being done.
    pub(crate) fn is_drained(&self) -> bool {
        self.queue.is_empty()
            && self.failed.is_empty()
            && self.slots.iter().all(|slot| slot.given.is_none())
    }
}
