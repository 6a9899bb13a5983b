//! Queues in the storm. Every message has a number of its own, and each number is marked when it
//! arrives.

mod faces;

use super::weather::Station;
use super::{Account, Kind};
use faces::{Bytes, Face, InBlocks, Numbers, Pipe, Single, Values};
use std::cell::RefCell;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "queue, batches of 128", share: 10, open: || Box::new(Line::<Numbers>::new()) },
    Kind { name: "queue, one by one", share: 3, open: || Box::new(Line::<Single>::new()) },
    Kind { name: "byte queue", share: 2, open: || Box::new(Line::<Bytes>::new()) },
    Kind { name: "queue of values", share: 1, open: || Box::new(Line::<Values>::new()) },
    Kind { name: "blocks", share: 1, open: || Box::new(Line::<InBlocks>::new()) },
    Kind { name: "pipe", share: 2, open: || Box::new(Line::<Pipe>::new()) },
];

const PRODUCERS: usize = 2;
const CONSUMERS: usize = 2;

/// The most messages of one producer in a round.
const MOST: u64 = 1 << 27;

/// A message: eight bits say whose it is, 32 which of his, and the rest follows from these.
pub(crate) fn message(producer: usize, number: u64) -> u64 {
    let plain = (producer as u64) << 32 | number;
    plain | (plain.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) << 40
}

/// Takes a message apart, if it is one.
pub(crate) fn parse(received: u64) -> Option<(usize, u64)> {
    let (producer, number) = ((received >> 32) as u8 as usize, received & 0xffff_ffff);
    (producer < PRODUCERS && number < MOST && message(producer, number) == received)
        .then_some((producer, number))
}

/// Ends the work of the consumer that receives it, which sends it on.
pub(crate) const STOP: u64 = u64::MAX;

/// Where the words lie that the processes share, a few lines apart.
const STOPPED: usize = 0;
const CORRUPT: usize = 16;
const TWICE: usize = 32;
const ORDER: usize = 48;
const INTENDED: usize = 64;
const COMMITTED: usize = INTENDED + 16 * PRODUCERS;
const RECEIVED: usize = COMMITTED + 16 * PRODUCERS;
const WORDS: usize = RECEIVED + 16 * CONSUMERS;

/// Producers, a queue, and consumers.
struct Line<F> {
    face: F,
    words: SharedPage,
    /// A bit for each message.
    marks: Vec<SharedPage>,
    /// From and to: what a producer was about to send when it was killed, and may have sent.
    perhaps: RefCell<Vec<(usize, u64, u64)>>,
}

impl<F: Face> Line<F> {
    fn new() -> Self {
        let marks = (0..PRODUCERS).map(|_| SharedPage::new((MOST / 64) as usize)).collect();
        let words = SharedPage::new(WORDS);
        Self { face: F::new(), words, marks, perhaps: RefCell::default() }
    }

    fn produce(&self, producer: usize) {
        let (intended, committed) =
            (&self.words[INTENDED + 16 * producer], &self.words[COMMITTED + 16 * producer]);
        let mut batch = Vec::with_capacity(F::BATCH);
        // What the one before was about to send may be there.
        let mut next = intended.load(SeqCst);
        while self.words[STOPPED].load(Relaxed) == 0 {
            let end = (next + F::BATCH as u64).min(MOST);
            batch.clear();
            batch.extend((next..end).map(|number| message(producer, number)));
            if batch.is_empty() {
                return;
            }
            intended.store(end, SeqCst);
            while next < end {
                let sent = self.face.send(&batch[batch.len() - (end - next) as usize..]);
                next += sent as u64;
                committed.store(next, SeqCst);
            }
        }
    }

    fn consume(&self, consumer: usize) {
        let count = &self.words[RECEIVED + 16 * consumer];
        let mut batch = Vec::with_capacity(2 * F::BATCH);
        let mut last = [None; PRODUCERS];
        loop {
            batch.clear();
            self.face.receive(&mut batch);
            let stopped = batch.last() == Some(&STOP);
            if stopped {
                batch.pop();
            }
            self.mark(&batch, &mut last);
            count.fetch_add(batch.len() as u64, Relaxed);
            if stopped {
                self.face.send(&[STOP]);
                return;
            }
        }
    }

