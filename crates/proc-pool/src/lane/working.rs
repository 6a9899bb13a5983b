//! The worker's end of a lane: begins tasks, puts answers.

#![allow(unsafe_code, reason = "views arguments where the pool has written them")]

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use std::collections::VecDeque;
use std::io;

use multiproc_core::deadline::Deadline;
use multiproc_core::futex;
use multiproc_core::spin::Look;
use rustix::time::{ClockId, clock_gettime};

use super::arena::{Reader, Side, Writer};
use super::bell::Bell;
use super::extents::Extent;
use super::inline;
use super::memory::{Memory, Port};
use super::words::{ANSWER_INLINE, CLOSED, COUNTS, SLOTS, Shape, TASK_INLINE, Words, slot, tag};

/// A task that was begun.
#[derive(Debug)]
pub(crate) struct Order {
    /// To be passed to [`Working::answer`].
    pub(crate) ticket: u64,
    /// The name of its function.
    pub(crate) call: [u64; 4],
    /// How many packets are to be taken from the socket for it.
    pub(crate) packets: u8,
    place: Place,
}

/// Where the arguments of a task are.
#[derive(Clone, Copy, Debug)]
enum Place {
    Inline { len: usize },
    Arena { start: u64, len: usize },
}

/// The worker's end. One thread's, in one process.
#[derive(Debug)]
pub(crate) struct Working {
    memory: Memory,
    bell: Bell,
    arguments: Reader,
    results: Writer,
    /// Short arguments of the task that was begun last.
    inline: [u8; TASK_INLINE],
    /// The ticket of the next task.
    next: u64,
    /// `put` as it was seen last.
    put: u32,
    /// How many answers were put.
    answered: u32,
    /// Parts of answers that the pool may still have to read, with the number of the answer.
    parts: VecDeque<(u32, Extent)>,
    look: Look,
}

impl Working {
    /// Takes the worker's end of a lane that was made for it.
    pub(crate) fn new(port: Port) -> io::Result<Self> {
        Ok(Self {
            arguments: Reader::new(port.arena.0.clone(), Side::Pool)?,
            results: Writer::new(port.arena.0, Side::Worker)?,
            inline: [0; TASK_INLINE],
            memory: port.memory,
            bell: port.bell,
            next: 0,
            put: 0,
            answered: 0,
            parts: VecDeque::new(),
            look: Look::new(),
        })
    }

    fn words(&self) -> &Words {
        self.memory.words()
    }

    /// Says that the initializer has run.
    pub(crate) fn tell_ready(&self) {
        // SeqCst: as `answered`; see the bell.
        self.words().worker.0.ready.store(1, SeqCst);
        self.bell.ring();
    }

    /// Begins the next task, waiting until there is one; `None` when no more will come.
    pub(crate) fn next(&mut self) -> Option<Order> {
        loop {
            let mut ahead = self.ahead();
            if ahead == 0 {
                // Not for each task: the pool writes there. Acquire: pairs with the Release in
                // `Lane::publish`.
                self.put = self.words().pool.0.put.load(Acquire);
                ahead = self.ahead();
            }
            if ahead > COUNTS / 2 {
                // Somebody has written over it: nothing here can be believed any more.
                return None;
            }
            // What lies farther back was taken back, or its slot would not have been used again.
            self.next += u64::from(ahead).saturating_sub(SLOTS as u64);
            if ahead != 0 {
                let ticket = self.next;
                self.next += 1;
                if let Some(order) = self.begin(ticket) {
                    return Some(order);
                }
            } else if self.put & CLOSED != 0 {
                return None;
            } else {
                self.wait(self.put);
            }
        }
    }

    /// Returns how many tickets lie ahead, as far as is known.
    fn ahead(&self) -> u32 {
        (self.put >> 1).wrapping_sub(self.next as u32) & COUNTS
    }

