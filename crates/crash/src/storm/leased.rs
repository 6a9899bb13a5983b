//! Leases in the storm. Nothing is lost, whoever is killed with a message in his hands, and nothing that was
//! acknowledged comes again.

use super::messages::{STOP, message, parse};
use super::weather::Station;
use super::{Account, Kind};
use shm_queue::{Lease, LeaseReceiver, Sender, bounded_leased};
use std::cell::RefCell;
use std::collections::HashSet;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "leases, one by one", share: 3, open: || Box::new(Jobs::new(1)) },
    Kind { name: "leases, four at once", share: 2, open: || Box::new(Jobs::new(4)) },
];

const PRODUCERS: usize = 2;
const CONSUMERS: usize = 2;

/// The most messages of one producer in a round.
const MOST: u64 = 1 << 26;

/// Where the words lie that the processes share, a few lines apart.
const STOPPED: usize = 0;
const CORRUPT: usize = 16;
const AGAIN: usize = 32;
const INTENDED: usize = 48;
const COMMITTED: usize = INTENDED + 16 * PRODUCERS;
/// What a consumer is about to acknowledge, or has just acknowledged and not marked; 0 for nothing.
const ABOUT: usize = COMMITTED + 16 * PRODUCERS;
const DONE: usize = ABOUT + 16 * CONSUMERS;
const WORDS: usize = DONE + 16 * CONSUMERS;

/// Producers, and consumers who lease and acknowledge.
struct Jobs {
    sender: Sender<u64>,
    receiver: LeaseReceiver<u64>,
    at_once: usize,
    words: SharedPage,
    /// A bit for each message that was acknowledged for sure.
    marks: Vec<SharedPage>,
    /// What a producer may have sent, and a consumer acknowledged, just before they were killed.
    perhaps: RefCell<HashSet<u64>>,
}

impl Jobs {
    fn new(at_once: usize) -> Self {
        let (sender, receiver) = bounded_leased(64, 16).unwrap();
        let marks = (0..PRODUCERS).map(|_| SharedPage::new((MOST / 64) as usize)).collect();
        let (words, perhaps) = (SharedPage::new(WORDS), RefCell::default());
        Self { sender, receiver, at_once, words, marks, perhaps }
    }

    fn produce(&self, producer: usize) {
        let (intended, committed) =
            (&self.words[INTENDED + 16 * producer], &self.words[COMMITTED + 16 * producer]);
        // What the one before was about to send may be there.
        for next in intended.load(SeqCst)..MOST {
            if self.words[STOPPED].load(Relaxed) != 0 {
                return;
            }
            intended.store(next + 1, SeqCst);
            self.sender.send(message(producer, next)).unwrap();
            committed.store(next + 1, SeqCst);
        }
    }

    fn consume(&self, consumer: usize) {
        loop {
            let leases = match self.at_once {
                1 => vec![self.receiver.lease().unwrap()],
                many => self.receiver.lease_many(many).unwrap().into_iter().collect(),
            };
            for lease in leases {
                // It is given back, so the other one gets it, too.
                if *lease == STOP {
                    return;
                }
                self.acknowledge(consumer, lease);
            }
        }
    }

    fn acknowledge(&self, consumer: usize, lease: Lease<'_, u64>) {
        let Some((producer, number)) = parse(*lease) else {
            self.words[CORRUPT].fetch_add(1, SeqCst);
            return;
        };
        let (word, bit) = (&self.marks[producer][(number / 64) as usize], 1 << (number % 64));
        if word.load(SeqCst) & bit != 0 {
            self.words[AGAIN].fetch_add(1, SeqCst);
        }
        let about = &self.words[ABOUT + 16 * consumer];
        about.store(*lease, SeqCst);
        lease.ack();
        word.fetch_or(bit, SeqCst);
        about.store(0, SeqCst);
        self.words[DONE + 16 * consumer].fetch_add(1, Relaxed);
    }

    fn is_marked(&self, producer: usize, number: u64) -> bool {
        self.marks[producer][(number / 64) as usize].load(SeqCst) & 1 << (number % 64) != 0
    }
}

impl Station for Jobs {
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
        let mut perhaps = self.perhaps.borrow_mut();
        if let Some(consumer) = member.checked_sub(PRODUCERS) {
            let about = self.words[ABOUT + 16 * consumer].swap(0, SeqCst);
            perhaps.extend((about != 0).then_some(about));
        } else {
            let intended = self.words[INTENDED + 16 * member].load(SeqCst);
            if self.words[COMMITTED + 16 * member].swap(intended, SeqCst) < intended {
                perhaps.insert(message(member, intended - 1));
            }
        }
    }

    fn progress(&self) -> u64 {
        (0..CONSUMERS).map(|at| self.words[DONE + 16 * at].load(Relaxed)).sum()
    }

    fn is_exhausted(&self) -> bool {
        (0..PRODUCERS).any(|at| self.words[INTENDED + 16 * at].load(Relaxed) == MOST)
    }

    fn wind_down(&self, at_work: &[bool]) {
        self.words[STOPPED].store(1, SeqCst);
        let produced = !at_work[..PRODUCERS].contains(&true);
        if produced && self.words[STOPPED + 1].swap(1, SeqCst) == 0 {
            self.sender.send(STOP).unwrap();
        }
    }

    fn account(&self, _kills: &[u64]) -> Account {
        while let Ok(lease) = self.receiver.try_lease() {
            if *lease == STOP {
                lease.ack();
            } else {
                self.acknowledge(0, lease);
            }
        }
        let perhaps = self.perhaps.borrow();
        let mut lost = 0;
        for producer in 0..PRODUCERS {
            let sent = self.words[COMMITTED + 16 * producer].load(SeqCst);
            let is_lost = |number: &u64| {
                !self.is_marked(producer, *number) && !perhaps.contains(&message(producer, *number))
            };
            lost += (0..sent).filter(is_lost).count() as u64;
        }
        Account {
            done: self.progress(),
            lost,
            // Nothing at all, after any number of kills.
            may_be_lost: 0,
            twice: self.words[AGAIN].load(SeqCst),
            corrupt: self.words[CORRUPT].load(SeqCst),
            out_of_order: 0,
        }
    }
}
