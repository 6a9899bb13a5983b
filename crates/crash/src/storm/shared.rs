//! Permits with owners in the storm: never more than there are, and all come back.

use super::weather::Station;
use super::{Account, Kind};
use proc_semaphore::PermitPool;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use testkit::SharedPage;

pub(crate) const KINDS: &[Kind] =
    &[Kind { name: "permit pool", share: 2, open: || Box::new(Guests::new()) }];

const CREW: usize = 5;
const ROOMS: u32 = 3;

const STOPPED: usize = 0;
const CORRUPT: usize = 16;
/// Who is in which room: 0, or a guest's name.
const ROOM: usize = 32;
const COUNT: usize = ROOM + 16 * ROOMS as usize;
/// How many of those who worked as this member were killed, or are about to be.
const DOOMED: usize = COUNT + 16 * CREW;
/// The same, but gone for sure.
const GONE: usize = DOOMED + 16 * CREW;
const WORDS: usize = GONE + 16 * CREW;

/// More guests than rooms. With a permit there must be a room, of nobody or of a dead one.
struct Guests {
    pool: PermitPool,
    words: SharedPage,
}

impl Guests {
    fn new() -> Self {
        Self { pool: PermitPool::new(ROOMS).unwrap(), words: SharedPage::new(WORDS) }
    }

    fn is_doomed(&self, name: u64) -> bool {
        let (member, life) = ((name % 16) as usize, name / 16);
        life <= self.words[DOOMED + 16 * member].load(SeqCst)
    }

    /// Finds a room, for one who has a permit.
    fn enter(&self, name: u64) -> Option<usize> {
        // Others move while one looks, and who was killed may not yet be known as dead.
        (0..100_000).find_map(|_| {
            (0..ROOMS as usize).map(|room| ROOM + 16 * room).find(|&room| {
                let guest = self.words[room].load(SeqCst);
                (guest == 0 || self.is_doomed(guest))
                    && self.words[room].compare_exchange(guest, name, SeqCst, SeqCst).is_ok()
            })
        })
    }
}

impl Station for Guests {
    fn crew(&self) -> usize {
        CREW
    }

    fn work(&self, member: usize) {
        // Lives are counted from 1, so that no name is 0.
        let name = (self.words[GONE + 16 * member].load(SeqCst) + 1) * 16 + member as u64;
        while self.words[STOPPED].load(Relaxed) == 0 {
            let permit = self.pool.acquire().unwrap();
            match self.enter(name) {
                Some(room) => {
                    let left = self.words[room].compare_exchange(name, 0, SeqCst, SeqCst);
                    // Taken over by another only if we are about to be killed.
                    if left.is_err() && !self.is_doomed(name) {
                        self.words[CORRUPT].fetch_add(1, SeqCst);
                    }
                }
                None => _ = self.words[CORRUPT].fetch_add(1, SeqCst),
            }
            drop(permit);
            self.words[COUNT + 16 * member].fetch_add(1, Relaxed);
        }
    }

    fn is_about_to_be_killed(&self, member: usize) {
        self.words[DOOMED + 16 * member].fetch_add(1, SeqCst);
    }

    fn was_killed(&self, member: usize) {
        self.words[GONE + 16 * member].fetch_add(1, SeqCst);
    }

    fn progress(&self) -> u64 {
        (0..CREW).map(|member| self.words[COUNT + 16 * member].load(Relaxed)).sum()
    }

    fn wind_down(&self, _at_work: &[bool]) {
        self.words[STOPPED].store(1, SeqCst);
    }

    fn account(&self, _kills: &[u64]) -> Account {
        let available = u64::from(self.pool.available());
        let all: Vec<_> = std::iter::from_fn(|| self.pool.try_acquire().unwrap()).collect();
        Account {
            done: self.progress(),
            lost: u64::from(ROOMS).saturating_sub(available.min(all.len() as u64)),
            twice: (all.len() as u64).saturating_sub(u64::from(ROOMS)),
            corrupt: self.words[CORRUPT].load(SeqCst),
            ..Account::default()
        }
    }
}
