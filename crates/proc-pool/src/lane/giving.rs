//! The pool's end of a lane: puts tasks, takes them back, takes answers.

use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, fence};
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::Arc;

use multiproc_core::futex;

use crate::bytes::Bytes;

use super::arena::{Reader, Side, Writer};
use super::bell::Bell;
use super::extents::Extent;
use super::inline;
use super::memory::{Memory, Port};
use super::window::Window;
use super::words::{ANSWER_INLINE, CLOSED, SLOTS, Shape, TASK_INLINE, Words, slot, tag};

/// So many tasks are put, and answers taken, before the worker sees it.
const TOGETHER: u64 = 16;

/// A task to be put.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task<'a> {
    /// The pool's number for it.
    pub(crate) number: u64,
    /// The name of its function.
    pub(crate) call: [u64; 4],
    /// Its encoded arguments.
    pub(crate) bytes: &'a [u8],
    /// How many packets the worker is to take from its socket for it.
    pub(crate) packets: u8,
}

/// Why a task was not put.
#[derive(Debug)]
pub(crate) enum PutError {
    /// The worker has as many as it may have.
    Full,
    /// There is no memory for its arguments.
    Memory(io::Error),
}

/// An answer as it was taken.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The number of the task.
    pub(crate) number: u64,
    /// Its ticket.
    pub(crate) ticket: u64,
    /// What the worker passed as kind.
    pub(crate) kind: u8,
    /// How many packets lie in the socket for it.
    pub(crate) packets: u8,
    /// The bytes; or why there is no room for them in this process.
    pub(crate) bytes: io::Result<Bytes>,
}

/// What was there to be taken.
#[derive(Debug)]
pub(crate) enum Popped {
    Nothing,
    Answer(Answered),
    /// The worker has written what no worker writes. Nothing more will come.
    Garbled(Nonsense),
}

/// What no worker writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nonsense {
    TooMany,
    OutOfOrder,
    Nowhere,
    NoDescriptors,
    NoState,
}

impl fmt::Display for Nonsense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooMany => "it has answered more tasks than it was given",
            Self::OutOfOrder => "it has answered another task than its next",
            Self::Nowhere => "it has sent a result where no memory is",
            Self::NoDescriptors => "it has announced descriptors and not sent them",
            Self::NoState => "it has written over the state of a task",
        })
    }
}

/// Whether a worker had begun a task when it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    No,
    Yes,
    /// It has written over what says so.
    Unknown,
}

/// A task that the worker has and that is not answered.
#[derive(Debug)]
struct Given {
    ticket: u64,
    number: u64,
    part: Option<Extent>,
    /// Packets were sent before it.
    packets: bool,
}

/// What others look at while one uses the lane. In memory of our own.
#[derive(Debug, Default)]
struct Seen {
    /// As the lane's own.
    taken: AtomicU32,
    /// What may be believed of what is here: one of [`belief`].
    belief: AtomicU8,
}

/// What may be believed of a lane.
mod belief {
    pub(super) const ALL: u8 = 0;
    /// Nothing, which is still to be heard.
    pub(super) const NONE_UNHEARD: u8 = 1;
    /// Nothing, and there is nothing more to hear.
    pub(super) const NONE: u8 = 2;
}

/// Looks whether there is something to hear, without the lane.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    memory: Memory,
    seen: Arc<Seen>,
}

impl Watch {
    /// Says whether there is an answer to be taken.
    #[inline]
    pub(crate) fn has_answer(&self) -> bool {
        // SeqCst: see `Bell::sleep`; pairs with the store in `Working::answer`.
        let answered = self.memory.words().worker.0.answered.load(SeqCst);
        // Relaxed: both only say whether to look, and who looks has the lane.
        match self.seen.belief.load(Relaxed) {
            belief::ALL => answered != self.seen.taken.load(Relaxed),
            other => other == belief::NONE_UNHEARD,
        }
    }

    /// Says whether the worker's initializer has run.
    #[inline]
    pub(crate) fn is_ready(&self) -> bool {
        // SeqCst: as above; pairs with the store in `Working::tell_ready`.
        self.memory.words().worker.0.ready.load(SeqCst) != 0
    }
}

/// The pool's end.
#[derive(Debug)]
pub(crate) struct Lane {
    memory: Memory,
    arguments: Writer,
    results: Reader,
    /// In the order of their tickets; what was taken back is not there.
    given: VecDeque<Given>,
    /// The ticket of the next task.
    next: u64,
    /// How many answers were taken.
    taken: u32,
    /// `answered` as it was seen last.
    answered: u32,
    /// How many since it was last empty.
    came: u32,
    window: Window,
    /// Tasks were put since the worker was last looked after.
    put_some: bool,
    /// What the worker has written that no worker writes, until it is heard.
    nonsense: Option<Nonsense>,
    seen: Arc<Seen>,
}

