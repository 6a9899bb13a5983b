//! A forked child ends as its body does, and never outlives its handle.

use std::cell::RefCell;
use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::{Duration, Instant};
use testkit::{Child, Outcome, SharedPage, fork, until, watchdog};

const LIMIT: Duration = Duration::from_secs(60);

fn sleeper() -> Child {
    fork(|| {
        loop {
            thread::park();
        }
    })
}

/// Whether a child of this process with that pid exists, dead and unreaped included.
fn exists(pid: i32) -> bool {
    std::fs::metadata(format!("/proc/{pid}")).is_ok()
}

fn message_of(panicking: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(panicking)).expect_err("it should panic");
    *payload.downcast::<String>().expect("a formatted message")
}

#[test]
fn a_body_that_returns_exits_with_zero() {
    let _dog = watchdog(LIMIT);
    let page = SharedPage::new(1);
    let child = fork(|| page[0].store(u64::from(std::process::id()), SeqCst));
    let pid = child.pid();
    assert_eq!(child.wait(), Outcome::Exited(0));
    assert_eq!(page[0].load(SeqCst), u64::try_from(pid).unwrap());
    fork(|| {}).assert_ok();
}

#[test]
fn a_panic_exits_with_101_and_writes_its_message_past_the_capture() {
    let _dog = watchdog(LIMIT);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let child = fork(|| {
        nix::unistd::dup2_stderr(&writer).unwrap();
        panic!("seven of nine");
    });
    drop(writer);
    assert_eq!(child.wait(), Outcome::Exited(101));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(text.contains("seven of nine") && text.contains("fork.rs"), "{text}");
}

#[test]
fn a_killed_child_is_signaled() {
    let _dog = watchdog(LIMIT);
    let child = sleeper();
    child.kill();
    assert_eq!(child.wait(), Outcome::Signaled(9));

    let mut child = sleeper();
    child.signal(15);
    assert_eq!(child.wait_timeout(LIMIT), Some(Outcome::Signaled(15)));
    // Gone and reaped: signals go nowhere, the outcome stays.
    child.kill();
    assert_eq!(child.try_wait(), Some(Outcome::Signaled(15)));
}

#[test]
fn a_real_time_signal_is_an_outcome_too() {
    let _dog = watchdog(LIMIT);
    let child = sleeper();
    child.signal(libc::SIGRTMIN() + 2);
    assert_eq!(child.wait(), Outcome::Signaled(libc::SIGRTMIN() + 2));
}

#[test]
fn a_living_child_has_no_outcome_yet() {
    let _dog = watchdog(LIMIT);
    let mut child = sleeper();
    assert_eq!(child.try_wait(), None);
    let start = Instant::now();
    assert_eq!(child.wait_timeout(Duration::from_millis(40)), None);
    assert!(start.elapsed() >= Duration::from_millis(40));
    // A stop is not an end.
    child.signal(libc::SIGSTOP);
    assert_eq!(child.wait_timeout(Duration::from_millis(40)), None);
    assert_eq!(child.try_wait(), None);
}

#[test]
fn drop_kills_and_reaps() {
    let _dog = watchdog(LIMIT);
    let child = sleeper();
    let pid = child.pid();
    assert!(exists(pid));
    drop(child);
    assert!(!exists(pid), "a zombie would still be there");
}

#[test]
fn a_copy_of_the_handle_in_another_child_kills_nobody() {
    let _dog = watchdog(LIMIT);
    let handle = RefCell::new(Some(sleeper()));
    fork(|| drop(handle.take())).assert_ok();
    let mut child = handle.take().expect("the parent's own");
    assert_eq!(child.try_wait(), None);
    assert_eq!(child.wait_timeout(Duration::from_millis(20)), None);
    child.kill();
    assert_eq!(child.wait(), Outcome::Signaled(9));
}

#[test]
fn assert_ok_says_what_happened_and_where_the_child_came_from() {
    let _dog = watchdog(LIMIT);
    let child = sleeper();
    child.kill();
    let text = message_of(|| child.assert_ok());
    assert!(text.contains("killed by signal 9") && text.contains("fork.rs"), "{text}");
    let text = message_of(|| fork(|| std::process::exit(3)).assert_ok());
    assert!(text.contains("exited with code 3"), "{text}");
}

#[test]
fn a_child_dies_with_the_thread_that_forked_it() {
    let _dog = watchdog(LIMIT);
    // Ended at once, the thread is often gone before the child can bind itself to it.
    for _ in 0..100 {
        let mut child = thread::spawn(sleeper).join().unwrap();
        let outcome = child.wait_timeout(LIMIT / 3);
        let read = |name| std::fs::read_to_string(format!("/proc/{}/{name}", child.pid()));
        let (status, syscall) = (read("status"), read("syscall"));
        assert_eq!(outcome, Some(Outcome::Signaled(9)), "{status:?} {syscall:?}");
    }
}

#[test]
fn a_child_has_an_alarm_set_and_nothing_blocked() {
    let _dog = watchdog(LIMIT);
    use nix::sys::signal::{SigSet, Signal};
    let mut mask = SigSet::empty();
    mask.add(Signal::SIGALRM);
    mask.add(Signal::SIGTERM);
    mask.thread_block().unwrap();
    fork(|| {
        let left = nix::unistd::alarm::cancel().expect("an alarm was set");
        assert!((60..=120).contains(&left), "{left} s");
        let blocked = SigSet::thread_get_mask().unwrap();
        assert_eq!(blocked, SigSet::empty());
    })
    .assert_ok();
    mask.thread_unblock().unwrap();
}

#[test]
fn children_fork_and_panic_while_other_threads_hold_stds_locks() {
    let _dog = watchdog(LIMIT);
    let stop = SharedPage::new(1);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while stop[0].load(SeqCst) == 0 {
                    // Held for most of the time, so that most forks find it taken.
                    let stderr = std::io::stderr().lock();
                    let stdout = std::io::stdout().lock();
                    thread::sleep(Duration::from_micros(200));
                    drop((stdout, stderr, vec![0_u8; 4096]));
                }
            });
        }
        let (_reader, writer) = std::io::pipe().unwrap();
        for round in 0..100 {
            let child = fork(|| {
                nix::unistd::dup2_stderr(&writer).unwrap();
                assert!(round > 1_000, "round {round}");
            });
            assert_eq!(child.wait(), Outcome::Exited(101));
        }
        stop[0].store(1, SeqCst);
    });
}

#[test]
fn a_child_that_sleeps_forever_is_gone_when_until_fails() {
    let _dog = watchdog(LIMIT);
    let mut pid = 0;
    let text = message_of(|| {
        let child = sleeper();
        pid = child.pid();
        until(Duration::from_millis(20), "the sleeper's end", || false);
    });
    assert!(text.contains("the sleeper's end"), "{text}");
    assert!(!exists(pid));
}
