//! What the processes of a scenario have in common: words, and each other.

use crate::fault::demand;
use multiproc_core::{deadline::Deadline, futex};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::cell::RefCell;
use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::{Child, Outcome, SharedPage, fork, is_asleep, until};

/// How long the preparations of a scene may take.
const LIMIT: Duration = Duration::from_secs(60);

/// Signals from one process to another, each given once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cue {
    /// The barger has tried.
    Barged,
    /// The barger, or whoever keeps something, is to go on.
    GoOn,
    /// The victim is inside, or wherever the others wait for it to be.
    VictimIsThere,
    /// What the victim does after the mark has begun to matter.
    Mattered,
}

/// How many words there are for the cues; behind them lie those of [`Stage::note`].
const CUES: usize = 8;
const NOTES: usize = 248;

/// The words and the processes beside the victim.
pub(crate) struct Stage {
    page: SharedPage,
    others: RefCell<Vec<Child>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self { page: SharedPage::new(CUES + NOTES), others: RefCell::default() }
    }

    fn cell(&self, cue: Cue) -> &AtomicU64 {
        &self.page[cue as usize]
    }

    pub(crate) fn give(&self, cue: Cue) {
        self.cell(cue).store(1, SeqCst);
        futex::wake(futex::low_half(self.cell(cue)), i32::MAX.cast_unsigned());
    }

    pub(crate) fn was_given(&self, cue: Cue) -> bool {
        self.cell(cue).load(SeqCst) != 0
    }

    /// Sleeps until the cue is given.
    pub(crate) fn wait_for(&self, cue: Cue) {
        while !self.was_given(cue) {
            futex::wait(futex::low_half(self.cell(cue)), 0, Deadline::NEVER);
        }
    }

    /// Adds one to the count of whatever has this number.
    pub(crate) fn note(&self, number: u64) {
        self.notes()[number as usize].fetch_add(1, SeqCst);
    }

    pub(crate) fn noted(&self, number: u64) -> u64 {
        self.notes()[number as usize].load(SeqCst)
    }

    /// Words for the scenario's own use.
    pub(crate) fn notes(&self) -> &[AtomicU64] {
        &self.page[CUES..]
    }

    /// Starts a process.
    pub(crate) fn start(&self, body: impl FnOnce()) {
        self.others.borrow_mut().push(fork(body));
    }

    /// Starts a process that sleeps in the kernel when this returns.
    pub(crate) fn start_sleeper(&self, body: impl FnOnce()) {
        let child = fork(body);
        until(LIMIT, "the other's sleep", || is_asleep(child.pid()));
        self.others.borrow_mut().push(child);
    }

    /// Stops those who were started earlier where they are.
    pub(crate) fn stop_others(&self) {
        self.others.borrow().iter().for_each(|child| child.signal(Signal::SIGSTOP as i32));
    }

    /// Lets them go on.
    pub(crate) fn continue_others(&self) {
        self.others.borrow().iter().for_each(|child| child.signal(Signal::SIGCONT as i32));
    }

    /// Has those who sleep go to sleep again, behind everybody who sleeps on the same.
    pub(crate) fn queue_again(&self) {
        self.stop_others();
        let are_stopped = || self.others.borrow().iter().all(|child| !is_asleep(child.pid()));
        until(LIMIT, "the others' stop", are_stopped);
        self.continue_others();
        self.wait_until_asleep();
    }

    /// Starts a process that barges in; when this returns, it has tried, or it sleeps because the victim, who
    /// stands stopped, is in its way. `barge` tries, and calls what it is given when it has, with whatever it
    /// got still in its hands; that waits for [`Cue::GoOn`] if it got something.
    pub(crate) fn start_barger(&self, barge: impl FnOnce(&dyn Fn(bool))) {
        let child = fork(|| {
            barge(&|got| {
                self.give(Cue::Barged);
                if got {
                    self.wait_for(Cue::GoOn);
                }
            });
        });
        until(LIMIT, "the barger's try", || self.was_given(Cue::Barged) || is_asleep(child.pid()));
        self.others.borrow_mut().push(child);
    }

    /// Waits until those who were started earlier sleep, or have ended: in the victim, which is not their
    /// parent.
    pub(crate) fn wait_until_asleep(&self) {
        let others = self.others.borrow();
        let is_settled = |child: &Child| is_asleep(child.pid()) || has_ended(child);
        until(LIMIT, "the others' sleep", || others.iter().all(is_settled));
    }

    /// Waits for those who have something to do, which `is_something` says. `true` when there is nothing
    /// any more and somebody still waits for it, `false` when all others have ended, and well.
    pub(crate) fn goes_on(&self, patience: Duration, is_something: impl Fn() -> bool) -> bool {
        let start = Instant::now();
        let mut pause = Duration::from_micros(50);
        loop {
            // Looked at first: who ended meanwhile may have taken what there was.
            let something = is_something();
            let mut others = self.others.borrow_mut();
            others.retain_mut(|child| match child.try_wait() {
                Some(outcome) => {
                    went_well(outcome, "a process");
                    false
                }
                None => true,
            });
            if others.is_empty() {
                return false;
            }
            // Those who are still busy may be about to take it, or to put something back.
            if !something && others.iter().all(|child| is_asleep(child.pid())) && !is_something() {
                return true;
            }
            demand!(start.elapsed() < patience, Hangs, "a process does not go on");
            std::thread::sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(2));
        }
    }

    /// All others end, and well.
    pub(crate) fn all_end(&self, patience: Duration) {
        for mut child in self.others.take() {
            ends_well(&mut child, patience, "a process");
        }
    }

    /// A process that comes only now gets its work done.
    pub(crate) fn newcomer(&self, patience: Duration, body: impl FnOnce()) {
        ends_well(&mut fork(body), patience, "a newcomer");
    }
}

impl Stage {
    /// Starts a process after the kill, which is to come to its end beside others.
    pub(crate) fn later(&self, body: impl FnOnce()) -> Child {
        fork(body)
    }

    pub(crate) fn newcomer_ends(&self, mut child: Child, patience: Duration) {
        ends_well(&mut child, patience, "a newcomer");
    }
}

/// Asks the pidfd, as any process may.
pub(crate) fn has_ended(child: &Child) -> bool {
    let mut fds = [PollFd::new(child.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).unwrap() == 1
}

fn ends_well(child: &mut Child, patience: Duration, who: &str) {
    match child.wait_timeout(patience) {
        Some(outcome) => went_well(outcome, who),
        None => demand!(false, Hangs, "{who} does not go on"),
    }
}

fn went_well(outcome: Outcome, who: &str) {
    demand!(outcome == Outcome::Exited(0), Corrupt, "{who} {outcome}");
}
