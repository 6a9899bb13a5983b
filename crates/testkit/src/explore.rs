//! SIGKILL at every instruction of an operation.

use crate::control::in_control;
use crate::hunt::Hunt;
use crate::place::Place;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::{Duration, Instant};

/// What [`Limits::on_sleep`] holds.
pub type OnSleep<'h, S> = Box<dyn FnMut(&S) + 'h>;

/// What [`Limits::before_kill`] holds.
pub type BeforeKill<'h, S> = Box<dyn FnMut(&S, &KillPoint) + 'h>;

/// How far [`kill_at_every_instruction`] goes, and who acts while it does.
pub struct Limits<'h, S> {
    /// The most kill points before it gives up, 5,000 by default.
    pub max_points: usize,
    /// How many instructions lie between two kill points: 1, the default, is every one. For a quick look
    /// the environment variable `KILL_STRIDE` sets another default.
    pub stride: usize,
    /// Passes over those kill points that nobody can tell from the one before: no system call was made in
    /// between, and neither the memory that the victim shares is any other, nor its list of robust
    /// futexes, which the kernel reads when it dies. `stride` counts changes then. Off by default: nobody but
    /// the scene may share memory with the test process, and other tests do.
    pub changes_only: bool,
    /// How many victims are killed at each place, 1 by default. What others make of one state goes one way
    /// or the other, and with all its instructions left out it has one chance less for each.
    pub times: usize,
    /// How long a system call may take before a victim that sleeps in it counts as asleep, 30 ms by
    /// default. A sleep shorter than this goes by unnoticed; where one victim slept for so long, the
    /// next ones count as asleep at once.
    pub nap: Duration,
    /// How long a victim may stay asleep after `on_sleep`, 10 s by default. Then its wake is lost,
    /// which is a failure.
    pub patience: Duration,
    /// Wakes the sleeping victim. With it, the victim is killed in each of its sleeps once, and
    /// otherwise woken and explored further as the woken waiter; without it, the first sleep is the
    /// last kill point.
    pub on_sleep: Option<OnSleep<'h, S>>,
    /// Acts while the victim stands stopped (or asleep) at the kill point, before SIGKILL reaches
    /// it. This is the place of a barger: who takes the lock just before the victim dies.
    pub before_kill: Option<BeforeKill<'h, S>>,
    /// Begins where the victim calls [`explore_from_here`](crate::explore_from_here), not at the
    /// first instruction of its closure.
    pub from_mark: bool,
    /// Single-steps all the way to each kill point. By default a victim runs at full speed to the
    /// last place that it passes once only, and is stepped from there.
    pub step_all: bool,
}

impl<S> Default for Limits<'_, S> {
    fn default() -> Self {
        Self {
            max_points: 5_000,
            stride: stride(),
            changes_only: false,
            times: 1,
            nap: Duration::from_millis(30),
            patience: Duration::from_secs(10),
            on_sleep: None,
            before_kill: None,
            from_mark: false,
            step_all: false,
        }
    }
}

fn stride() -> usize {
    if in_control() {
        return 1;
    }
    let wanted = std::env::var("KILL_STRIDE").ok().and_then(|stride| stride.parse().ok());
    wanted.unwrap_or(1).max(1)
}

impl<S> fmt::Debug for Limits<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("max_points", &self.max_points)
            .field("stride", &self.stride)
            .field("changes_only", &self.changes_only)
            .field("times", &self.times)
            .field("nap", &self.nap)
            .field("patience", &self.patience)
            .field("on_sleep", &self.on_sleep.is_some())
            .field("before_kill", &self.before_kill.is_some())
            .field("from_mark", &self.from_mark)
            .field("step_all", &self.step_all)
            .finish()
    }
}

/// Where a victim was killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillPoint {
    /// How many instructions were done of the victim's closure, or after its mark.
    pub instruction: usize,
    /// Whether it was killed in its sleep, inside the system call just before `ip`.
    pub asleep: bool,
    /// Whether its closure had returned. This is the last kill point.
    pub finished: bool,
    /// The address of the instruction before which it stood; asleep, of the one that comes next.
    pub ip: u64,
}

impl fmt::Display for KillPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match (self.asleep, self.finished) {
            (true, _) => "asleep ",
            (_, true) => "finished ",
            _ => "",
        };
        write!(f, "instruction {}, {how}at {}", self.instruction, Place(self.ip))
    }
}

/// Why an exploration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The victim ran to completion: there is no later kill point.
    Finished,
    /// The victim fell asleep, and there was no [`Limits::on_sleep`] to wake it.
    Asleep,
    /// [`Limits::max_points`] was reached; what comes later was not explored.
    MaxPoints,
}

