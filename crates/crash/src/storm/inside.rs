//! Locks in the storm: never two inside, no change lost, and every half-change told.

use super::weather::Station;
use super::{Account, Kind};
use proc_lock::Mutex;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] =
    &[Kind { name: "mutex", share: 2, open: || Box::new(Changers::new()) }];

const CREW: usize = 4;

const STOPPED: usize = 0;
const CORRUPT: usize = 16;
const COUNT: usize = 32;

/// All change the same two numbers.
struct Changers {
    mutex: Mutex<[u64; 2]>,
    words: SharedPage,
}

impl Changers {
    fn new() -> Self {
        let words = SharedPage::new(COUNT + 16 * CREW);
        Self { mutex: Mutex::new([0; 2]).unwrap(), words }
    }

    fn count(&self, member: usize) -> u64 {
        self.words[COUNT + 16 * member].load(Relaxed)
    }
}

impl Station for Changers {
    fn crew(&self) -> usize {
        CREW
    }

    fn work(&self, member: usize) {
        while self.words[STOPPED].load(Relaxed) == 0 {
            let mut both = self.mutex.lock_or_recover(|both| both[1] = both[0]);
            if both[0] != both[1] {
                self.words[CORRUPT].fetch_add(1, SeqCst);
            }
            both[0] += 1;
            std::hint::black_box(&mut both);
            both[1] += 1;
            drop(both);
            self.words[COUNT + 16 * member].fetch_add(1, Relaxed);
        }
    }

    fn progress(&self) -> u64 {
        (0..CREW).map(|member| self.count(member)).sum()
    }

    fn wind_down(&self, _at_work: &[bool]) {
        self.words[STOPPED].store(1, SeqCst);
    }

    fn account(&self, kills: &[u64]) -> Account {
        let both = *self.mutex.lock_or_recover(|both| both[1] = both[0]);
        let counted = self.progress();
        // Each who was killed may have changed the numbers once more than it could count.
        let most = counted + kills.iter().sum::<u64>();
        Account {
            done: both[0],
            lost: counted.saturating_sub(both[0]),
            twice: both[0].saturating_sub(most),
            corrupt: self.words[CORRUPT].load(SeqCst) + u64::from(both[0] != both[1]),
            ..Account::default()
        }
    }
}
