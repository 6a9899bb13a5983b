//! A bound on how long a test may take.

use crate::raw_stderr::say;
use std::panic::Location;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

/// Keeps a [`watchdog`] quiet when dropped.
#[derive(Debug)]
#[must_use = "dropped at once, the watchdog watches nothing"]
pub struct Watchdog {
    // Dropping the sender is the signal. Nobody joins the thread: in a forked child there is none.
    _alive: Sender<()>,
}

/// Aborts the whole test process unless the returned guard is dropped within `limit`.
///
/// The message names the thread that called this, which libtest calls by the test's name, the
/// place and the limit. Forked children die with the process. Children do not inherit the dog: an
/// alarm of their own bounds them.
///
/// # Panics
///
/// When the system has no thread left.
///
/// # Examples
///
/// ```
/// let _dog = testkit::watchdog(std::time::Duration::from_secs(60));
/// // ... what could hang ...
/// ```
#[track_caller]
pub fn watchdog(limit: Duration) -> Watchdog {
    let at = Location::caller();
    let name = thread::current().name().unwrap_or("unnamed thread").to_owned();
    let (alive, watched) = channel();
    let dog = move || {
        if watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
            say(&format!("watchdog: {name} did not pass {at} within {limit:?}, aborting\n"));
            std::process::abort();
        }
    };
    if let Err(error) = thread::Builder::new().name("watchdog".into()).spawn(dog) {
        panic!("failed to start a watchdog: {error}");
    }
    Watchdog { _alive: alive }
}