/// What an exploration saw. Shown as one row of a table: points, asleep, missed, end, seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Report {
    /// How many times a victim was killed and the rest checked.
    pub points: usize,
    /// How many of these were asleep.
    pub asleep: usize,
    /// How many instructions (addresses) victims were seen at and none was killed at. Zero for a
    /// deterministic victim, unless there is a stride. With [`Limits::changes_only`], how many changes came after
    /// the first in which a victim that was stepped all the way differed from those that ran to where the last one
    /// was killed: one that yields or spins does so for longer or shorter.
    pub missed: usize,
    /// How many different changes victims were seen to make, with [`Limits::changes_only`].
    pub changes: usize,
    /// Why there were no more.
    pub end: End,
    /// How long it took.
    pub seconds: f64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = match self.end {
            End::Finished => "finished",
            End::Asleep => "asleep",
            End::MaxPoints => "max points",
        };
        let Self { points, asleep, missed, seconds, .. } = self;
        write!(f, "| {points:>6} | {asleep:>6} | {missed:>6} | {end:<10} | {seconds:>7.2} |")
    }
}

/// Kills a victim at every instruction, and lets `check` judge what it leaves behind.
///
/// For n = 0, 1, 2, ... it makes a fresh `setup()`, forks a child that runs `victim`, lets it do
/// exactly n instructions, sends SIGKILL, waits until the kernel has cleared up, and calls `check`
/// with what `setup` made. It ends after the first n at which the victim's closure had returned.
///
/// A system call counts as one instruction, and nothing is killed in the middle of one unless it
/// sleeps: see [`Limits::on_sleep`]. A reading of the clock in the vdso and all rounds of a `rep`
/// prefix count as one instruction, too. What is done for the first time in a process (a
/// thread-local, a `OnceLock`) is part of the victim; do it in `setup` when it is not the subject.
/// The heap is the test process's of the moment, so an allocation may go another way in each victim:
/// [`Report::missed`] counts what was passed and never killed at.
/// On aarch64 the atomics have to be LSE: a load-exclusive loop never ends under single step.
///
/// The victim is forked as by [`fork`](crate::fork), so the same care is due in it. Everything
/// happens on the calling thread. `setup` may return handles of helper children (sleepers, bargers)
/// as part of `S`; `check` may explore in turn, with the recoverer as the victim.
///
/// # Panics
///
/// When `check` does: the kill point is added to its message. When the victim panics or dies
/// before its kill point, when it is still asleep long after `on_sleep`, when `stride` is zero,
/// and when the system refuses to trace.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::SeqCst;
/// use testkit::{End, Limits, SharedPage, kill_at_every_instruction};
///
/// // Two words that are to be equal, unless the first, a flag, says "under way".
/// let report = kill_at_every_instruction(
///     Limits::default(),
///     || SharedPage::new(3),
///     |page| {
///         page[0].store(1, SeqCst);
///         page[1].store(5, SeqCst);
///         page[2].store(5, SeqCst);
///         page[0].store(0, SeqCst);
///     },
///     |page, _| assert!(page[0].load(SeqCst) == 1 || page[1].load(SeqCst) == page[2].load(SeqCst)),
/// );
/// assert_eq!(report.end, End::Finished);
/// ```
#[track_caller]
pub fn kill_at_every_instruction<S>(
    mut limits: Limits<'_, S>,
    setup: impl FnMut() -> S,
    victim: impl Fn(&S),
    check: impl FnMut(S, KillPoint),
) -> Report {
    explore(&mut limits, setup, victim, check)
}

/// As [`kill_at_every_instruction`], with limits that serve again.
#[track_caller]
pub(crate) fn explore<S>(
    limits: &mut Limits<'_, S>,
    mut setup: impl FnMut() -> S,
    victim: impl Fn(&S),
    mut check: impl FnMut(S, KillPoint),
) -> Report {
    let start = Instant::now();
    let mut hunt = Hunt::new(limits);
    let mut report =
        Report { points: 0, asleep: 0, missed: 0, changes: 0, end: End::MaxPoints, seconds: 0.0 };
    let mut tried: Vec<KillPoint> = Vec::new();
    while report.points < limits.max_points {
        let (state, point) = hunt.strike(limits, &mut setup, &victim);
        report.points += 1;
        report.asleep += usize::from(point.asleep);
        let checked = catch_unwind(AssertUnwindSafe(|| check(state, point)));
        if let Err(payload) = checked {
            match message(&*payload) {
                Some(text) => panic!("{text}\nafter a kill at {point}"),
                None => resume_unwind(payload),
            }
        }
        let place = *tried.first().unwrap_or(&point);
        tried.push(point);
        if tried.len() < limits.times && !place.finished {
            continue;
        }
        tried.clear();
        if let Some(end) = hunt.advance(limits, place) {
            report.end = end;
            break;
        }
    }
    report.missed = hunt.missed();
    report.changes = hunt.changes();
    report.seconds = start.elapsed().as_secs_f64();
    report
}

/// Returns the text of a panic.
pub(crate) fn message(payload: &(dyn std::any::Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}
