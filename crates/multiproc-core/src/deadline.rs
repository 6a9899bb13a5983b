//! Points in monotonic time at which a wait gives up.

use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use core::time::Duration;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Whether [`Deadline::slice`] slices no more. One flag of this process, set once: no ordering.
static WHOLE: AtomicBool = AtomicBool::new(false);

/// What is shorter is no belt: it stands in for something that the kernel refused.
const BELT: Duration = Duration::from_millis(20);

/// Makes the slices of all waits in this process, and in those that it forks, as long as the waits.
///
/// For crash tests alone. A sleeper looks around now and then, in case the kernel could not tell of a
/// death; a wake-up that our own protocol loses would then come late and go unnoticed. Without slices
/// it does not come at all.
#[doc(hidden)]
pub fn without_slices() {
    WHOLE.store(true, Relaxed);
}

/// A point on the monotonic clock, or none.
///
/// The kernel takes these as absolute times, so a wait that is interrupted and started again does
/// not grow longer. A timeout too large to be represented means "wait for ever".
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Timespec>);

impl Deadline {
    /// Waits for ever.
    pub const NEVER: Self = Self(None);

    /// Gives up `timeout` from now.
    #[must_use]
    pub fn after(timeout: Duration) -> Self {
        let now = clock_gettime(ClockId::Monotonic);
        let add = i64::try_from(timeout.as_secs()).ok().and_then(|secs| {
            let nanos = now.tv_nsec + i64::from(timeout.subsec_nanos());
            let tv_sec = now.tv_sec.checked_add(secs)?.checked_add(nanos / 1_000_000_000)?;
            // A quarter of the range is more than 70 billion years, and leaves the kernel room to add.
            (tv_sec < i64::MAX / 4).then_some(Timespec { tv_sec, tv_nsec: nanos % 1_000_000_000 })
        });
        Self(add)
    }

    /// Gives up after `timeout`, or never when there is none.
    #[must_use]
    pub fn from_option(timeout: Option<Duration>) -> Self {
        timeout.map_or(Self::NEVER, Self::after)
    }

    /// Returns the earlier of this deadline and `timeout` from now: one slice of a longer wait.
    #[must_use]
    pub fn slice(self, timeout: Duration) -> Self {
        if timeout >= BELT && WHOLE.load(Relaxed) {
            return self;
        }
        let slice = Self::after(timeout);
        match (self.0, slice.0) {
            (Some(own), Some(other)) if key(own) <= key(other) => self,
            (_, Some(_)) => slice,
            (_, None) => self,
        }
    }

    /// Says whether the time has come.
    #[must_use]
    pub fn has_passed(self) -> bool {
        self.0.is_some_and(|at| key(clock_gettime(ClockId::Monotonic)) >= key(at))
    }

    /// Returns the time left: zero when it has passed, `None` when it never comes.
    #[must_use]
    pub fn remaining(self) -> Option<Duration> {
        self.0.map(|at| {
            let now = clock_gettime(ClockId::Monotonic);
            let nanos = i128::from(at.tv_sec - now.tv_sec) * 1_000_000_000
                + i128::from(at.tv_nsec - now.tv_nsec);
            let nanos = u128::try_from(nanos).unwrap_or(0);
            let secs = u64::try_from(nanos / 1_000_000_000).unwrap_or(u64::MAX);
            Duration::new(secs, u32::try_from(nanos % 1_000_000_000).unwrap_or(0))
        })
    }

    /// Returns the time left as `poll` takes it.
    #[must_use]
    pub fn poll_timeout(self) -> Option<Timespec> {
        self.remaining().map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        })
    }

    /// Returns the absolute time for the kernel.
    pub(crate) fn timespec(self) -> Option<Timespec> {
        self.0
    }
}

fn key(t: Timespec) -> (i64, i64) {
    (t.tv_sec, t.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_huge_timeout_is_no_timeout() {
        assert!(Deadline::after(Duration::MAX).remaining().is_none());
        assert!(!Deadline::after(Duration::MAX).has_passed());
    }

    #[test]
    fn zero_has_passed_and_leaves_nothing() {
        let deadline = Deadline::after(Duration::ZERO);
        assert!(deadline.has_passed());
        assert_eq!(deadline.remaining(), Some(Duration::ZERO));
    }

    #[test]
    fn a_slice_is_never_later_than_the_whole() {
        let whole = Deadline::after(Duration::from_millis(50));
        assert!(
            whole.slice(Duration::from_secs(9)).remaining()
                <= whole.remaining().map(|d| d + Duration::from_millis(50))
        );
        assert!(Deadline::NEVER.slice(Duration::from_secs(9)).remaining().is_some());
        assert!(whole.slice(Duration::MAX).remaining().is_some());
    }
}
