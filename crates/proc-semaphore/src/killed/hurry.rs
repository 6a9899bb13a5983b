//! Releases of a semaphore to one in line who has been overtaken for so long that it is in a hurry.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use testkit::{Child, Limits, Outcome, Report, fork, is_asleep, kill_at_every_instruction, until};

use super::{WAIT, passes};
use crate::counting::HURRY;
use crate::{BoundedSemaphore, Semaphore};

trait Form: Sized {
    fn of_ten() -> Self;
    fn word(&self) -> u64;
    fn acquire(&self, n: u32);
    fn try_acquire(&self, n: u32) -> bool;
    fn release(&self, n: u32);
}

macro_rules! form {
    ($name:ident) => {
        impl Form for $name {
            fn of_ten() -> Self {
                Self::new(10).unwrap()
            }

            fn word(&self) -> u64 {
                self.counting().word().load(SeqCst)
            }

            fn acquire(&self, n: u32) {
                self.acquire_many(n).unwrap();
            }

            fn try_acquire(&self, n: u32) -> bool {
                self.try_acquire_many(n)
            }

            fn release(&self, n: u32) {
                self.release_many(n).unwrap();
            }
        }
    };
}

form!(Semaphore);
form!(BoundedSemaphore);

/// No permits, and one who sleeps for `n` in a hurry.
fn in_a_hurry<F: Form>(n: u32) -> (F, Child) {
    loop {
        let semaphore = F::of_ten();
        semaphore.acquire(10);
        let mut child = fork(|| semaphore.acquire(n));
        until(WAIT, "the waiter's sleep", || is_asleep(child.pid()));
        std::thread::sleep(Duration::from_millis(2));
        // It is woken, and overtaken; or else this once it was fast.
        semaphore.release(n);
        if semaphore.try_acquire(n) {
            until(WAIT, "its hurry", || semaphore.word() & HURRY != 0 && is_asleep(child.pid()));
            return (semaphore, child);
        }
        assert!(child.wait_timeout(WAIT).is_some());
    }
}

fn release_to_one_in_a_hurry<F: Form>(n: u32) -> Report {
    let taken = std::cell::Cell::new(false);
    kill_at_every_instruction(
        Limits {
            before_kill: Some(Box::new(|(semaphore, _): &(F, Child), _| {
                taken.set(semaphore.try_acquire(1));
            })),
            ..Limits::default()
        },
        || in_a_hurry::<F>(n),
        |(semaphore, _)| semaphore.release(n),
        |(semaphore, mut child), _| {
            if taken.take() {
                semaphore.release(1);
            }
            let missing = |semaphore: &F| (semaphore.word() as u32 & 0xff) < n;
            if missing(&semaphore) && child.wait_timeout(Duration::from_millis(5)).is_none() {
                // The victim has released nothing.
                semaphore.release(n);
            }
            let end = child.wait_timeout(WAIT);
            assert_eq!(end, Some(Outcome::Exited(0)), "a waiter sleeps on");
            semaphore.release(1);
            let mut newcomer = fork(|| semaphore.acquire(1));
            assert_eq!(newcomer.wait_timeout(WAIT), Some(Outcome::Exited(0)), "a newcomer hangs");
        },
    )
}

#[test]
fn releasing_to_one_in_a_hurry() {
    passes("release to one in a hurry", || release_to_one_in_a_hurry::<Semaphore>(1));
    passes("release 2 to one in a hurry", || release_to_one_in_a_hurry::<Semaphore>(2));
    passes("the same, bounded", || release_to_one_in_a_hurry::<BoundedSemaphore>(2));
}
