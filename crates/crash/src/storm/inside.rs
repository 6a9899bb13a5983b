//! Locks in the storm: never two inside, no change lost, and every half-change told.

use super::weather::Station;
use super::{Account, Kind};
use proc_lock::{Mutex, ReentrantMutex, RwLock, Shared, SharedSlice};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] = &[
    Kind { name: "mutex", share: 2, open: || Box::new(Changers::new(Mutex::new([0; 2]).unwrap())) },
    Kind {
        name: "read-write lock",
        share: 2,
        open: || Box::new(Changers::new(RwLock::new([0; 2]).unwrap())),
    },
    Kind {
        name: "reentrant mutex",
        share: 1,
        open: || Box::new(Changers::new(ReentrantMutex::new([0; 2]).unwrap())),
    },
    Kind {
        name: "shared value",
        share: 1,
        open: || Box::new(Changers::new(Shared::new([0; 2]).unwrap())),
    },
    Kind {
        name: "shared slice",
        share: 1,
        open: || Box::new(Changers::new(SharedSlice::new(&[0; 2]).unwrap())),
    },
];

/// A lock as several use it at once.
trait Lock {
    /// Changes the numbers, repaired if need be.
    fn change<R>(&self, f: impl FnOnce(&mut [u64; 2]) -> R) -> R;
    /// Looks at them, if that is something else; whether they were equal all the time.
    fn look(&self) -> Option<bool>;
}

fn repair(both: &mut [u64; 2]) {
    both[1] = both[0];
}

impl Lock for Mutex<[u64; 2]> {
    fn change<R>(&self, f: impl FnOnce(&mut [u64; 2]) -> R) -> R {
        f(&mut self.lock_or_recover(repair))
    }

    fn look(&self) -> Option<bool> {
        None
    }
}

impl Lock for RwLock<[u64; 2]> {
    fn change<R>(&self, f: impl FnOnce(&mut [u64; 2]) -> R) -> R {
        f(&mut self.write_or_recover(repair))
    }

    /// Who is told that a writer died does not look.
    fn look(&self) -> Option<bool> {
        let both = self.read().ok()?;
        let before = *both;
        std::hint::black_box(&both);
        Some(before[0] == before[1] && *both == before)
    }
}

impl Lock for ReentrantMutex<[u64; 2]> {
    /// Locks twice, and puts the halves there one after the other.
    fn change<R>(&self, f: impl FnOnce(&mut [u64; 2]) -> R) -> R {
        let cell = self.lock_or_recover(|cell| cell.set([cell.get()[0]; 2]));
        let again = self.lock().unwrap();
        let mut both = cell.get();
        let result = f(&mut both);
        again.set([both[0], cell.get()[1]]);
        cell.set(both);
        result
    }

    fn look(&self) -> Option<bool> {
        None
    }
}

impl Lock for Shared<[u64; 2]> {
    fn change<R>(&self, f: impl FnOnce(&mut [u64; 2]) -> R) -> R {
        self.update(f)
    }

    fn look(&self) -> Option<bool> {
        let both = self.get();
        Some(both[0] == both[1])
    }
}

impl Lock for SharedSlice<u64> {
    fn change<R>(&self, f: impl FnOnce(&mut [u64; 2]) -> R) -> R {
        let mut both = self.lock_or_recover(|both| both[1] = both[0]);
        f((&mut *both).try_into().unwrap())
    }

    fn look(&self) -> Option<bool> {
        None
    }
}

const CREW: usize = 4;

const STOPPED: usize = 0;
const CORRUPT: usize = 16;
const COUNT: usize = 32;

/// All change the same two numbers; of those with an odd number in the crew, each looks more often than that.
struct Changers<L> {
    lock: L,
    words: SharedPage,
}

impl<L: Lock> Changers<L> {
    fn new(lock: L) -> Self {
        let words = SharedPage::new(COUNT + 16 * CREW);
        Self { lock, words }
    }

    fn is_corrupt(&self) {
        self.words[CORRUPT].fetch_add(1, SeqCst);
    }

    fn count(&self, member: usize) -> u64 {
        self.words[COUNT + 16 * member].load(Relaxed)
    }
}

impl<L: Lock> Station for Changers<L> {
    fn crew(&self) -> usize {
        CREW
    }

    fn work(&self, member: usize) {
        let looks = if member % 2 == 1 { 3 } else { 0 };
        while self.words[STOPPED].load(Relaxed) == 0 {
            if (0..looks).any(|_| self.lock.look() == Some(false)) {
                self.is_corrupt();
            }
            self.lock.change(|both| {
                if both[0] != both[1] {
                    self.is_corrupt();
                }
                both[0] += 1;
                std::hint::black_box(&mut *both);
                both[1] += 1;
            });
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
        let both = self.lock.change(|both| *both);
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
