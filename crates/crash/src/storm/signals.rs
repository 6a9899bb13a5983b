//! Events and barriers in the storm: who is woken goes on, and who dies takes nobody along.

use super::weather::Station;
use super::{Account, Kind};
use proc_lock::{Barrier, Event};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "event", share: 1, open: || Box::new(Bell::new()) },
    Kind { name: "barrier", share: 1, open: || Box::new(Rounds::new()) },
];

const CREW: usize = 4;

const STOPPED: usize = 0;
/// How often somebody led a round.
const LED: usize = 16;
const COUNT: usize = 32;

/// What the members of a crew share beside their subject.
struct Words(SharedPage);

impl Words {
    fn new() -> Self {
        Self(SharedPage::new(COUNT + 16 * CREW))
    }

    fn is_stopped(&self) -> bool {
        self.0[STOPPED].load(Relaxed) != 0
    }

    fn count(&self, member: usize) {
        self.0[COUNT + 16 * member].fetch_add(1, Relaxed);
    }

    fn sum(&self) -> u64 {
        (0..CREW).map(|member| self.0[COUNT + 16 * member].load(Relaxed)).sum()
    }
}

/// Those with an even number in the crew ring when it is silent, and the others wait for that and silence it:
/// whoever sleeps on when it rings is not woken by the next one.
struct Bell {
    event: Event,
    words: Words,
}

impl Bell {
    fn new() -> Self {
        Self { event: Event::new().unwrap(), words: Words::new() }
    }
}

impl Station for Bell {
    fn crew(&self) -> usize {
        CREW
    }

    fn work(&self, member: usize) {
        while !self.words.is_stopped() {
            if member % 2 == 1 {
                self.event.wait();
                self.event.clear();
                self.words.count(member);
            } else if self.event.is_set() {
                std::thread::yield_now();
            } else {
                self.event.set();
            }
        }
    }

    fn progress(&self) -> u64 {
        self.words.sum()
    }

    fn wind_down(&self, _at_work: &[bool]) {
        self.words.0[STOPPED].store(1, SeqCst);
        self.event.set();
    }

    fn account(&self, _kills: &[u64]) -> Account {
        self.event.clear();
        let stays_set = u64::from(self.event.is_set());
        self.event.set();
        let is_lost = u64::from(!self.event.is_set());
        Account { done: self.words.sum(), lost: is_lost, corrupt: stays_set, ..Account::default() }
    }
}

/// All meet again and again; who is told that it broke mends it.
struct Rounds {
    barrier: Barrier,
    words: Words,
}

impl Rounds {
    fn new() -> Self {
        Self { barrier: Barrier::new(CREW as u32).unwrap(), words: Words::new() }
    }
}

impl Station for Rounds {
    fn crew(&self) -> usize {
        CREW
    }

    fn work(&self, member: usize) {
        while !self.words.is_stopped() {
            match self.barrier.wait() {
                Ok(result) => {
                    if result.is_leader() {
                        self.words.0[LED].fetch_add(1, SeqCst);
                    }
                    self.words.count(member);
                }
                // Others may have mended it and wait already: they are not to be sent away.
                Err(_) if self.barrier.is_broken() => self.barrier.reset(),
                Err(_) => (),
            }
        }
    }

    fn progress(&self) -> u64 {
        self.words.sum()
    }

    fn wind_down(&self, _at_work: &[bool]) {
        self.words.0[STOPPED].store(1, SeqCst);
        // Those who wait for one who has gone.
        self.barrier.abort();
    }

    fn account(&self, kills: &[u64]) -> Account {
        let (passed, led) = (self.words.sum(), self.words.0[LED].load(SeqCst));
        let killed: u64 = kills.iter().sum();
        Account {
            done: passed,
            // Each who was killed may have led, or passed, without telling.
            lost: led.saturating_sub(passed + killed),
            twice: passed.saturating_sub(CREW as u64 * (led + killed)),
            corrupt: (led * CREW as u64).saturating_sub(passed + CREW as u64 * killed),
            ..Account::default()
        }
    }
}
