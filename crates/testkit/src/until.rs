//! Waiting for what another process does.

use std::thread;
use std::time::{Duration, Instant};

/// Polls `cond` with short sleeps until it holds.
///
/// # Panics
///
/// When it does not hold within `limit`; the message names `what`.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::SeqCst;
/// use std::time::Duration;
/// use testkit::{SharedPage, fork, until};
///
/// let page = SharedPage::new(1);
/// let child = fork(|| page[0].store(1, SeqCst));
/// until(Duration::from_secs(10), "the child's word", || page[0].load(SeqCst) == 1);
/// child.assert_ok();
/// ```
#[track_caller]
pub fn until(limit: Duration, what: &str, mut cond: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut pause = Duration::from_micros(20);
    while !cond() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(2));
    }
}
