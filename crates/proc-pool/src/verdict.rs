//! What becomes of a task whose worker has ended.

use crate::died::WorkerDied;
use crate::error::TaskError;
use crate::job::Job;
use crate::lane::Begun;
use crate::slot::Doom;

/// What becomes of a task.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another worker gets it.
    Again,
    /// It fails.
    Fails(TaskError),
}

/// Judges a task that a worker had when it ended.
///
/// `begun` says whether it had begun it, `doom` whether it was ended for its sake. A task is given up
/// after `poison` workers were lost with it, however many retries it has left.
///
/// Where nobody knows whether it had, it hardly had: what comes next is what a task before it has written
/// over. That is believed once, or a task that writes over its own would be begun for ever.
pub(crate) fn judge(
    job: &mut Job,
    begun: Begun,
    doom: Option<Doom>,
    poison: u32,
    died: WorkerDied,
) -> Verdict {
    if doom == Some(Doom::Cancelled) {
        return Verdict::Fails(TaskError::Cancelled);
    }
    if begun == Begun::No {
        // Nobody has looked at it.
        return Verdict::Again;
    }
    job.deaths += 1;
    if begun == Begun::Unknown && job.deaths == 1 {
        return Verdict::Again;
    }
    if job.deaths <= job.rules.retries && job.deaths < poison {
        return Verdict::Again;
    }
    Verdict::Fails(match doom {
        Some(Doom::TimedOut(limit)) => TaskError::TimedOut(limit),
        _ => TaskError::WorkerDied(WorkerDied { task: job.number, attempt: job.deaths, ..died }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Args, Done, Message, Rules};
    use proc_spawn::ExitStatus;
    use proc_spawn::call::Call;
    use std::time::{Duration, Instant};

    fn job(retries: u32) -> Job {
        let call = Call::apply::<(), ()>(|| ()).unwrap();
        let message = Message::new(call, Args::encode(&()).unwrap());
        Job {
            number: 7,
            message,
            done: Done::Anywhere(Box::new(|_| ())),
            rules: Rules { timeout: None, retries },
            submitted: Instant::now(),
            deaths: 0,
        }
    }

    fn died() -> WorkerDied {
        WorkerDied::new(1, ExitStatus::Signal { signal: 9, core: false })
    }

    fn judge_begun(job: &mut Job, poison: u32) -> Verdict {
        judge(job, Begun::Yes, None, poison, died())
    }

    #[test]
    fn a_begun_task_fails_at_once_without_retries_and_says_which_attempt_with_them() {
        let Verdict::Fails(error) = judge_begun(&mut job(0), u32::MAX) else { panic!() };
        assert_eq!(error.worker_died().map(|died| (died.task(), died.attempt())), Some((7, 1)));
        let mut twice = job(1);
        assert_eq!(judge_begun(&mut twice, u32::MAX), Verdict::Again);
        let Verdict::Fails(error) = judge_begun(&mut twice, u32::MAX) else { panic!() };
        assert_eq!(error.worker_died().unwrap().attempt(), 2);
    }

    #[test]
    fn a_poisonous_task_is_given_up_before_its_retries_are() {
        let mut job = job(100);
        assert_eq!(judge_begun(&mut job, 2), Verdict::Again);
        assert!(matches!(judge_begun(&mut job, 2), Verdict::Fails(_)));
    }

    #[test]
    fn one_that_was_not_begun_goes_on_to_another_worker_however_many_died() {
        let mut job = job(0);
        for _ in 0..100 {
            assert_eq!(judge(&mut job, Begun::No, None, 1, died()), Verdict::Again);
        }
        assert_eq!(job.deaths, 0);
    }

    #[test]
    fn one_of_which_nobody_knows_whether_it_was_begun_goes_on_once() {
        let mut job = job(0);
        let mut judge = || judge(&mut job, Begun::Unknown, None, u32::MAX, died());
        assert_eq!(judge(), Verdict::Again);
        assert!(matches!(judge(), Verdict::Fails(TaskError::WorkerDied(_))));
    }

    #[test]
    fn a_cancelled_task_is_never_tried_again_and_a_late_one_as_its_retries_say() {
        let limit = Duration::from_secs(1);
        let mut late = job(1);
        let doom = Some(Doom::TimedOut(limit));
        assert_eq!(
            judge(&mut late, Begun::Yes, Some(Doom::Cancelled), 9, died()),
            Verdict::Fails(TaskError::Cancelled)
        );
        assert_eq!(judge(&mut late, Begun::Yes, doom, 9, died()), Verdict::Again);
        assert_eq!(
            judge(&mut late, Begun::Yes, doom, 9, died()),
            Verdict::Fails(TaskError::TimedOut(limit))
        );
    }
}