    /// Marks what arrived, the neighbours of a word at once.
    fn mark(&self, batch: &[u64], last: &mut [Option<u64>; PRODUCERS]) {
        let mut under_way = (0, 0, 0);
        for &received in batch {
            let Some((producer, number)) = parse(received) else {
                self.words[CORRUPT].fetch_add(1, SeqCst);
                continue;
            };
            if last[producer].replace(number).is_some_and(|before| before >= number) {
                self.words[ORDER].fetch_add(1, SeqCst);
            }
            let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
            if (producer, word) != (under_way.0, under_way.1) || under_way.2 & bit != 0 {
                self.mark_word(under_way);
                under_way = (producer, word, 0);
            }
            under_way.2 |= bit;
        }
        self.mark_word(under_way);
    }

    fn mark_word(&self, (producer, word, bits): (usize, usize, u64)) {
        if bits != 0 {
            let twice = self.marks[producer][word].fetch_or(bits, Relaxed) & bits;
            if twice != 0 {
                self.words[TWICE].fetch_add(u64::from(twice.count_ones()), SeqCst);
            }
        }
    }

    /// Counts what of a producer's messages arrived, and what did not though it was sent.
    fn count(&self, producer: usize) -> (u64, u64) {
        let committed = self.words[COMMITTED + 16 * producer].load(SeqCst);
        let marks = &self.marks[producer];
        let arrived = |from: u64, to: u64| -> u64 {
            let mut sum = 0;
            let mut at = from;
            while at < to {
                let end = (at / 64 * 64 + 64).min(to);
                let bits = marks[(at / 64) as usize].load(Relaxed) >> (at % 64);
                let width = end - at;
                let mask = if width == 64 { u64::MAX } else { (1 << width) - 1 };
                sum += u64::from((bits & mask).count_ones());
                at = end;
            }
            sum
        };
        let (mut missing, mut from) = (0, 0);
        for &(_, begin, end) in self.perhaps.borrow().iter().filter(|(who, ..)| *who == producer) {
            missing += begin - from - arrived(from, begin);
            from = end;
        }
        if from < committed {
            missing += committed - from - arrived(from, committed);
        }
        (arrived(0, MOST.min(committed + F::BATCH as u64)), missing)
    }
}

impl<F: Face> Station for Line<F> {
    fn crew(&self) -> usize {
        PRODUCERS + CONSUMERS
    }

    fn work(&self, member: usize) {
        match member.checked_sub(PRODUCERS) {
            None => self.produce(member),
            Some(consumer) => self.consume(consumer),
        }
    }

    fn was_killed(&self, member: usize) {
        if member < PRODUCERS {
            let load = |at: usize| self.words[at + 16 * member].load(SeqCst);
            let (committed, intended) = (load(COMMITTED), load(INTENDED));
            if committed < intended {
                self.perhaps.borrow_mut().push((member, committed, intended));
                self.words[COMMITTED + 16 * member].store(intended, SeqCst);
            }
        }
    }

    fn progress(&self) -> u64 {
        (0..CONSUMERS).map(|at| self.words[RECEIVED + 16 * at].load(Relaxed)).sum()
    }

    fn is_exhausted(&self) -> bool {
        (0..PRODUCERS).any(|at| self.words[INTENDED + 16 * at].load(Relaxed) == MOST)
    }

    fn wind_down(&self, at_work: &[bool]) {
        self.words[STOPPED].store(1, SeqCst);
        let produced = !at_work[..PRODUCERS].contains(&true);
        // One is enough: who receives it sends it on.
        if produced && self.words[STOPPED + 1].swap(1, SeqCst) == 0 {
            self.face.send(&[STOP]);
        }
    }

    fn account(&self, kills: &[u64]) -> Account {
        let mut rest = Vec::new();
        self.face.drain(&mut rest);
        rest.retain(|message| *message != STOP);
        self.mark(&rest, &mut [None; PRODUCERS]);
        let counts = [0, 1].map(|producer| self.count(producer));
        let received_by_killed: u64 = kills[PRODUCERS..].iter().sum();
        Account {
            done: counts.iter().map(|(arrived, _)| arrived).sum(),
            lost: counts.iter().map(|(_, lost)| lost).sum(),
            may_be_lost: received_by_killed * F::BATCH as u64,
            twice: self.words[TWICE].load(SeqCst),
            corrupt: self.words[CORRUPT].load(SeqCst),
            out_of_order: self.words[ORDER].load(SeqCst),
        }
    }
}
