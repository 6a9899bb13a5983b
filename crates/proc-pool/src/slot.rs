//! What the pool knows of one worker and of the tasks that it was given.
//!
//! | ready | open | given | means | left by |
//! |---|---|---|---|---|
//! | no | yes | none | starting | the pool's thread, when the worker says so |
//! | yes | yes | none | idle | whoever gives it a task |
//! | yes | yes | some | busy; more than one while tasks are small | whoever hears the answer |
//! | yes | no | any | takes no more: recycled, surplus, or lost | the pool's thread, when it has ended |
//! | yes | no, doomed | some | about to be ended, for the sake of one task | the pool's thread, when it has ended |
//!
//! A worker that has ended leaves its slot empty. Of the tasks that it had, the one that it had begun
//! is judged ([`crate::verdict`]), the others wait anew.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::job::Job;
use crate::link::Link;
use crate::share::Known;

/// A worker that has not begun its next task for so long gets no more.
const PATIENCE: Duration = Duration::from_secs(3);

/// A task that is first in its worker's line, and not begun after so long, is not about to be.
const STUCK: Duration = Duration::from_millis(500);

/// What waits behind a task that was begun so long ago goes to another worker.
const LONG: Duration = Duration::from_millis(20);

/// A task that is not begun is looked at no sooner than after this, however little time it has.
const LEAST_LOOK: Duration = Duration::from_millis(1);

/// A task that a worker was given.
pub(crate) struct Given {
    pub(crate) job: Job,
    pub(crate) since: Instant,
}

/// Why a worker is ended in the middle of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doom {
    /// The task took longer than this.
    TimedOut(Duration),
    Cancelled,
}

/// What is known of one worker by everybody; the rest knows the pool's thread.
pub(crate) struct Slot {
    pub(crate) link: Arc<Link>,
    /// The worker's number, counted from 1 for the pool's first.
    pub(crate) id: u64,
    pub(crate) pid: u32,
    pub(crate) started: Instant,
    /// The worker's initializer has run.
    pub(crate) ready: bool,
    /// It may be given tasks.
    pub(crate) open: bool,
    /// In the order in which they were sent.
    pub(crate) given: VecDeque<Given>,
    /// The number of the task for which the worker is to be ended, and why.
    pub(crate) doom: Option<(u64, Doom)>,
    /// How many tasks it was given.
    pub(crate) assigned: u64,
    /// How many tasks it has answered.
    pub(crate) tasks: u64,
    pub(crate) busy: Duration,
    pub(crate) idle_since: Instant,
    pub(crate) shares: Known,
    /// There is nothing more to hear from the worker, ever.
    pub(crate) lost: bool,
    /// It did not wake for its last task: others come first until it answers something.
    pub(crate) suspect: bool,
    /// It has been in a task for long, with others behind it: it gets none until it answers.
    pub(crate) held_up: bool,
}

impl Slot {
    /// Of a worker that was started, with this number.
    pub(crate) fn new(link: Arc<Link>, id: u64, pid: u32, now: Instant) -> Self {
        Self {
            link,
            id,
            pid,
            started: now,
            ready: false,
            open: true,
            given: VecDeque::new(),
            doom: None,
            assigned: 0,
            tasks: 0,
            busy: Duration::ZERO,
            idle_since: now,
            shares: Known::default(),
            lost: false,
            suspect: false,
            held_up: false,
        }
    }

    pub(crate) fn note_idle(&mut self, now: Instant) {
        if self.given.is_empty() {
            self.idle_since = now;
        }
    }

    /// Takes the first of the tasks out, which has this number.
    pub(crate) fn take_first(&mut self, number: u64) -> Option<Given> {
        self.given.front().filter(|first| first.job.number == number)?;
        self.given.pop_front()
    }

    /// Takes the last task back that waits here, if it has not begun.
    pub(crate) fn take_back_last(&mut self) -> Option<Job> {
        let number = self.given.back()?.job.number;
        self.take_back(number)
    }