impl Lane {
    /// Makes a lane whose answers ring `bell`, and its other end.
    pub(crate) fn new(bell: &Bell) -> io::Result<(Self, Port)> {
        let memory = Memory::new()?;
        let port = Port::new(memory.clone(), bell.clone())?;
        let lane = Self {
            memory,
            arguments: Writer::new(port.arena.0.clone(), Side::Pool)?,
            results: Reader::new(port.arena.0.clone(), Side::Worker)?,
            given: VecDeque::new(),
            next: 0,
            taken: 0,
            answered: 0,
            came: 0,
            window: Window::new(),
            put_some: false,
            nonsense: None,
            seen: Arc::default(),
        };
        Ok((lane, port))
    }

    fn words(&self) -> &Words {
        self.memory.words()
    }

    /// Returns what looks whether there is something to hear.
    pub(crate) fn watch(&self) -> Watch {
        Watch { memory: self.memory.clone(), seen: Arc::clone(&self.seen) }
    }

    /// Returns the ticket that the next task gets, which is how the worker knows it.
    pub(crate) fn next_ticket(&self) -> u64 {
        self.next
    }

    /// Returns how many tasks it has that are not answered.
    pub(crate) fn given(&self) -> usize {
        self.given.len()
    }

    /// Returns how many more tasks the worker should get.
    pub(crate) fn room(&self) -> usize {
        self.window.tasks().saturating_sub(self.given.len())
    }

    /// Puts a task, and lets the worker see it, which may sleep.
    ///
    /// # Errors
    ///
    /// As [`put_unseen`](Self::put_unseen).
    #[cfg(test)]
    pub(super) fn put(&mut self, task: Task<'_>) -> Result<(), PutError> {
        self.put_unseen(task)?;
        self.publish();
        Ok(())
    }

    /// Puts a task. The worker may not know before [`wake`](Self::wake).
    ///
    /// # Errors
    ///
    /// [`PutError`]; nothing was put.
    pub(crate) fn put_unseen(&mut self, task: Task<'_>) -> Result<(), PutError> {
        let ticket = self.next;
        let oldest = self.given.front().map_or(ticket, |given| given.ticket);
        if ticket - oldest >= SLOTS as u64 {
            return Err(PutError::Full);
        }
        let part = if task.bytes.len() <= TASK_INLINE {
            None
        } else {
            Some(self.arguments.put(task.bytes).map_err(PutError::Memory)?)
        };
        if self.given.is_empty() {
            self.window.begin();
        }
        let words = self.memory.words();
        let place = &words.tasks[slot(ticket)];
        // Relaxed: the worker reads them once it has seen READY.
        place.call.iter().zip(task.call).for_each(|(to, word)| to.store(word, Relaxed));
        let shape = Shape { len: task.bytes.len(), packets: task.packets, kind: 0 };
        place.shape.store(shape.word(), Relaxed);
        match part {
            Some(part) => place.offset.store(part.start, Relaxed),
            None => inline::write(&place.inline, task.bytes),
        }
        // Release: pairs with the Acquire of the worker that begins it.
        place.state.store(tag::state(ticket, tag::READY), Release);
        let packets = task.packets > 0;
        self.given.push_back(Given { ticket, number: task.number, part, packets });
        self.next += 1;
        self.put_some = true;
        if self.next.is_multiple_of(TOGETHER) {
            self.publish();
        }
        Ok(())
    }

    /// Lets the worker see what was put. Not after each task: it looks there, and the line would go to and
    /// fro.
    fn publish(&self) {
        // Only this end writes it. Release: pairs with the Acquire in `Working::next`.
        self.words().pool.0.put.store(count(self.next), Release);
    }

    /// Wakes the worker if it sleeps and was given something.
    pub(crate) fn wake(&mut self) {
        if !std::mem::take(&mut self.put_some) {
            return;
        }
        self.publish();
        let words = self.memory.words();
        // Between the store of `put` and this load; pairs with the SeqCst store and load in
        // `Working::wait`: the worker sees the task, or we see that it sleeps.
        fence(SeqCst);
        if words.worker.0.asleep.load(Relaxed) != 0 {
            futex::wake(&words.pool.0.put, 1);
        }
    }

    /// Burns the next ticket: no task will have it.
    pub(crate) fn skip(&mut self) {
        self.next += 1;
        // The worker finds another state in the slot, and passes it by.
        self.publish();
    }

    /// Believes nothing more of what is here; why is heard next.
    pub(crate) fn distrust(&mut self, why: Nonsense) {
        if self.seen.belief.load(Relaxed) == belief::ALL {
            self.nonsense = Some(why);
            self.seen.belief.store(belief::NONE_UNHEARD, Relaxed);
        }
    }

