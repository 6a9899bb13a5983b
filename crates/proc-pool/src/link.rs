//! The pool's end of what connects it with one worker. Any thread may use it.
//!
//! Policy (who gets which task, what a death means) is elsewhere: this gives, hears and tells what the
//! worker has begun. Tasks and answers go through a [`Lane`]. Descriptors go over a socket, before what
//! they belong to; a task with descriptors is given only to a worker that has nothing else, so the socket
//! is empty and takes them at once.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use multiproc_core::deadline::Deadline;
use multiproc_core::packet;
use proc_spawn::call::{self, Fault};

use crate::error::TaskError;
use crate::job::{Message, Outcome, Reply, kind};
use crate::lane::{self, Answered, Begun, Bell, Lane, Nonsense, Popped, PutError, Task, Watch};
use crate::port::Port;
use crate::share::Sent;

/// What a worker has said beside answers.
pub(crate) enum Heard {
    /// Nothing more for now.
    Nothing,
    /// There may be more.
    More,
    /// Its initializer has run.
    Ready,
    /// There is nothing more to hear from it, ever: it has written what no worker writes.
    Ended(Nonsense),
}

/// Why a task was not given.
#[derive(Debug)]
pub(crate) enum GiveError {
    /// The worker has as much as it may have now.
    Full,
    /// The worker is gone.
    Gone,
    /// That task's own failure.
    Failed(io::Error),
}

impl From<PutError> for GiveError {
    fn from(error: PutError) -> Self {
        match error {
            PutError::Full => Self::Full,
            PutError::Memory(error) => Self::Failed(error),
        }
    }
}

/// Answers with so many bytes together are enough for once: their tasks' places are free only then.
const LARGE: usize = 64 << 10;

/// The pool's end.
#[derive(Debug)]
pub(crate) struct Link {
    lane: Mutex<Lane>,
    watch: Watch,
    socket: OwnedFd,
    /// It was heard that the worker is ready.
    ready: AtomicBool,
    /// Held from hearing an answer until the pool knows it: who buries the worker must not be between.
    turn: Mutex<()>,
}

impl Link {
    /// Makes both ends. The worker rings `bell` when it has something to say.
    pub(crate) fn pair(bell: &Bell) -> io::Result<(Self, Port)> {
        let (ours, theirs) = packet::pair()?;
        let (lane, other) = Lane::new(bell)?;
        let watch = lane.watch();
        let lane = Mutex::new(lane);
        let link =
            Self { lane, watch, socket: ours, ready: AtomicBool::new(false), turn: Mutex::new(()) };
        Ok((link, Port::new(other, theirs)))
    }

