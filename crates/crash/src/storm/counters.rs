//! Semaphores in the storm, and one made of a condition variable: what was released less what was acquired is what is there.

use super::weather::Station;
use super::{Account, Kind};
use proc_lock::{Condvar, Mutex};
use proc_semaphore::Semaphore;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "semaphore", share: 2, open: || Box::new(Turnover::<Semaphore>::new(1)) },
    Kind {
        name: "semaphore, three at once",
        share: 1,
        open: || Box::new(Turnover::<Semaphore>::new(3)),
    },
    Kind { name: "condition variable", share: 1, open: || Box::new(Turnover::<Store>::new(1)) },
];

/// Permits, none at first.
trait Permits {
    fn new() -> Self;
    fn acquire(&self, many: u32);
    fn release(&self, many: u32);
    fn value(&self) -> u32;
}

impl Permits for Semaphore {
    fn new() -> Self {
        Semaphore::new(0).unwrap()
    }

    fn acquire(&self, many: u32) {
        match many {
            1 => self.acquire(),
            many => self.acquire_many(many).unwrap(),
        }
    }

    fn release(&self, many: u32) {
        match many {
            1 => self.release().unwrap(),
            many => self.release_many(many).unwrap(),
        }
    }

    fn value(&self) -> u32 {
        self.value()
    }
}

/// A number, and how those are told who wait for it to grow.
struct Store(Mutex<u32>, Condvar);

impl Permits for Store {
    fn new() -> Self {
        Self(Mutex::new(0).unwrap(), Condvar::new().unwrap())
    }

    fn acquire(&self, many: u32) {
        let mut number = self.0.lock_or_recover(|_| ());
        loop {
            match self.1.wait_while(number, |number| *number < many) {
                Ok(mut enough) => return *enough -= many,
                // The number is whole at any time: there is nothing to repair.
                Err(told) => {
                    number = told.into_inner();
                    number.mark_consistent();
                }
            }
        }
    }

    fn release(&self, many: u32) {
        *self.0.lock_or_recover(|_| ()) += many;
        self.1.notify_one();
    }

    fn value(&self) -> u32 {
        *self.0.lock_or_recover(|_| ())
    }
}

const RELEASERS: usize = 2;
const ACQUIRERS: usize = 2;

/// So many are not released beyond those acquired, so that acquirers sleep, and the number stays small.
const AHEAD: u32 = 60;

const STOPPED: usize = 0;
const COUNT: usize = 16;

/// Some release permits, others acquire them.
struct Turnover<P> {
    permits: P,
    at_once: u32,
    words: SharedPage,
}

impl<P: Permits> Turnover<P> {
    fn new(at_once: u32) -> Self {
        let words = SharedPage::new(COUNT + 16 * (RELEASERS + ACQUIRERS));
        Self { permits: P::new(), at_once, words }
    }

    fn count(&self, member: usize) -> u64 {
        self.words[COUNT + 16 * member].load(SeqCst)
    }

    fn is_stopped(&self) -> bool {
        self.words[STOPPED].load(Relaxed) != 0
    }
}

impl<P: Permits> Station for Turnover<P> {
    fn crew(&self) -> usize {
        RELEASERS + ACQUIRERS
    }

    fn work(&self, member: usize) {
        while !self.is_stopped() {
            if member >= RELEASERS {
                self.permits.acquire(self.at_once);
            } else if self.permits.value() > AHEAD {
                std::thread::yield_now();
                continue;
            } else {
                self.permits.release(self.at_once);
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
        if released && self.permits.value() < self.at_once {
            self.permits.release(self.at_once);
            self.words[COUNT].fetch_add(1, SeqCst);
        }
    }

    fn account(&self, kills: &[u64]) -> Account {
        let sum = |members: std::ops::Range<usize>| -> u64 {
            members.map(|member| self.count(member)).sum()
        };
        let (released, acquired) = (sum(0..RELEASERS), sum(RELEASERS..self.crew()));
        let left = u64::from(self.permits.value()) / u64::from(self.at_once);
        let torn = u64::from(self.permits.value()) % u64::from(self.at_once);
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