    /// Takes a task back, if it has not begun.
    pub(crate) fn take_back(&mut self, number: u64) -> Option<Job> {
        let ours = |given: &Given| given.job.number == number;
        let place = self.given.iter().rposition(ours)?;
        if !self.link.take_back(number) {
            return None;
        }
        let given = self.given.remove(place)?;
        self.assigned -= 1;
        self.note_idle(Instant::now());
        Some(given.job)
    }

    /// Takes those of the tasks with these numbers back that have not begun.
    pub(crate) fn take_back_all(&mut self, numbers: &Range<u64>) -> Vec<Job> {
        let given = self.given.iter().map(|given| given.job.number);
        let ours: Vec<u64> = given.filter(|number| numbers.contains(number)).collect();
        ours.into_iter().filter_map(|number| self.take_back(number)).collect()
    }

    /// Takes all tasks back but the first, as far as they have not begun.
    fn take_back_behind(&mut self) -> Vec<Job> {
        // From the end: nothing can begin behind what is taken back.
        let behind = self.given.len().saturating_sub(1);
        std::iter::from_fn(|| self.take_back_last()).take(behind).collect()
    }

    /// Returns the number of a task that has taken longer than it may, and how long that is.
    pub(crate) fn late(&self, now: Instant) -> Option<(u64, Duration)> {
        let late = |given: &Given| {
            let limit = given.job.rules.timeout?;
            let end = self.link.began(given.job.number)?.checked_add(limit)?;
            (end <= now).then_some((given.job.number, limit))
        };
        self.given.iter().filter(|_| self.doom.is_none()).find_map(late)
    }

    /// Takes all tasks back, if the first of them should have been begun long ago and is not. Says whether
    /// the worker has none left: it is to be ended.
    pub(crate) fn take_stuck(&mut self, now: Instant) -> (Vec<Job>, bool) {
        let stuck = |first: &&Given| {
            let limit = first.job.rules.timeout.unwrap_or(PATIENCE).clamp(STUCK, PATIENCE);
            first.since.checked_add(limit).is_some_and(|end| end <= now)
                && self.link.began(first.job.number).is_none()
        };
        let Some(number) = self.given.front().filter(stuck).map(|first| first.job.number) else {
            return (Vec::new(), false);
        };
        // The first one last: it may go on just now, and begin whatever is left.
        let mut jobs = self.take_back_behind();
        // Somebody may have its answer in hand, and the worker be in the next: then this fails.
        let stuck = self.given.len() == 1 && self.link.take_back_from_the_stuck(number);
        if stuck {
            jobs.extend(self.given.pop_front().map(|given| given.job));
        }
        (jobs, stuck)
    }

    /// Takes back what waits behind a task that takes long, as another worker may begin it sooner.
    pub(crate) fn take_held_up(&mut self, now: Instant) -> Vec<Job> {
        let is_long = |begun: Instant| now.saturating_duration_since(begun) >= LONG;
        // The link is asked last: it costs a lock.
        let held_up = self.given.len() > 1
            && self.given.front().is_some_and(|first| {
                is_long(first.since) && self.link.began(first.job.number).is_some_and(is_long)
            });
        if !held_up {
            return Vec::new();
        }
        self.held_up = true;
        self.take_back_behind()
    }

    /// Returns when a task here may have taken too long, at the earliest.
    pub(crate) fn next_timeout(&self, now: Instant) -> Option<Instant> {
        let at = |given: &Given| {
            let limit = given.job.rules.timeout?;
            match self.link.began(given.job.number) {
                Some(began) => began.checked_add(limit),
                // It has all its time before it.
                None => now.checked_add(limit.max(LEAST_LOOK)),
            }
        };
        self.given.iter().filter(|_| self.doom.is_none()).filter_map(at).min()
    }

