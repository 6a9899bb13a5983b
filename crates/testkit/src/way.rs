//! The way of one victim after the other to its kill point.

use crate::changes::Changes;
use crate::explore::{KillPoint, Limits};
use crate::mark::{become_victim, explore_from_here};
use crate::place::Place;
use crate::shared_page::SharedPage;
use crate::stretch::Vdso;
use crate::ticker::Ticker;
use crate::tracee::{Step, Tracee};
use crate::trail::Trail;
use std::collections::HashSet;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

/// What is learnt from victim to victim.
#[derive(Debug)]
pub(crate) struct Way {
    ticker: Ticker,
    trail: Trail,
    changes: Changes,
    /// One word that the victim sets when its closure has returned.
    done: SharedPage,
    /// How many steps lie between the victim's stop and its first kill point.
    prologue: Option<usize>,
    /// The addresses after the first kill point before which a victim stood.
    passed: HashSet<u64>,
    /// Those of them where one was killed.
    killed: HashSet<u64>,
}

/// Where one victim shall go, and who wakes it on the way.
pub(crate) struct Goal<'a, 'h, S> {
    /// How many instructions of the closure it shall do; with [`Limits::changes_only`], only how many it
    /// did where the last one was killed.
    pub(crate) target: usize,
    /// How many of its sleeps it shall be woken from.
    pub(crate) wakes: usize,
    /// Whether it may run at full speed where that is sure to stop in time.
    pub(crate) leap: bool,
    pub(crate) state: &'a S,
    pub(crate) limits: &'a mut Limits<'h, S>,
}

impl Way {
    pub(crate) fn new(nap: Duration) -> Self {
        let period = (nap / 3).max(Duration::from_millis(1));
        let ticker = match Ticker::new(period) {
            Ok(ticker) => ticker,
            Err(error) => panic!("failed to make a timer for the explorer: {error}"),
        };
        Self {
            ticker,
            trail: Trail::default(),
            changes: Changes::default(),
            done: SharedPage::new(1),
            prologue: None,
            passed: HashSet::new(),
            killed: HashSet::new(),
        }
    }

    /// Returns how many addresses a victim passed at which none was killed.
    pub(crate) fn missed(&self) -> usize {
        self.passed.difference(&self.killed).count() + self.changes.wavering()
    }

    /// Returns how many different changes victims were seen to make.
    pub(crate) fn changes(&self) -> usize {
        self.changes.count()
    }

    /// The last victim came to its end: says whether all are done with.
    pub(crate) fn has_all_changes(&mut self, on_foot: bool) -> bool {
        self.changes.all_are_known(on_foot)
    }

    /// Is done with the place where the last victim was killed.
    pub(crate) fn settle(&mut self) {
        self.changes.settle();
    }

    /// Forks the next victim, which stops just before its first kill point.
    #[track_caller]
    pub(crate) fn start<'v>(
        &self,
        vdso: &'v Vdso,
        from_mark: bool,
        victim: impl FnOnce(),
    ) -> Tracee<'v> {
        let done = &self.done[0];
        done.store(0, SeqCst);
        Tracee::start(vdso, || {
            become_victim();
            if !from_mark {
                explore_from_here();
            }
            victim();
            done.store(1, SeqCst);
        })
    }

    fn is_done(&self) -> bool {
        self.done[0].load(SeqCst) == 1
    }

    /// Walks the victim to its target and returns where it stands. That is earlier when it has
    /// finished, or sleeps once more than it shall be woken. `None` when it went another
    /// way than the last one, and missed the landmark to which it was to leap.
    #[track_caller]
    pub(crate) fn walk<S>(
        &mut self,
        tracee: &mut Tracee<'_>,
        goal: Goal<'_, '_, S>,
    ) -> Option<KillPoint> {
        let Goal { target, wakes, leap, state, limits } = goal;
        let mut ticking = self.ticker.tick();
        let mut position = 0;
        let mut sleeps = 0;
        let seeks = limits.changes_only;
        let (mut looks, mut arrived) = (false, false);
        self.changes.set_out();
        loop {
            let ip = tracee.ip();
            self.trail.note(position, ip);
            if self.prologue.is_none() && tracee.is_started() {
                self.prologue = Some(position);
            }
            let instruction = position.saturating_sub(self.prologue.unwrap_or(position));
            let finished = self.is_done();
            let end = self.prologue.map(|prologue| prologue + target);
            if self.prologue.is_some_and(|prologue| position >= prologue) {
                if !seeks {
                    self.passed.insert(ip);
                } else if !looks {
                    looks = true;
                    arrived = self.changes.begin(tracee);
                }
            }
            let arrived_at_target = !seeks && end.is_some_and(|end| position >= end);
            if finished || arrived || arrived_at_target {
                self.killed.insert(ip);
                return Some(KillPoint { instruction, asleep: false, finished, ip });
            }

            let landmark =
                end.filter(|_| leap).and_then(|end| self.trail.landmark(position, end, seeks));
            if let Some(landmark) = landmark {
                match tracee.leap(landmark.ip, landmark.hits, limits.nap) {
                    Some(Step::Done) => {
                        if seeks {
                            self.changes.leap(position, landmark.position, tracee);
                            looks = self.changes.have_begun()
                                && self.prologue.is_some_and(|at| landmark.position >= at);
                        }
                        position = landmark.position;
                    }
                    Some(Step::Ended(outcome)) if !self.is_done() => {
                        panic!("the victim {outcome} after more than {instruction} instructions")
                    }
                    _ => return None,
                }
                continue;
            }

            let calls = seeks && tracee.calls_the_kernel(ip);
            let mut step = match self.trail.is_sleep(position) {
                true => tracee.step_to_sleep(ip),
                false => tracee.step(ip, limits.nap),
            };
            if step == Step::Asleep {
                self.trail.note_sleep(position);
                let wake = match &mut limits.on_sleep {
                    Some(wake) if sleeps < wakes => wake,
                    _ => {
                        let ip = tracee.ip();
                        return Some(KillPoint { instruction, asleep: true, finished: false, ip });
                    }
                };
                sleeps += 1;
                // Nobody else's system calls are to be interrupted.
                drop(ticking);
                wake(state);
                ticking = self.ticker.tick();
                step = tracee.go_on(limits.patience);
            }
            match step {
                Step::Done => {
                    if looks {
                        let new = self.changes.look(position, ip, calls, tracee);
                        arrived = new >= limits.stride;
                    }
                    position += 1;
                }
                Step::Asleep => panic!(
                    "nobody woke the victim: it still sleeps {:?} after on_sleep, in instruction \
                     {instruction}, before {}",
                    limits.patience,
                    Place(tracee.ip())
                ),
                Step::Ended(outcome) => {
                    panic!("the victim {outcome} after {instruction} instructions")
                }
            }
        }
    }
}
