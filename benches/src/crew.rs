//! A crew: workers in processes or threads that do rounds of the same work when asked.
//!
//! Between rounds they sleep, so that several crews can take turns on the same cores.

use crate::place::Place;
use crate::rounds::{AMOUNT, ARRIVED, Board, Report, Rounds, STOP, Told};
use crate::subject::{Amount, Subject, Turn};
use crate::worker::{Worker, forked};
use multiproc::{Builder, Semaphore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Longer than any round or start on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(20);
/// What forks have, in which others' code runs: some of it may hang, and the run is to go on.
const PATIENCE_WITH_OTHERS: Duration = Duration::from_secs(3);

/// One part of a workload, played by one worker.
pub trait Part: 'static {
    /// Opens what it needs, and plays its rounds.
    ///
    /// # Errors
    ///
    /// Says why it cannot; nobody waits for it then.
    fn play(self, rounds: &mut Rounds) -> Result<(), String>;
}

/// Looks at what all workers told of a round.
type Check = Box<dyn FnMut(&[Told]) -> Result<(), String>>;

/// Workers that do rounds together.
pub struct Crew {
    amount: Amount,
    place: Place,
    seats: usize,
    done: Semaphore,
    board: Board,
    workers: Vec<(Semaphore, Worker)>,
    check: Check,
    broken: bool,
}

impl Crew {
    /// Makes a crew of so many, without workers yet.
    ///
    /// # Errors
    ///
    /// What the kernel says when it refuses memory.
    pub fn new(seats: usize, place: Place) -> Result<Self, String> {
        Ok(Self {
            amount: Amount::Count,
            place,
            seats,
            done: Semaphore::new(0).map_err(text)?,
            board: Board::new(seats).map_err(text)?,
            workers: Vec::new(),
            check: Box::new(|_| Ok(())),
            broken: false,
        })
    }

    /// Has rounds last for so many nanoseconds, instead of so many operations.
    #[must_use]
    pub fn timed(mut self) -> Self {
        self.amount = Amount::Nanos;
        self
    }

    /// Has `check` look at what the workers told, after every round.
    #[must_use]
    pub fn checked(mut self, check: impl FnMut(&[Told]) -> Result<(), String> + 'static) -> Self {
        self.check = Box::new(check);
        self
    }

    /// Adds a worker in a new process, started by `proc-spawn`.
    ///
    /// # Errors
    ///
    /// What the start says.
    pub fn process<P: Part + Serialize + DeserializeOwned>(self, part: P) -> Result<Self, String> {
        self.add(|rounds| {
            let process =
                Builder::new().daemon(true).spawn((part, rounds), run::<P>).map_err(text)?;
            Ok(Worker::Process(process))
        })
    }

    /// Adds a worker in a fork of this process: for peers whose ends are memory or descriptors.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn fork(self, part: impl Part) -> Result<Self, String> {
        self.add(|rounds| forked(|| run(part, rounds)).map(Worker::Fork))
    }

    /// Adds a worker in a thread of this process.
    ///
    /// # Errors
    ///
    /// What the kernel says.
    pub fn thread(self, part: impl Part + Send) -> Result<Self, String> {
        self.add(|rounds| {
            let thread = std::thread::Builder::new();
            thread.spawn(move || run(part, rounds)).map(Worker::Thread).map_err(text)
        })
    }

    fn add(mut self, start: impl FnOnce(Rounds) -> Result<Worker, String>) -> Result<Self, String> {
        let go = Semaphore::new(0).map_err(text)?;
        let rounds = Rounds {
            seat: self.workers.len(),
            seats: self.seats,
            place: self.place,
            go: go.clone(),
            done: self.done.clone(),
            board: self.board.clone(),
        };
        let worker = start(rounds)?;
        self.workers.push((go, worker));
        Ok(self)
    }

    /// Waits until all workers are ready, and returns the crew as something to measure.
    ///
    /// # Errors
    ///
    /// Says when one could not begin, or takes longer than anybody has patience.
    pub fn ready(mut self) -> Result<Box<dyn Subject>, String> {
        if self.workers.len() != self.seats {
            return Err(format!("{} workers for {} seats", self.workers.len(), self.seats));
        }
        self.wait_for_all("start", PATIENCE)?;
        Ok(Box::new(self))
    }

    fn wait_for_all(&mut self, what: &str, patience: Duration) -> Result<(), String> {
        for _ in 0..self.seats {
            if !self.done.acquire_timeout(patience) {
                self.broken = true;
                return Err(format!("stuck: {what} takes longer than {} s", patience.as_secs()));
            }
        }
        if (0..self.seats).any(|seat| self.board.has_failed(seat)) {
            self.broken = true;
            return Err(format!("a worker could not {what}; it says why above"));
        }
        Ok(())
    }
}

