//! A worker's process, as the pool's thread knows it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use proc_spawn::{Process, SpawnError};

use crate::died::WorkerDied;
use crate::lane::Bell;
use crate::limits::Limits;
use crate::link::Link;
use crate::worker::{self, Setup};

/// A worker that lived for less, and did nothing, is as good as one that was never ready.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// How long a worker may go on that was asked to end, or that can be heard no more.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A worker's process and what belongs to it.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) process: Process<Result<(), String>>,
    pub(crate) link: Arc<Link>,
    started: Instant,
    /// It has been let go: it is sent no more.
    pub(crate) dismissed: bool,
    /// It has been asked to end, by a signal.
    pub(crate) asked: bool,
    pub(crate) kill_at: Option<Instant>,
    /// When its memory was looked at last, and how many tasks it had answered then.
    pub(crate) weighed: (Instant, u64),
    /// How many bytes of its output are kept.
    output: Option<usize>,
}

impl Worker {
    /// Starts a worker.
    pub(crate) fn start(setup: Setup, limits: &Limits, bell: &Bell) -> Result<Self, SpawnError> {
        let no_link = |error| SpawnError::Encode(format!("a worker's lane: {error}"));
        let (link, port) = Link::pair(bell).map_err(no_link)?;
        let builder = proc_spawn::Builder::new()
            .name(format!("PoolWorker-{}", setup.id))
            .daemon(true)
            .may_have_children(true);
        let process = limits.apply(builder).spawn((port, setup), worker::run)?;
        let now = Instant::now();
        Ok(Self {
            process,
            link: Arc::new(link),
            started: now,
            dismissed: false,
            asked: false,
            kill_at: None,
            weighed: (now, 0),
            output: limits.output,
        })
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Lets the worker end, once it has done what it has.
    pub(crate) fn dismiss(&mut self) {
        if !std::mem::replace(&mut self.dismissed, true) {
            self.link.close();
        }
    }

    /// Asks the worker to end, by SIGTERM, and has it killed if it is there a while later.
    pub(crate) fn ask_to_end(&mut self, grace: Duration) {
        if !std::mem::replace(&mut self.asked, true) {
            // It is a child of ours and not reaped: the kernel has no reason to refuse.
            let _ = self.process.terminate();
            self.kill_within(grace);
        }
    }

    pub(crate) fn kill_within(&mut self, grace: Duration) {
        // One that would be beyond the end of time never comes.
        self.kill_at = self.kill_at.or_else(|| Instant::now().checked_add(grace));
    }

    pub(crate) fn kill_if_late(&mut self) {
        if self.kill_at.is_some_and(|at| at <= Instant::now()) {
            self.kill_at = None;
            // As above.
            let _ = self.process.kill();
        }
    }

    /// Says whether it ended before it was of any use, by itself.
    pub(crate) fn was_in_vain(&self, ready: bool, useful: bool) -> bool {
        let short = self.age() < SHORT_LIFE;
        !self.dismissed && !self.asked && (!ready || (!useful && short))
    }

    /// Describes its end. It has ended.
    pub(crate) fn died(&self) -> WorkerDied {
        let status = self.process.wait();
        WorkerDied {
            usage: self.process.usage(),
            limit: self.process.limit_reached(),
            output: self.last_output().map(Into::into),
            ..WorkerDied::new(self.process.pid(), status)
        }
    }

    /// Returns the end of what it has written, standard output first.
    fn last_output(&self) -> Option<String> {
        let most = self.output?;
        let streams = [self.process.captured_stdout(), self.process.captured_stderr()];
        let tail = |stream: &proc_spawn::Captured| stream.tail(most).unwrap_or_default();
        let bytes: Vec<u8> = streams.into_iter().flatten().flat_map(tail).collect();
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Gives the memory of older output back.
    pub(crate) fn trim_output(&self) {
        let Some(most) = self.output else { return };
        let streams = [self.process.captured_stdout(), self.process.captured_stderr()];
        for stream in streams.into_iter().flatten() {
            // What cannot be let go stays a while longer.
            let _ = stream.keep(most as u64);
        }
    }

    /// Says why it ended before it was of any use: `ready` or not.
    pub(crate) fn last_words(&mut self, ready: bool, setup: &Setup) -> String {
        if let Some(limit) = self.process.limit_reached() {
            return format!("a worker cannot start within its limits: {limit}");
        }
        match self.process.join_timeout(Duration::ZERO) {
            Some(Ok(Err(why))) => why,
            Some(Err(error)) => match setup.runs_first().filter(|_| !ready) {
                Some(hook) => format!("its {hook} did not return: {error}"),
                None => error.to_string(),
            },
            Some(Ok(Ok(()))) | None => "it ended without a word".to_owned(),
        }
    }

    /// Ends a worker that was started in vain.
    pub(crate) fn discard(self) {
        // As above.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
