//! Semaphores in the storm: what was released less what was acquired is what is there.

use super::weather::Station;
use super::{Account, Kind};
use proc_semaphore::Semaphore;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "semaphore", share: 2, open: || Box::new(Turnover::new(1)) },
    Kind { name: "semaphore, three at once", share: 1, open: || Box::new(Turnover::new(3)) },
];

const RELEASERS: usize = 2;
const ACQUIRERS: usize = 2;

/// So many are not released beyond those acquired, so that acquirers sleep, and the number stays small.
const AHEAD: u32 = 60;

const STOPPED: usize = 0;
const COUNT: usize = 16;

/// Some release permits, others acquire them.
struct Turnover {
    semaphore: Semaphore,
    at_once: u32,
    words: SharedPage,
}

impl Turnover {
    fn new(at_once: u32) -> Self {
        let words = SharedPage::new(COUNT + 16 * (RELEASERS + ACQUIRERS));
        Self { semaphore: Semaphore::new(0).unwrap(), at_once, words }
    }

    fn count(&self, member: usize) -> u64 {
        self.words[COUNT + 16 * member].load(SeqCst)
    }

    fn is_stopped(&self) -> bool {
        self.words[STOPPED].load(Relaxed) != 0
    }
}

impl Station for Turnover {
    fn crew(&self) -> usize {
        RELEASERS + ACQUIRERS
    }

    fn work(&self, member: usize) {
        while !self.is_stopped() {
            if member >= RELEASERS {
                match self.at_once {
                    1 => self.semaphore.acquire(),
                    many => self.semaphore.acquire_many(many).unwrap(),
                }
            } else if self.semaphore.value() > AHEAD {
                std::thread::yield_now();
                continue;
            } else {
                match self.at_once {
                    1 => self.semaphore.release().unwrap(),
                    many => self.semaphore.release_many(many).unwrap(),
                }
            }
            self.words[COUNT + 16 * member].fetch_add(1, SeqCst);
        }
    }

    fn progress(&self) -> u64 {
        (RELEASERS..self.crew()).map(|member| self.count(member)).sum()
    }

    fn wind_down(&self, at_work: &[bool]) {
        self.words[STOPPED].store(1, SeqCst);
        // Who waits for permits that nobody releases any more gets them from here, and they are counted.
        let released = !at_work[..RELEASERS].contains(&true);
        if released && self.semaphore.value() < self.at_once {
            self.semaphore.release_many(self.at_once).unwrap();
            self.words[COUNT].fetch_add(1, SeqCst);
        }
    }

    fn account(&self, kills: &[u64]) -> Account {
        let sum = |members: std::ops::Range<usize>| -> u64 {
            members.map(|member| self.count(member)).sum()
        };
        let (released, acquired) = (sum(0..RELEASERS), sum(RELEASERS..self.crew()));
        let left = u64::from(self.semaphore.value()) / u64::from(self.at_once);
        let torn = u64::from(self.semaphore.value()) % u64::from(self.at_once);
        // Each who was killed may have done one more than it could count.
        let more_released: u64 = kills[..RELEASERS].iter().sum();
        let more_acquired: u64 = kills[RELEASERS..].iter().sum();
        Account {
            done: acquired,
            lost: released.saturating_sub(acquired + left),
            may_be_lost: more_acquired,
            twice: (acquired + left).saturating_sub(released + more_released),
            corrupt: torn,
            out_of_order: 0,
        }
    }
}
