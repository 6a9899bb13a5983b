//! One victim after the other, each killed a little further on.

use crate::explore::{End, KillPoint, Limits};
use crate::stretch::Vdso;
use crate::way::{Goal, Way};

/// Where the next victim is to be killed, and what is known of the way there.
#[derive(Debug)]
pub(crate) struct Hunt {
    vdso: Vdso,
    way: Way,
    /// How many instructions of its closure the victim shall do, or the last one did.
    target: usize,
    /// How many of its sleeps it shall be woken from; it is killed in the next one.
    wakes: usize,
    /// Whether victims are stepped all the way: what they pass in a leap, nobody sees.
    on_foot: bool,
}

impl Hunt {
    #[track_caller]
    pub(crate) fn new<S>(limits: &Limits<'_, S>) -> Self {
        assert!(limits.stride > 0, "with nothing between two kills it would never come to the end");
        Self {
            vdso: Vdso::find(),
            way: Way::new(limits.nap),
            target: 0,
            wakes: 0,
            on_foot: limits.step_all,
        }
    }

    /// Makes a scene, and kills a victim in it. The same place again, until [`advance`](Self::advance).
    #[track_caller]
    pub(crate) fn strike<S>(
        &mut self,
        limits: &mut Limits<'_, S>,
        mut setup: impl FnMut() -> S,
        victim: impl Fn(&S),
    ) -> (S, KillPoint) {
        let mut leap = !self.on_foot;
        loop {
            let state = setup();
            let mut tracee = self.way.start(&self.vdso, limits.from_mark, || victim(&state));
            let (target, wakes) = (self.target, self.wakes);
            let goal = Goal { target, wakes, leap, state: &state, limits: &mut *limits };
            let Some(point) = self.way.walk(&mut tracee, goal) else {
                // This victim went another way than the last one and missed the breakpoint.
                leap = false;
                continue;
            };
            if let Some(act) = &mut limits.before_kill {
                act(&state, &point);
            }
            tracee.kill();
            return (state, point);
        }
    }

    /// Goes on to the next place after the one where the last victim was killed, or says why there is
    /// none.
    pub(crate) fn advance<S>(&mut self, limits: &Limits<'_, S>, point: KillPoint) -> Option<End> {
        self.way.settle();
        if point.finished {
            let all = !limits.changes_only || self.way.has_all_changes(self.on_foot);
            self.on_foot = true;
            return all.then_some(End::Finished);
        }
        if !point.asleep && limits.changes_only {
            self.target = point.instruction;
        } else if !point.asleep {
            self.target += limits.stride;
        } else if limits.on_sleep.is_some() {
            // The same target once more, by a victim that is woken on its way.
            self.wakes += 1;
        } else {
            return Some(End::Asleep);
        }
        None
    }

    /// Returns how many different changes victims were seen to make.
    pub(crate) fn changes(&self) -> usize {
        self.way.changes()
    }

    /// Returns how many addresses a victim passed at which none was killed.
    pub(crate) fn missed(&self) -> usize {
        self.way.missed()
    }
}
