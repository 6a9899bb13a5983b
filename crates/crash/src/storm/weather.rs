//! Who kills, and looks whether work goes on.

use super::Account;
use crate::fault::{Fault, demand};
use std::time::{Duration, Instant};
use testkit::{Child, Outcome, fork};

/// Between two kills at most.
const CALM: Duration = Duration::from_micros(800);

/// Without any progress for so long, somebody hangs.
const HANG: Duration = Duration::from_secs(15);

/// What several processes do together, any of whom may be killed at any time.
pub(crate) trait Station {
    /// How many processes work here.
    fn crew(&self) -> usize;
    /// What one of them does until it is told to stop, or there is no more to do.
    fn work(&self, member: usize);
    /// One of them is killed as soon as this returns.
    fn is_about_to_be_killed(&self, _member: usize) {}
    /// One of them was killed and is gone; its successor comes next.
    fn was_killed(&self, _member: usize) {}
    /// Grows whenever anything gets done.
    fn progress(&self) -> u64;
    /// Says that there is no more to do.
    fn is_exhausted(&self) -> bool {
        false
    }
    /// Called again and again at the end of a round, with those who still work, until nobody does: tells
    /// them to stop, and gives those something who wait for it.
    fn wind_down(&self, at_work: &[bool]);
    /// Counts, when all are gone. `kills` tells how often each of the crew was killed.
    fn account(&self, kills: &[u64]) -> Account;
}

/// What the storm did.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    pub(crate) kills: u64,
    pub(crate) seconds: f64,
    /// The longest time in which nothing got done, anywhere in a station.
    pub(crate) longest_pause: Duration,
    random: Random,
}

impl Weather {
    /// Kills one after the other of the crew, each replaced at once. Returns how often each was killed.
    pub(crate) fn rage(&mut self, station: &dyn Station, lasts: Duration) -> Vec<u64> {
        let start = Instant::now();
        let _dog = testkit::watchdog(lasts + HANG * 4);
        let crew = station.crew();
        let begin = |member| fork(|| station.work(member));
        let mut at_work: Vec<Option<Child>> = (0..crew).map(|member| Some(begin(member))).collect();
        // Killed, and perhaps not yet gone: a process must get a CPU to die.
        let mut dying: Vec<(usize, Child)> = Vec::new();
        let mut kills = vec![0; crew];
        let mut watch = Watch::new(station.progress());
        while start.elapsed() < lasts && !station.is_exhausted() {
            std::thread::sleep(CALM.mul_f64(self.random.fraction()));
            self.longest_pause = self.longest_pause.max(watch.look(station.progress()));
            bury(station, &mut dying, |member| {
                station.was_killed(member);
                at_work[member] = Some(begin(member));
            });
            let member = self.random.below(crew);
            if let Some(victim) = at_work.get_mut(member).and_then(Option::take) {
                station.is_about_to_be_killed(member);
                victim.kill();
                dying.push((member, victim));
                kills[member] += 1;
                self.kills += 1;
            }
        }
        // Those who are left may need them to come to an end.
        while !dying.is_empty() {
            bury(station, &mut dying, |member| {
                station.was_killed(member);
                at_work[member] = Some(begin(member));
            });
        }
        wind_down(station, &mut at_work);
        self.seconds += start.elapsed().as_secs_f64();
        kills
    }
}

/// Takes those out who are gone by now.
fn bury(station: &dyn Station, dying: &mut Vec<(usize, Child)>, mut gone: impl FnMut(usize)) {
    dying.retain_mut(|(member, child)| match child.try_wait() {
        Some(outcome) => {
            // It may have come to its end before the kill came.
            let is_done = outcome == Outcome::Exited(0) && station.is_exhausted();
            demand!(is_done || outcome == Outcome::Signaled(9), Corrupt, "a worker {outcome}");
            gone(*member);
            false
        }
        None => true,
    });
}

fn wind_down(station: &dyn Station, at_work: &mut [Option<Child>]) {
    let start = Instant::now();
    loop {
        for child in at_work.iter_mut() {
            if let Some(outcome) = child.as_mut().and_then(Child::try_wait) {
                demand!(outcome == Outcome::Exited(0), Corrupt, "a worker {outcome}");
                *child = None;
            }
        }
        let left: Vec<bool> = at_work.iter().map(Option::is_some).collect();
        if !left.contains(&true) {
            return;
        }
        demand!(start.elapsed() < HANG, Hangs, "at the end, still at work: {left:?}");
        station.wind_down(&left);
        std::thread::sleep(Duration::from_micros(200));
    }
}

/// Looks how long nothing has got done.
#[derive(Debug)]
struct Watch {
    progress: u64,
    since: Instant,
}

impl Watch {
    fn new(progress: u64) -> Self {
        Self { progress, since: Instant::now() }
    }

    fn look(&mut self, progress: u64) -> Duration {
        let pause = self.since.elapsed();
        if progress != self.progress {
            *self = Self::new(progress);
        } else if pause > HANG {
            panic!("{}: nothing gets done", Fault::Hangs);
        }
        pause
    }
}

/// Numbers that need not be good, from a seed that differs from run to run.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Default for Random {
    fn default() -> Self {
        let seed = std::time::UNIX_EPOCH.elapsed().map_or(1, |time| time.as_nanos() as u64);
        Self(seed ^ u64::from(std::process::id()) << 40 | 1)
    }
}

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 33) as usize % bound
    }

    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}
