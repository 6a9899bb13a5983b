//! What the pool's handle and its thread share, and how a task gets from the one to a worker.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use proc_spawn::call::{Call, Encoded};
use rustix::event::{EventfdFlags, eventfd};

use crate::error::SubmitError;
use crate::handle;
use crate::job::{ANY, Done, Job, Message, Outcome, kind};
use crate::state::{Phase, State};

/// The state and its bells.
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Rung when a task was sent, and when the pool's thread has ended.
    changed: Condvar,
    /// Makes the pool's thread look at the state anew.
    pub(crate) wake: OwnedFd,
    last_number: AtomicU64,
    /// The process that has the pool's thread: the child of a fork has none.
    process: u32,
}

impl Shared {
    pub(crate) fn new(workers: usize) -> io::Result<Self> {
        Ok(Self {
            state: Mutex::new(State::new(workers)),
            changed: Condvar::new(),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            last_number: AtomicU64::new(ANY),
            process: std::process::id(),
        })
    }

    /// Says whether this process inherited the pool by a fork, without its thread.
    pub(crate) fn is_a_copy(&self) -> bool {
        std::process::id() != self.process
    }

    /// Locks the state. Nothing of a user's runs under the lock, so no panic leaves it half-changed.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        let mut state = self.state();
        if state.phase == Phase::Running || phase != Phase::Closed && state.phase == Phase::Closed {
            state.phase = phase;
        }
        drop(state);
        self.wake();
    }

    /// Takes a task, and sends it off if a worker is idle. `done` is called once, by the pool's
    /// thread, whatever becomes of it.
    pub(crate) fn submit(&self, call: Call, args: Encoded, done: Done) -> Result<(), SubmitError> {
        if self.is_a_copy() {
            return Err(SubmitError::Forked);
        }
        // Relaxed: only to be different.
        let number = self.last_number.fetch_add(1, Relaxed) + 1;
        let message = Arc::new(Message::new(number, call, args)?);
        let mut state = self.state();
        match &state.phase {
            Phase::Running => {}
            Phase::Closed | Phase::Terminated => return Err(SubmitError::Closed),
            Phase::Broken(why) => return Err(SubmitError::Broken(why.clone())),
        }
        state.queue.push_back(Job { number, message, done, lost: 0 });
        drop(state);
        self.hand_out();
        Ok(())
    }

    /// Hands waiting tasks to idle workers, until one of the two runs out.
    pub(crate) fn hand_out(&self) {
        loop {
            let Some(sending) = self.state().give() else { return };
            let fds: Vec<_> = sending.message.fds.iter().map(AsFd::as_fd).collect();
            let (socket, bytes) = (sending.socket.as_fd(), &sending.message.bytes);
            // Does not wait: the socket of an idle worker is empty.
            let result = packet::send(socket, kind::TASK, bytes, &fds, Deadline::NEVER);
            let failed = result.is_err();
            self.state().sent(&sending, result);
            self.ring();
            if failed {
                self.wake();
            }
        }
    }
}

/// Tells somebody the answer. Never under the lock: a user's callback may be behind it.
pub(crate) fn answer(done: Done, outcome: Outcome) {
    handle::in_callback(|| done(outcome));
}