    /// Begins this task, unless the pool has taken it back.
    fn begin(&mut self, ticket: u64) -> Option<Order> {
        let place = &self.memory.words().tasks[slot(ticket)];
        // Relaxed: published with the change to BEGUN. If it fails the pool reads this of no task.
        place.began.store(nanos(), Relaxed);
        let (ready, begun) = (tag::state(ticket, tag::READY), tag::state(ticket, tag::BEGUN));
        // Acquire: pairs with the Release in `Lane::put_unseen`, before which the task was written. Release: pairs
        // with the Acquire in `Lane::begun`. It fails if the pool was faster, and has perhaps put a later
        // task there already, whose turn comes.
        place.state.compare_exchange(ready, begun, AcqRel, Relaxed).ok()?;
        let read = |word: &AtomicU64| word.load(Relaxed);
        let shape = Shape::from_word(read(&place.shape));
        let call = [0, 1, 2, 3].map(|at| read(&place.call[at]));
        let len = shape.len;
        let place = if len <= TASK_INLINE {
            inline::read_into(&place.inline, &mut self.inline);
            Place::Inline { len }
        } else {
            Place::Arena { start: read(&place.offset), len }
        };
        Some(Order { ticket, call, packets: shape.packets, place })
    }

    /// Returns the encoded arguments of the task that was begun last, where they lie.
    ///
    /// # Errors
    ///
    /// This process has no room to map them.
    pub(crate) fn arguments(&mut self, order: &Order) -> io::Result<&[u8]> {
        match order.place {
            Place::Inline { len } => Ok(&self.inline[..len]),
            // SAFETY: the pool writes there again once the task is answered, which takes `&mut self`. No other
            // process has the arena. That the pool keeps to it the worker believes, as it calls what functions
            // the pool names.
            Place::Arena { start, len } => unsafe { self.arguments.view(start, len) },
        }
    }

    /// Waits until `put` is something else.
    #[cold]
    fn wait(&self, seen: u32) {
        let Words { pool, worker, .. } = self.words();
        let (put, asleep) = (&pool.0.put, &worker.0.asleep);
        // Acquire: as in `next`.
        if self.look.until(|| put.load(Acquire) != seen) {
            return;
        }
        // SeqCst, both: pair with the fence in `Lane::wake`.
        asleep.store(1, SeqCst);
        if put.load(SeqCst) == seen {
            futex::wait(put, seen, Deadline::NEVER);
        }
        // Relaxed: too late, it costs the pool a system call.
        asleep.store(0, Relaxed);
    }

    /// Puts the answer to a task, and rings.
    ///
    /// # Errors
    ///
    /// There is no memory for it; nothing was put, and a shorter one may be.
    pub(crate) fn answer(
        &mut self,
        ticket: u64,
        kind: u8,
        packets: u8,
        bytes: &[u8],
    ) -> io::Result<()> {
        // What the arguments took is not needed any more.
        self.arguments.trim();
        let part = if bytes.len() <= ANSWER_INLINE {
            None
        } else {
            self.reclaim();
            Some(self.results.put(bytes)?)
        };
        #[cfg(test)]
        if super::killed::commits_first() {
            self.words().worker.0.answered.store(self.answered.wrapping_add(1), SeqCst);
        }
        let words = self.memory.words();
        let place = &words.answers[slot(self.answered.into())];
        // Relaxed: published with `answered`.
        place.ticket.store(ticket, Relaxed);
        place.shape.store(Shape { len: bytes.len(), packets, kind }.word(), Relaxed);
        match part {
            Some(part) => {
                place.offset.store(part.start, Relaxed);
                self.parts.push_back((self.answered, part));
            }
            None => inline::write(&place.inline, bytes),
        }
        self.answered = self.answered.wrapping_add(1);
        // From here on it counts. Release: pairs with the Acquire in `Lane::pop`; SeqCst: see the bell.
        words.worker.0.answered.store(self.answered, SeqCst);
        self.bell.ring();
        Ok(())
    }

    /// Takes back the parts of answers that were taken.
    fn reclaim(&mut self) {
        // Acquire: pairs with the Release in `Lane::pop`.
        let taken = self.words().pool.0.taken.load(Acquire);
        // What is older than `taken` lies within half the numbers' range behind it.
        let done = |(number, _): &(u32, Extent)| {
            let behind = taken.wrapping_sub(*number);
            behind != 0 && behind <= u32::MAX / 2
        };
        while self.parts.front().is_some_and(done) {
            if let Some((_, part)) = self.parts.pop_front() {
                self.results.give_back(part);
            }
        }
    }
}

/// Returns the monotonic clock in nanoseconds.
pub(crate) fn nanos() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}