    /// Takes a task back, unless the worker has begun it; says whether. One before which packets were sent
    /// only if the worker will never take those.
    ///
    /// A worker that has written over the state of the task, and will never begin it, is
    /// [not believed](Self::distrust) any more.
    pub(crate) fn take_back(&mut self, number: u64, with_packets: bool) -> bool {
        let Some(at) = self.given.iter().rposition(|given| given.number == number) else {
            return false;
        };
        let Given { ticket, packets, .. } = self.given[at];
        if packets && !with_packets {
            return false;
        }
        let state = &self.memory.words().tasks[slot(ticket)].state;
        let (ready, taken) = (tag::state(ticket, tag::READY), tag::state(ticket, tag::TAKEN));
        #[cfg(test)]
        if super::killed::takes_without_looking() {
            state.store(taken, SeqCst);
            self.remove(at);
            return true;
        }
        // AcqRel: pairs with the worker's own change of this word; nothing else is published by it.
        match state.compare_exchange(ready, taken, AcqRel, Acquire) {
            Ok(_) => {
                self.remove(at);
                true
            }
            Err(found) => {
                if found != tag::state(ticket, tag::BEGUN) {
                    self.distrust(Nonsense::NoState);
                }
                false
            }
        }
    }

    fn remove(&mut self, at: usize) {
        if let Some(part) = self.given.remove(at).and_then(|given| given.part) {
            self.arguments.give_back(part);
        }
    }

    /// Says whether a worker that has ended had begun the task with this number.
    pub(crate) fn had_begun(&self, number: u64) -> Begun {
        // The others lie behind the first.
        let Some(first) = self.given.front().filter(|first| first.number == number) else {
            return Begun::No;
        };
        let state = self.words().tasks[slot(first.ticket)].state.load(Acquire);
        match [tag::READY, tag::BEGUN].map(|tag| tag::state(first.ticket, tag)) {
            [ready, _] if state == ready => Begun::No,
            [_, begun] if state == begun => Begun::Yes,
            _ => Begun::Unknown,
        }
    }

    /// Returns the number of the task that the worker is in, and since when on the monotonic clock, in
    /// nanoseconds. Take the answers first: a task counts as begun until its answer is taken.
    pub(crate) fn begun(&self) -> Option<(u64, u64)> {
        let Given { ticket, number, .. } = *self.given.front()?;
        let place = &self.words().tasks[slot(ticket)];
        // Acquire: pairs with the change to BEGUN, before which `began` was written.
        let begun = place.state.load(Acquire) == tag::state(ticket, tag::BEGUN);
        begun.then(|| (number, place.began.load(Relaxed)))
    }

    /// Takes the next answer.
    pub(crate) fn pop(&mut self) -> Popped {
        if self.answered == self.taken {
            // Not for each answer: the worker writes there. Acquire: pairs with the store in
            // `Working::answer`, before which the answer was written.
            self.answered = self.words().worker.0.answered.load(Acquire);
        }
        if self.seen.belief.load(Relaxed) != belief::ALL {
            return self.nonsense.take().map_or(Popped::Nothing, |why| self.garbled(why));
        }
        if self.answered == self.taken {
            self.window.came(std::mem::take(&mut self.came));
            return Popped::Nothing;
        }
        if u64::from(self.answered.wrapping_sub(self.taken)) > self.given.len() as u64 {
            return self.garbled(Nonsense::TooMany);
        }
        let place = &self.memory.words().answers[slot(self.taken.into())];
        let read = |word: &AtomicU64| word.load(Relaxed);
        let (ticket, shape) = (read(&place.ticket), Shape::from_word(read(&place.shape)));
        if self.given.front().is_none_or(|given| given.ticket != ticket) {
            return self.garbled(Nonsense::OutOfOrder);
        }
        let bytes = if shape.len <= ANSWER_INLINE {
            Ok(inline::read(&place.inline, shape.len))
        } else {
            self.results.copy_out(read(&place.offset), shape.len).map(Bytes::Long)
        };
        if bytes.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData) {
            return self.garbled(Nonsense::Nowhere);
        }
        let Some(given) = self.given.pop_front() else { return Popped::Nothing };
        if let Some(part) = given.part {
            self.arguments.give_back(part);
        }
        self.taken = self.taken.wrapping_add(1);
        self.seen.taken.store(self.taken, Relaxed);
        self.came += 1;
        if self.taken == self.answered || u64::from(self.taken).is_multiple_of(TOGETHER) {
            // Release: pairs with the Acquire in `Working::reclaim`, after which the worker writes over the
            // answers' parts.
            self.words().pool.0.taken.store(self.taken, Release);
        }
        let Shape { kind, packets, .. } = shape;
        Popped::Answer(Answered { number: given.number, ticket, kind, packets, bytes })
    }

    fn garbled(&mut self, why: Nonsense) -> Popped {
        self.seen.belief.store(belief::NONE, Relaxed);
        Popped::Garbled(why)
    }

    /// Tells the worker that no more tasks will come.
    pub(crate) fn close(&mut self) {
        let words = self.memory.words();
        // SeqCst: as the fence in `wake`.
        words.pool.0.put.store(count(self.next) | CLOSED, SeqCst);
        futex::wake(&words.pool.0.put, 1);
    }

    /// Returns the words, to be garbled.
    #[cfg(test)]
    pub(super) fn raw(&self) -> &Words {
        self.words()
    }
}

/// Returns `put` for so many tasks.
fn count(tasks: u64) -> u32 {
    // Modulo 2^31.
    (tasks as u32) << 1
}