impl Subject for Crew {
    fn amount(&self) -> Amount {
        self.amount
    }

    fn turn(&mut self, amount: u64) -> Result<Turn, String> {
        // Relaxed: `go` hands them over.
        self.board.word(AMOUNT).store(amount, Relaxed);
        self.board.word(ARRIVED).store(0, Relaxed);
        for (go, _) in &self.workers {
            go.release().map_err(text)?;
        }
        let others = self.workers.iter().any(|(_, worker)| matches!(worker, Worker::Fork(_)));
        let patience = if others { PATIENCE_WITH_OTHERS } else { PATIENCE };
        self.wait_for_all("a round", patience)?;
        let reports: Vec<Report> = (0..self.seats).map(|seat| self.board.read(seat)).collect();
        let told: Vec<Told> = reports.iter().map(|report| report.told).collect();
        (self.check)(&told)?;
        Ok(turn(&reports))
    }
}

/// What a round took, from the first who began to the last who ended.
fn turn(reports: &[Report]) -> Turn {
    let began = reports.iter().map(|report| report.began).min().unwrap_or(0);
    let ended = reports.iter().map(|report| report.ended).max().unwrap_or(0);
    let nanos = (ended - began) as f64;
    let ops: Vec<u64> = reports.iter().map(|r| r.told.ops).filter(|&ops| ops > 0).collect();
    let mean = nanos / (ops.iter().sum::<u64>().max(1)) as f64;
    let mut also = BTreeMap::new();
    if let (Some(most), Some(least), 2..) = (ops.iter().max(), ops.iter().min(), ops.len()) {
        also.insert("most/least".to_owned(), *most as f64 / *least as f64);
    }
    let timed = reports.iter().find_map(|report| report.told.p50.zip(report.told.p99));
    if let Some((_, p99)) = timed {
        also.insert("mean".to_owned(), mean);
        also.insert("p99".to_owned(), p99);
    }
    Turn { nanos, value: timed.map_or(mean, |(p50, _)| p50), also }
}

/// What a worker runs, wherever it is.
fn run<P: Part>(part: P, mut rounds: Rounds) {
    rounds.place.take(rounds.seat);
    if let Err(why) = part.play(&mut rounds) {
        complain(&why);
        rounds.board.fail(rounds.seat);
        rounds.tell();
    }
}

#[expect(clippy::print_stderr, reason = "a bench's worker has nobody else to tell")]
fn complain(why: &str) {
    eprintln!("worker: {why}");
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.board.word(AMOUNT).store(STOP, Relaxed);
        for (go, _) in &self.workers {
            let _ = go.release();
        }
        for (_, worker) in self.workers.drain(..) {
            worker.end(self.broken);
        }
    }
}

impl fmt::Debug for Crew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { amount, place, seats, .. } = self;
        write!(f, "Crew({seats} seats, {amount:?}, {place:?})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// Says that it did what it was asked, or one less.
    #[derive(Clone, Serialize, Deserialize)]
    struct Worker {
        missing: u64,
    }

    impl Part for Worker {
        fn play(self, rounds: &mut Rounds) -> Result<(), String> {
            rounds.each(|n| Told::done(n - self.missing, n));
            Ok(())
        }
    }

    /// Cannot begin.
    struct Unable;

    impl Part for Unable {
        fn play(self, _: &mut Rounds) -> Result<(), String> {
            Err("this is a test".to_owned())
        }
    }

    /// Everybody has to do what the sum says.
    fn nothing_missing(told: &[Told]) -> Result<(), String> {
        match told.iter().all(|told| told.ops == told.sum) {
            true => Ok(()),
            false => Err("something is missing".to_owned()),
        }
    }

    fn crew(missing: u64) -> Box<dyn Subject> {
        let crew = Crew::new(3, Place::EachItsCore).unwrap().checked(nothing_missing);
        let crew = crew.process(Worker { missing: 0 }).unwrap();
        crew.thread(Worker { missing: 0 })
            .unwrap()
            .fork(Worker { missing })
            .unwrap()
            .ready()
            .unwrap()
    }

    #[test]
    fn processes_threads_and_forks_do_rounds_together() {
        let mut crew = crew(0);
        for amount in [1, 10, 100] {
            let turn = crew.turn(amount).unwrap();
            assert_eq!(turn.also["most/least"], 1.0);
            assert!(turn.nanos > 0.0 && turn.value <= turn.nanos, "{turn:?}");
        }
    }

    #[test]
    fn a_round_in_which_something_is_missing_does_not_count() {
        assert_eq!(crew(1).turn(10).unwrap_err(), "something is missing");
    }

    #[test]
    fn who_cannot_begin_is_not_waited_for() {
        let crew = Crew::new(1, Place::Free).unwrap().thread(Unable).unwrap();
        assert!(crew.ready().is_err());
    }
}
