//! A lock without recovery is caught, one that the kernel releases passes.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{
    End, KillPoint, Limits, Outcome, SharedPage, fork, kill_at_every_instruction, watchdog,
};

const LIMIT: Duration = Duration::from_secs(200);
const FREE: u64 = 0;
const HELD: u64 = 1;

fn naive_lock(page: &SharedPage) {
    while page[0].compare_exchange(FREE, HELD, SeqCst, SeqCst).is_err() {
        std::thread::yield_now();
    }
}

fn naive_unlock(page: &SharedPage) {
    page[0].store(FREE, SeqCst);
}

fn can_be_taken_by_a_fresh_process(lock_and_unlock: impl Fn()) -> bool {
    let mut child = fork(lock_and_unlock);
    child.wait_timeout(Duration::from_millis(200)) == Some(Outcome::Exited(0))
}

#[test]
fn the_naive_lock_is_caught_and_the_message_names_the_kill_point() {
    let _dog = watchdog(LIMIT);
    let mut fine = 0;
    let mut stuck_at = None;
    let explored = catch_unwind(AssertUnwindSafe(|| {
        kill_at_every_instruction(
            Limits { stride: 1, ..Limits::default() },
            || SharedPage::new(1),
            |page| {
                naive_lock(page);
                naive_unlock(page);
            },
            |page, point| {
                stuck_at = Some(point);
                let free = can_be_taken_by_a_fresh_process(|| {
                    naive_lock(&page);
                    naive_unlock(&page);
                });
                assert!(free, "the lock is stuck");
                fine += 1;
            },
        )
    }));
    let text = *explored.expect_err("it must be caught").downcast::<String>().unwrap();
    let point: KillPoint = stuck_at.unwrap();
    assert!(fine > 0, "before the lock is taken a kill does no harm");
    assert!(!point.finished && !point.asleep, "{point:?}");
    assert!(text.starts_with("the lock is stuck\n"), "{text}");
    assert!(text.contains(&format!("a kill at instruction {}, at ", point.instruction)), "{text}");
}

#[test]
fn a_file_lock_is_released_by_the_kernel_at_every_point() {
    let _dog = watchdog(LIMIT);
    let path = std::env::current_exe().unwrap();
    let lock_and_unlock = || {
        let file = File::open(&path).unwrap();
        file.lock().unwrap();
        file.unlock().unwrap();
    };
    let report = kill_at_every_instruction(
        Limits { stride: 1, ..Limits::default() },
        || (),
        |()| lock_and_unlock(),
        |(), _| assert!(can_be_taken_by_a_fresh_process(lock_and_unlock), "the lock is stuck"),
    );
    assert_eq!((report.end, report.asleep), (End::Finished, 0), "{report}");
}

#[test]
fn a_victim_that_panics_or_dies_is_no_kill_point() {
    let _dog = watchdog(LIMIT);
    let text_of = |victim: fn(&())| {
        // Far apart, since a panic is many thousands of instructions.
        let limits = Limits { stride: 1 << 20, ..Limits::default() };
        let explored = catch_unwind(AssertUnwindSafe(|| {
            kill_at_every_instruction(limits, || (), victim, |(), _| {})
        }));
        *explored.expect_err("it did not finish").downcast::<String>().unwrap()
    };
    let text = text_of(|()| nix::sys::signal::raise(nix::sys::signal::Signal::SIGTERM).unwrap());
    assert!(text.contains("the victim was killed by signal 15 after"), "{text}");
    let text = text_of(|()| std::process::exit(3));
    assert!(text.contains("the victim exited with code 3 after"), "{text}");
}
