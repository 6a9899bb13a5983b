//! The worker: takes a task, does it, answers, until there are none to come.

use std::cell::Cell;
use std::io;
use std::sync::OnceLock;

use proc_spawn::call::{Call, Encoded};
use serde::{Deserialize, Serialize};

use crate::fd::Fd;
use crate::port::{Desk, Port, Task};
use crate::unix::{self, ForkMark};

/// A call with its encoded arguments and their handles, to be made in every worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hook {
    call: Call,
    args: Vec<u8>,
    fds: Vec<Fd>,
}

impl Hook {
    pub(crate) fn new(call: Call, args: Encoded) -> Self {
        Self { call, args: args.bytes, fds: args.fds.into_iter().map(Fd::new).collect() }
    }

    fn run(self, name: &str) -> Result<(), String> {
        let fds: io::Result<Vec<_>> = self.fds.into_iter().map(Fd::into_owned).collect();
        let fds = fds.map_err(|error| format!("the handles of its {name}: {error}"))?;
        // Its result is of no interest, as in Python.
        let done = self.call.run(self.args, fds);
        done.map(drop).map_err(|fault| format!("its {name} failed: {fault}"))
    }
}

/// What a worker is told at its start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Setup {
    pub(crate) initializer: Option<Hook>,
    pub(crate) exit_hook: Option<Hook>,
    /// Makes the worker's state.
    pub(crate) state: Option<Hook>,
    /// The worker's number in its pool, from 1.
    pub(crate) id: u64,
    /// How many pools it is inside of, its own included.
    pub(crate) depth: u32,
}

impl Setup {
    /// Names what a worker runs before it is ready, if it is of the user's.
    pub(crate) fn runs_first(&self) -> Option<&'static str> {
        match (&self.initializer, &self.state) {
            (Some(_), Some(_)) => Some("initializer or its state"),
            (Some(_), None) => Some("initializer"),
            (None, Some(_)) => Some("state"),
            (None, None) => None,
        }
    }
}

static SETUP: OnceLock<(u64, u32)> = OnceLock::new();

/// Returns how many pools this process is inside of.
pub(crate) fn depth() -> u32 {
    SETUP.get().map_or(0, |(_, depth)| *depth)
}

thread_local! {
    /// Set in the workers of a pool of threads.
    static THREAD: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Notes which worker of a pool of threads this thread is.
pub(crate) fn set_thread(id: u64) {
    THREAD.set(Some(id));
}

/// Returns the number of this worker in its pool, from 1 on; `None` in a process, or on a thread, that
/// is no worker.
///
/// A worker that replaces another has a number of its own.
///
/// ```
/// use proc_pool::{Pool, worker_id};
///
/// let pool = Pool::builder().workers(2).build()?;
/// assert!(matches!(pool.apply((), worker_id)?, Some(1 | 2)));
/// assert_eq!(worker_id(), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use]
pub fn worker_id() -> Option<u64> {
    THREAD.get().or_else(|| SETUP.get().map(|(id, _)| *id))
}

/// The function of a worker's process. Returns when there are no tasks to come.
///
/// The result is the reason for which the worker never became ready, if so.
pub(crate) fn run(port: Port, setup: Setup) -> Result<(), String> {
    unix::ignore_interrupt();
    SETUP.get_or_init(|| (setup.id, setup.depth));
    if let Some(initializer) = setup.initializer {
        initializer.run("initializer")?;
    }
    if let Some(state) = setup.state {
        state.run("state")?;
    }
    let mut desk = port.open().map_err(|error| format!("its end of the lane: {error}"))?;
    desk.tell_ready();
    serve(&mut desk);
    drop(desk);
    crate::stateful::drop_state();
    match setup.exit_hook {
        // A panic in it has been printed; nobody waits for its outcome.
        Some(hook) => hook.run("exit hook").or(Ok(())),
        None => Ok(()),
    }
}

fn serve(desk: &mut Desk) {
    let mark = ForkMark::new();
    while let Some(Task { ticket, work }) = desk.next() {
        let answer = work.and_then(|work| desk.run(work));
        if mark.is_copy() {
            // The task forked, and this is its child, which has no business here.
            unix::leave();
        }
        if !desk.answer(ticket, answer) {
            return; // Nobody is left to answer to.
        }
    }
}