    /// Has the worker ended for the sake of a task that it has begun, and returns what it has not.
    ///
    /// `false` says that the task is done, and its answer about to be heard: the worker has gone on to the
    /// next one, which must not suffer for it.
    pub(crate) fn doom(&mut self, number: u64, doom: Doom) -> (bool, Vec<Job>) {
        if let Some((doomed, why)) = &mut self.doom {
            let same = *doomed == number;
            if same && doom == Doom::Cancelled {
                *why = doom;
            }
            return (same, Vec::new());
        }
        let numbers = self.given.iter().map(|given| given.job.number);
        let behind: Vec<_> = numbers.skip_while(|other| *other != number).skip(1).collect();
        let count = behind.len();
        // Nothing can begin there once all this is taken back.
        let freed: Vec<_> = behind.into_iter().filter_map(|other| self.take_back(other)).collect();
        if freed.len() < count {
            return (false, freed);
        }
        self.open = false;
        self.doom = Some((number, doom));
        (true, freed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Args, Done, Message, Rules};
    use crate::lane::Bell;
    use crate::port::Desk;
    use proc_spawn::call::Call;
    use std::thread;

    fn job(number: u64, timeout: Option<Duration>) -> Job {
        let call = Call::apply::<(), ()>(|| ()).unwrap();
        Job {
            number,
            message: Message::new(call, Args::encode(&()).unwrap()),
            done: Done::Anywhere(Box::new(|_| ())),
            rules: Rules { timeout, retries: 0 },
            submitted: Instant::now(),
            deaths: 0,
        }
    }

    /// A worker that was given so many tasks at that time, and its own end.
    fn given(count: u64, since: Instant, timeout: Option<Duration>) -> (Slot, Desk) {
        let (link, port) = Link::pair(&Bell::new().unwrap()).unwrap();
        let mut slot = Slot::new(Arc::new(link), 1, 1, since);
        for number in 0..count {
            let job = job(number, timeout);
            slot.link.giving().give(number, &job.message, &[]).unwrap();
            slot.given.push_back(Given { job, since });
            slot.assigned += 1;
        }
        slot.link.wake();
        (slot, port.open().unwrap())
    }

    #[test]
    fn a_task_is_looked_at_when_its_time_may_be_over() {
        let limit = Duration::from_millis(20);
        let now = Instant::now();
        let (mut slot, mut desk) = given(2, now, Some(limit));
        assert_eq!(slot.next_timeout(now), Some(now + limit), "both may be begun at once");
        let later = now + Duration::from_secs(1);
        assert_eq!(slot.next_timeout(later), Some(later + limit), "neither is begun");
        desk.next().unwrap();
        let began = slot.link.began(0).unwrap();
        assert!(slot.next_timeout(later).unwrap() < began + 2 * limit);
        slot.given[1].job.rules.timeout = Some(Duration::from_nanos(1));
        assert_eq!(slot.next_timeout(now), Some(now + LEAST_LOOK), "not over and over");
    }

    #[test]
    fn what_waits_behind_a_long_task_is_taken_back_and_nothing_else() {
        let now = Instant::now();
        let (mut slot, mut desk) = given(5, now, None);
        assert!(slot.take_held_up(now + LONG).is_empty(), "it has begun none");
        desk.next().unwrap();
        assert!(slot.take_held_up(now).is_empty() && !slot.held_up, "not for long");
        let numbers = |jobs: Vec<Job>| jobs.iter().map(|job| job.number).collect::<Vec<_>>();
        assert_eq!(numbers(slot.take_held_up(Instant::now() + LONG)), [4, 3, 2, 1]);
        assert!(slot.held_up && slot.given.len() == 1);
        assert!(slot.take_held_up(now + PATIENCE).is_empty());
    }

    #[test]
    fn a_worker_that_goes_on_while_it_is_given_up_is_in_no_task() {
        let long_ago = Instant::now().checked_sub(2 * PATIENCE).unwrap();
        for round in 0..600u32 {
            let (mut slot, mut desk) = given(400, long_ago, None);
            let start = std::sync::Barrier::new(2);
            let (stuck, begun) = thread::scope(|scope| {
                let worker = scope.spawn(|| {
                    start.wait();
                    (0..round % 64 * 8).for_each(|_| std::hint::spin_loop());
                    desk.next().is_some()
                });
                start.wait();
                let (jobs, stuck) = slot.take_stuck(Instant::now());
                assert_eq!(jobs.len() + slot.given.len(), 400);
                slot.link.close();
                (stuck, worker.join().unwrap())
            });
            assert!(!(stuck && begun), "it is to be ended, and has begun a task: round {round}");
        }
    }
}