    fn lane(&self) -> MutexGuard<'_, Lane> {
        self.lane.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives tasks, until the result is dropped. The worker may not know before [`wake`](Self::wake).
    pub(crate) fn giving(&self) -> Giving<'_> {
        Giving { link: self, lane: self.lane() }
    }

    /// Sends what goes before the task with this ticket; returns how many packets.
    fn send_descriptors(
        &self,
        ticket: u64,
        message: &Message,
        shares: &[(Sent, Vec<u64>)],
    ) -> Result<u8, GiveError> {
        // The socket is empty but for packets of tasks that were not put after all.
        let at_once = Deadline::after(Duration::ZERO);
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::BrokenPipe => GiveError::Gone,
            _ => GiveError::Failed(error),
        };
        let mut packets = 0u8;
        for (shared, forget) in shares {
            let numbers = std::iter::once(shared.number()).chain(forget.iter().copied());
            let body: Vec<u8> = numbers.flat_map(u64::to_le_bytes).collect();
            packet::send(self.socket.as_fd(), kind::shared(ticket), &body, &[shared.fd()], at_once)
                .map_err(failed)?;
            packets = packets.saturating_add(1);
        }
        if !message.fds().is_empty() {
            let fds: Vec<_> = message.fds().iter().map(AsFd::as_fd).collect();
            let kind = kind::descriptors(ticket);
            packet::send(self.socket.as_fd(), kind, &[], &fds, at_once).map_err(failed)?;
            packets = packets.saturating_add(1);
        }
        Ok(packets)
    }

    /// Wakes the worker if it sleeps and was given something.
    pub(crate) fn wake(&self) {
        self.lane().wake();
    }

    /// Returns how many more tasks the worker should get.
    pub(crate) fn room(&self) -> usize {
        self.lane().room()
    }

    /// Takes a task back that was given; `true` when the worker will never begin it.
    ///
    /// Not one for which packets were sent: whatever comes next would find them in the socket.
    pub(crate) fn take_back(&self, number: u64) -> bool {
        self.lane().take_back(number, false)
    }

    /// Does so for a worker that is to be ended.
    pub(crate) fn take_back_from_the_stuck(&self, number: u64) -> bool {
        self.lane().take_back(number, true)
    }

    /// Says whether the worker, which has ended, had begun the task with this number.
    pub(crate) fn had_begun(&self, number: u64) -> Begun {
        self.lane().had_begun(number)
    }

    /// Returns when the worker began the task with this number, if that is the one that it is in.
    pub(crate) fn began(&self, number: u64) -> Option<Instant> {
        let (begun, at) = self.lane().begun()?;
        // It may write what it likes there: never later than now.
        let age = Duration::from_nanos(lane::nanos().saturating_sub(at));
        (begun == number).then(|| Instant::now().checked_sub(age)).flatten()
    }

    /// Excludes others from hearing, until what was heard is known to all.
    pub(crate) fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether there is something to hear. Looks, and takes no lock.
    pub(crate) fn has_news(&self) -> bool {
        // Relaxed: who hears it takes the lane's lock.
        self.watch.has_answer() || !self.ready.load(Relaxed) && self.watch.is_ready()
    }

    /// Takes what the worker has said: answers, up to so many or until they are large, and one thing beside.
    /// Never blocks.
    pub(crate) fn recv(&self, most: usize) -> (Vec<(u64, Outcome)>, Heard) {
        if !self.ready.load(Relaxed) && self.watch.is_ready() {
            self.ready.store(true, Relaxed);
            return (Vec::new(), Heard::Ready);
        }
        let mut lane = self.lane();
        let mut answers = Vec::with_capacity(lane.given().min(most));
        let mut bytes = 0;
        while answers.len() < most && bytes < LARGE {
            let answered = match lane.pop() {
                Popped::Nothing => return (answers, Heard::Nothing),
                Popped::Garbled(why) => return (answers, Heard::Ended(why)),
                Popped::Answer(answered) => answered,
            };
            let number = answered.number;
            let Some(outcome) = self.open(answered) else {
                lane.distrust(Nonsense::NoDescriptors);
                let why = TaskError::Result(Nonsense::NoDescriptors.to_string());
                answers.push((number, Err(why)));
                break;
            };
            bytes += outcome.as_ref().map_or(0, |reply| reply.bytes.len());
            answers.push((number, outcome));
        }
        (answers, Heard::More)
    }

    /// Takes an answer apart; `None` when the descriptors are not there that it announces.
    fn open(&self, answered: Answered) -> Option<Outcome> {
        let Answered { ticket, kind, packets, bytes, .. } = answered;
        let mut fds = Ok(Vec::new());
        for _ in 0..packets {
            match packet::recv(self.socket.as_fd(), 0, Deadline::after(Duration::ZERO)) {
                Ok(Some(packet)) if packet.kind == kind::descriptors(ticket) => {
                    fds = Ok(packet.fds);
                }
                // We had no descriptor or memory left for it: it is gone.
                Err(error) if matches!(error.kind(), ErrorKind::Other | ErrorKind::OutOfMemory) => {
                    fds = Err(error);
                }
                Ok(_) | Err(_) => return None,
            }
        }
        let (bytes, fds) = match (bytes, fds) {
            (Ok(bytes), Ok(fds)) => (bytes, fds),
            (Err(error), _) | (_, Err(error)) => {
                return Some(Err(TaskError::Result(error.to_string())));
            }
        };
        Some(match kind {
            kind::RESULT => Ok(Reply { bytes, fds, took: Duration::ZERO }),
            kind::FAULT => Err(match call::decode::<Fault>(&bytes, fds) {
                Ok(fault) => TaskError::from_fault(fault),
                Err(error) => TaskError::result(error),
            }),
            other => Err(TaskError::Result(format!("the worker answered with a record {other}"))),
        })
    }

    /// Gives no more: the worker ends once it has done what it has.
    pub(crate) fn close(&self) {
        self.lane().close();
    }
}

/// The pool's end, while tasks are given.
pub(crate) struct Giving<'l> {
    link: &'l Link,
    lane: MutexGuard<'l, Lane>,
}

impl Giving<'_> {
    /// Gives a task, with the shared data that it names and that the worker does not have, and with the
    /// numbers of such as it may forget. Never waits.
    ///
    /// # Errors
    ///
    /// [`GiveError`]; the worker will not begin it then.
    pub(crate) fn give(
        &mut self,
        number: u64,
        message: &Message,
        shares: &[(Sent, Vec<u64>)],
    ) -> Result<(), GiveError> {
        let Self { link, lane } = self;
        let task = Task { number, call: message.call, bytes: &message.bytes, packets: 0 };
        if message.fds().is_empty() && shares.is_empty() {
            return lane.put_unseen(task).map_err(GiveError::from);
        }
        if lane.given() > 0 {
            return Err(GiveError::Full);
        }
        let sent = link.send_descriptors(lane.next_ticket(), message, shares);
        let put = sent
            .and_then(|packets| lane.put_unseen(Task { packets, ..task }).map_err(GiveError::from));
        if put.is_err() {
            // What was sent for this ticket shall not be taken for another task's.
            lane.skip();
        }
        put
    }

    /// Does as [`Link::wake`].
    pub(crate) fn wake(&mut self) {
        self.lane.wake();
    }
}
