//! The deaths that robust mutexes get wrong elsewhere, one by one: told within the time that the kernel
//! takes, never a hang, never two owners.
//!
//! More of them are in `robust_list.rs` (a thread ends, exec, too many locks, a mapping that goes) and in
//! `hard_cases.rs` (PID namespaces, exec of a thread).

#![allow(unsafe_code, reason = "signals, timers and zombies")]
#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::deadline::without_slices;
use proc_lock::{LockError, LockTimeoutError, Mutex, TryLockError};
use std::sync::OnceLock;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{Outcome, SharedPage, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

#[test]
fn a_holder_that_forked_is_dead_while_its_child_lives() {
    let _dog = watchdog(WAIT);
    without_slices();
    let (mutex, page) = (Mutex::new(0u32).unwrap(), SharedPage::new(2));
    let holder = fork(|| {
        let mut guard = Some(mutex.lock().unwrap());
        // SAFETY: the child does what forked children do in these tests, and ends on the spot. It is no
        // child of `fork`'s, since that one would die with its parent.
        match unsafe { libc::fork() } {
            0 => {
                page[0].store(1, SeqCst);
                until(WAIT, "the others' lock", || page[1].load(SeqCst) == 1);
                drop(guard.take());
                let refused = matches!(mutex.try_lock(), Err(TryLockError::WouldBlock));
                page[1].store(if refused { 2 } else { 3 }, SeqCst);
                // SAFETY: ends the process on the spot.
                unsafe { libc::_exit(0) };
            }
            _ => std::thread::sleep(WAIT),
        }
    });
    until(WAIT, "the child's child", || page[0].load(SeqCst) == 1);
    let waiter = fork(|| {
        let Err(LockError::OwnerDied(_guard)) = mutex.lock() else { panic!("not told") };
        page[1].store(1, SeqCst);
        until(WAIT, "the copy's end", || page[1].load(SeqCst) > 1);
        assert_eq!(page[1].load(SeqCst), 2, "a copy of a dead one's guard gave the lock away");
    });
    until(WAIT, "the waiter", || is_asleep(waiter.pid()));
    holder.kill();
    waiter.assert_ok();
}

#[test]
fn each_recoverer_that_dies_is_told_of_again() {
    let _dog = watchdog(WAIT);
    without_slices();
    let mutex = Mutex::new(0u32).unwrap();
    fork(|| std::mem::forget(mutex.lock().unwrap())).assert_ok();
    for _ in 0..3 {
        fork(|| {
            let Err(LockError::OwnerDied(guard)) = mutex.lock() else { panic!("not told") };
            std::mem::forget(guard);
        })
        .assert_ok();
    }
    // One that says that it has repaired, and dies then, died inside all the same.
    fork(|| {
        let mut guard = mutex.lock().unwrap_err().into_inner();
        guard.mark_consistent();
        std::mem::forget(guard);
    })
    .assert_ok();
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
    drop(mutex.lock_or_recover(|_| ()));
    drop(mutex.lock().unwrap());
}

#[test]
fn a_zombie_holds_nothing() {
    let _dog = watchdog(WAIT);
    without_slices();
    let mutex = Mutex::new(0u32).unwrap();
    let holder = fork(|| std::mem::forget(mutex.lock().unwrap()));
    let stat = format!("/proc/{}/stat", holder.pid());
    until(WAIT, "the zombie", || {
        std::fs::read_to_string(&stat).is_ok_and(|it| it.contains(") Z "))
    });
    assert_eq!(mutex.owner(), None);
    assert!(matches!(mutex.lock(), Err(LockError::OwnerDied(_))));
    holder.assert_ok();
}

#[test]
fn one_that_is_stopped_holds_on() {
    let _dog = watchdog(WAIT);
    let (mutex, page) = (Mutex::new(0u32).unwrap(), SharedPage::new(2));
    let holder = fork(|| {
        let _guard = mutex.lock().unwrap();
        page[0].store(1, SeqCst);
        until(WAIT, "the word to go on", || page[1].load(SeqCst) == 1);
    });
    until(WAIT, "the lock", || page[0].load(SeqCst) == 1);
    holder.signal(libc::SIGSTOP);
    let pid = u32::try_from(holder.pid()).unwrap();
    let waited = mutex.lock_timeout(Duration::from_millis(1_200));
    assert!(matches!(waited, Err(LockTimeoutError::TimedOut)));
    assert_eq!(mutex.owner(), Some(pid));
    page[1].store(1, SeqCst);
    holder.signal(libc::SIGCONT);
    drop(mutex.lock().unwrap());
    holder.assert_ok();
}

/// What the signal handler below works with: another lock, and the one that it interrupts.
static LOCKS: OnceLock<(Mutex<u64>, Mutex<u64>)> = OnceLock::new();

extern "C" fn lock_both(_: libc::c_int) {
    if let Some((other, interrupted)) = LOCKS.get() {
        *other.lock().unwrap() += 1;
        // Free between two rounds, or held by the thread that was interrupted.
        drop(interrupted.try_lock());
    }
}

#[test]
fn a_signal_handler_that_locks_breaks_neither_its_lock_nor_the_one_that_it_interrupts() {
    let _dog = watchdog(WAIT);
    let (other, mine) = LOCKS.get_or_init(|| (Mutex::new(0).unwrap(), Mutex::new(0).unwrap()));
    let child = fork(|| {
        drop(other.lock().unwrap());
        drop(mine.lock().unwrap());
        // SAFETY: `lock_both` takes locks of ours, which is what this test is about, and no others.
        unsafe { libc::signal(libc::SIGALRM, lock_both as *const () as libc::sighandler_t) };
        let tick = libc::timeval { tv_sec: 0, tv_usec: 97 };
        let timer = libc::itimerval { it_interval: tick, it_value: tick };
        // SAFETY: a whole timer, and no old one asked for.
        unsafe { libc::setitimer(libc::ITIMER_REAL, &raw const timer, std::ptr::null_mut()) };
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            *mine.lock().unwrap() += 1;
        }
        std::mem::forget(mine.lock().unwrap());
    });
    assert_eq!(child.wait(), Outcome::Exited(0));
    let told = mine.lock_timeout(WAIT);
    let Err(LockTimeoutError::OwnerDied(count)) = told else { panic!("not told") };
    assert!(*count > 1_000);
    let handled = *other.lock_or_recover(|_| ());
    assert!(handled > 100, "{handled} signals");
}
