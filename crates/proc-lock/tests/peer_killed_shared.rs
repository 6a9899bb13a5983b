//! Whoever is killed at whatever instruction of a change: the value is the old one or the new one, whole.
//!
//! The same scenario runs over a value that is written in place, in which it must find the torn one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

use proc_lock::{Mutex, Shared};
use std::time::Duration;
use testkit::{
    End, Limits, Outcome, Report, assert_caught, fork, kill_at_every_instruction, watchdog,
};

const WAIT: Duration = Duration::from_secs(10);
const DOG: Duration = Duration::from_secs(280);
const OLD: [u64; 6] = [1; 6];
const NEW: [u64; 6] = [2; 6];

trait Value {
    fn new() -> Self;
    fn set(&self, value: [u64; 6]);
    fn get(&self) -> [u64; 6];
}

impl Value for Shared<[u64; 6]> {
    fn new() -> Self {
        multiproc_core::deadline::without_slices();
        let value = Shared::new([9; 6]).unwrap();
        value.set(OLD);
        value
    }

    fn set(&self, value: [u64; 6]) {
        Shared::update(self, |old| *old = value);
    }

    fn get(&self) -> [u64; 6] {
        Shared::get(self)
    }
}

/// The control: a mutex whose readers do not care for what they are told.
impl Value for Mutex<[u64; 6]> {
    fn new() -> Self {
        Mutex::new(OLD).unwrap()
    }

    fn set(&self, value: [u64; 6]) {
        let mut guard = self.lock_or_recover(|_| ());
        for (to, from) in guard.iter_mut().zip(value) {
            // One by one, as a larger value would be.
            *std::hint::black_box(to) = from;
        }
    }

    fn get(&self) -> [u64; 6] {
        *self.lock_or_recover(|_| ())
    }
}

fn change<V: Value>() -> Report {
    kill_at_every_instruction(
        Limits::default(),
        V::new,
        |value| value.set(NEW),
        |value, point| {
            let seen = value.get();
            assert!(seen == OLD || seen == NEW, "torn: {seen:?}");
            assert!(seen == NEW || !point.finished);
            let mut child = fork(|| {
                value.set([3; 6]);
                assert_eq!(value.get(), [3; 6]);
            });
            assert_eq!(child.wait_timeout(WAIT), Some(Outcome::Exited(0)), "hangs: {point}");
            assert_eq!(value.get(), [3; 6]);
        },
    )
}

#[test]
fn changing_a_value() {
    let _dog = watchdog(DOG);
    let report = change::<Shared<_>>();
    println!("| shared: update                           {report}");
    assert_eq!(report.end, End::Finished);
}

#[test]
fn a_torn_value_is_caught() {
    let _dog = watchdog(DOG);
    assert_caught(change::<Mutex<_>>, "torn");
}
