//! How fast the examples run: the tutorial's seconds, made shorter.
//!
//! The tutorial sleeps for whole seconds, so that one can watch. To get through all of its examples
//! in 20 seconds, [`sleep`] takes a fifth of what it is told. With the argument `--real-time`, or
//! with the environment variable `REAL_TIME` set, it takes all of it. Child processes are started
//! with the arguments and the environment of their parent, so they keep the same pace.

use std::time::Duration;

/// How much of a tutorial's second passes here, unless real time is asked for.
const SCALE: f64 = 0.2;

/// The argument that asks for real time.
const REAL_TIME: &str = "--real-time";

/// Sleeps for that many seconds of the tutorial.
pub fn sleep(seconds: impl Into<f64>) {
    std::thread::sleep(self::seconds(seconds));
}

/// Returns how long that many seconds of the tutorial are here: a timeout, for example.
pub fn seconds(seconds: impl Into<f64>) -> Duration {
    let scale = if is_real_time() { 1.0 } else { SCALE };
    Duration::from_secs_f64(seconds.into() * scale)
}

/// Returns the arguments of the program that are not about its pace.
pub fn args() -> impl Iterator<Item = String> {
    std::env::args_os()
        .skip(1)
        .map(|arg| arg.to_string_lossy().into_owned())
        .filter(|arg| arg != REAL_TIME)
}

fn is_real_time() -> bool {
    std::env::var_os("REAL_TIME").is_some() || std::env::args_os().any(|arg| arg == REAL_TIME)
}
