//! How waiting at a barrier can end.

use std::error::Error;
use std::fmt;

/// All have arrived. As [`std::sync::BarrierWaitResult`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BarrierWaitResult {
    pub(super) is_leader: bool,
}

impl BarrierWaitResult {
    /// Says whether this thread is the one of them that led: the last to arrive.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.is_leader
    }
}

/// The barrier is broken: a member died, gave up, or was told to abort.
/// [`reset`](crate::Barrier::reset) mends it.
#[doc(alias = "BrokenBarrierError")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenBarrier;

/// Not all arrived in time, or the barrier is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BarrierTimeoutError {
    /// Not all arrived in time, and now the barrier is broken.
    TimedOut,
    /// See [`BrokenBarrier`].
    Broken,
}

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier is broken")
    }
}

impl fmt::Display for BarrierTimeoutError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => "not all arrived at the barrier in time",
            Self::Broken => "the barrier is broken",
        })
    }
}

impl Error for BrokenBarrier {}
impl Error for BarrierTimeoutError {}
