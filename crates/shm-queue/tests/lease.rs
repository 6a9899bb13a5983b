//! Leases between threads: what comes again, what does not, and who waits for whom.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{
    LeaseError, LeaseReceiver, LeaseTimeoutError, Sender, TryLeaseError, bounded_leased,
    bounded_leased_bytes,
};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};
use testkit::{Outcome, SharedPage, fork, is_asleep, until, watchdog};

const WAIT: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(5);

fn numbers(leases: usize) -> (Sender<u64>, LeaseReceiver<u64>) {
    bounded_leased(8, leases).unwrap()
}

fn is_empty(rx: &LeaseReceiver<u64>) -> bool {
    matches!(rx.try_lease(), Err(TryLeaseError::Empty))
}

#[test]
fn in_order_and_once() {
    let (tx, rx) = numbers(3);
    let start = Instant::now();
    assert!(matches!(rx.lease_timeout(BRIEFLY), Err(LeaseTimeoutError::Timeout)));
    assert!(start.elapsed() >= BRIEFLY);
    for i in 0..1_000 {
        tx.send(i).unwrap();
        let lease = rx.lease().unwrap();
        assert_eq!((*lease, lease.attempts(), lease.redelivered()), (i, 1, false));
        assert!(is_empty(&rx));
        assert_eq!(lease.ack(), i);
    }
    assert!(is_empty(&rx));
}

#[test]
fn given_back_it_comes_again_until_it_is_acknowledged() {
    let (tx, rx) = numbers(3);
    tx.send(7).unwrap();
    for attempt in 1..=5 {
        let lease = rx.lease().unwrap();
        assert_eq!((*lease, lease.attempts(), lease.redelivered()), (7, attempt, attempt > 1));
    }
    rx.lease().unwrap().ack();
    assert!(is_empty(&rx));
}

#[test]
fn what_comes_again_comes_before_what_is_new() {
    let (tx, rx) = numbers(4);
    tx.send_many(&[1, 2, 3]).unwrap();
    let (first, second) = (rx.lease().unwrap(), rx.lease().unwrap());
    drop(first);
    assert_eq!(rx.lease().unwrap().ack(), 1);
    assert_eq!(rx.lease().unwrap().ack(), 3);
    drop(second);
    assert_eq!(rx.lease().unwrap().ack(), 2);
}

#[test]
fn a_window() {
    let (tx, rx) = numbers(4);
    tx.send_many(&[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(rx.lease_many(0).unwrap().len(), 0);
    let window = rx.lease_many(100).unwrap();
    assert_eq!(window.iter().map(|lease| **lease).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(tx.len(), 2);
    for (lease, keep) in window.into_iter().zip([true, false, true, false]) {
        if keep {
            lease.ack();
        }
    }
    let mut rest = rx.lease_many(3).unwrap().ack();
    rest.extend(rx.try_lease_many(3).unwrap().ack());
    rest.sort_unstable();
    assert_eq!(rest, [2, 4, 5, 6]);
    let late = rx.lease_many_timeout(3, BRIEFLY);
    assert!(matches!(late, Err(LeaseTimeoutError::Timeout)));
}

#[test]
fn a_panic_gives_back() {
    let (tx, rx) = numbers(2);
    tx.send(1).unwrap();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            let lease = rx.lease().unwrap();
            assert_ne!(*lease, 1, "this one is to panic");
            lease.ack();
        });
        assert!(worker.join().is_err());
    });
    assert!(rx.lease().unwrap().redelivered());
}

#[test]
fn a_thread_that_ends_gives_back_what_it_has_forgotten() {
    let (tx, rx) = numbers(2);
    tx.send(1).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| std::mem::forget(rx.lease().unwrap()));
    });
    assert_eq!(rx.lease().unwrap().attempts(), 2);
}

#[test]
fn one_that_waits_gets_what_another_gives_back() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(2);
    tx.send(1).unwrap();
    let lease = rx.lease().unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| rx.lease().unwrap().ack());
        std::thread::sleep(Duration::from_millis(20));
        drop(lease);
        assert_eq!(waiter.join().unwrap(), 1);
    });
}

#[test]
fn without_a_lease_left_one_waits_for_an_acknowledgement() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(2);
    tx.send_many(&[1, 2, 3]).unwrap();
    let window = rx.lease_many(2).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            assert!(matches!(rx.try_lease(), Err(TryLeaseError::Empty)));
            rx.lease().unwrap().ack()
        });
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished());
        window.into_iter().next().unwrap().ack();
        assert!(waiter.join().unwrap() >= 2);
    });
}

#[test]
fn one_who_has_all_leases_is_told_so() {
    let (tx, rx) = numbers(2);
    tx.send_many(&[1, 2, 3]).unwrap();
    let window = rx.lease_many(2).unwrap();
    let LeaseError::Failed(error) = rx.lease().unwrap_err() else { panic!("not a failure") };
    assert!(format!("{error:?}").contains("in the hands of this thread"), "{error:?}");
    assert!(matches!(rx.try_lease(), Err(TryLeaseError::Empty | TryLeaseError::Failed(_))));
    drop(window);
    assert_eq!(rx.lease_many(2).unwrap().ack().len(), 2);
    assert_eq!(rx.lease().unwrap().ack(), 3);
}

#[test]
fn it_is_over_when_nothing_can_come_back() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(4);
    tx.send_many(&[1, 2]).unwrap();
    let mine = rx.lease().unwrap();
    drop(tx);
    std::thread::scope(|scope| {
        let lease = rx.lease().unwrap();
        // One's own do not count: nobody else could give them back.
        assert!(matches!(rx.lease(), Err(LeaseError::Disconnected)));
        assert!(matches!(rx.try_lease(), Err(TryLeaseError::Disconnected)));
        let waiter = scope.spawn(|| {
            let error = rx.lease().unwrap_err();
            assert!(matches!(error, LeaseError::Disconnected), "{error:?}");
        });
        std::thread::sleep(Duration::from_millis(20));
        lease.ack();
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished(), "the other may still come back");
        mine.ack();
        waiter.join().unwrap();
    });
    assert!(matches!(rx.lease(), Err(LeaseError::Disconnected)));
}

#[test]
fn closing_lets_the_rest_be_done() {
    let (tx, rx) = numbers(4);
    tx.send_many(&[1, 2]).unwrap();
    tx.close();
    drop(rx.lease().unwrap());
    let mut rest = rx.lease_many(4).unwrap().ack();
    rest.sort_unstable();
    assert_eq!(rest, [1, 2]);
    assert!(matches!(rx.lease(), Err(LeaseError::Disconnected)));
}

#[test]
fn poison() {
    let (tx, rx) = numbers(2);
    rx.poison_after(3);
    tx.send_many(&[13, 1, 2]).unwrap();
    for attempt in 1..=3 {
        let lease = rx.lease().unwrap();
        assert_eq!((*lease, lease.attempts()), (13, attempt));
    }
    // The others go on, with one lease less.
    assert_eq!(rx.lease().unwrap().ack(), 1);
    let poisoned = rx.take_poisoned().unwrap().unwrap();
    assert_eq!((*poisoned, poisoned.attempts()), (13, 4));
    assert!(rx.take_poisoned().unwrap().is_none(), "it is in somebody's hands");
    drop(poisoned);
    assert_eq!(rx.lease().unwrap().ack(), 2);
    drop(tx);
    assert!(matches!(rx.lease(), Err(LeaseError::Disconnected)), "it does not come back");
    assert_eq!(rx.take_poisoned().unwrap().unwrap().ack(), 13);
    assert!(rx.take_poisoned().unwrap().is_none());
}

#[test]
fn poison_in_all_leases_is_a_failure_and_not_a_hang() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(2);
    rx.poison_after(1);
    tx.send_many(&[1, 2, 3]).unwrap();
    drop(rx.lease_many(2).unwrap());
    assert!(matches!(rx.lease(), Err(LeaseError::Failed(_))));
    rx.take_poisoned().unwrap().unwrap().ack();
    assert_eq!(rx.lease().unwrap().ack(), 3);
}

#[test]
fn joining_waits_for_what_is_in_lease() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(4);
    tx.join().unwrap();
    tx.send_many(&[1, 2, 3]).unwrap();
    let done = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let window = rx.lease_many(2).unwrap();
            drop(rx.lease().unwrap());
            std::thread::sleep(Duration::from_millis(20));
            done.fetch_add(2, SeqCst);
            window.ack();
            let last = rx.lease().unwrap();
            std::thread::sleep(Duration::from_millis(20));
            done.fetch_add(1, SeqCst);
            last.ack();
            std::thread::sleep(Duration::from_millis(20));
        });
        for _ in 0..2 {
            scope.spawn(|| {
                tx.join().unwrap();
                assert_eq!(done.load(SeqCst), 3);
                assert_eq!(tx.unfinished(), 0);
            });
        }
    });
    tx.send(4).unwrap();
    assert_eq!(tx.unfinished(), 1);
    assert!(tx.join_timeout(BRIEFLY).is_err());
    let lease = rx.lease().unwrap();
    assert_eq!((tx.len(), tx.unfinished()), (0, 1));
    lease.ack();
    tx.join().unwrap();
}

#[test]
fn messages_of_any_length_share_the_room_of_the_leases() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = bounded_leased_bytes(8, 64, 4).unwrap();
    let message = |i: u8| vec![i; 8 + i as usize];
    let mut expected = std::collections::VecDeque::new();
    let mut held = std::collections::VecDeque::new();
    let mut next = 0;
    for round in 0..2_000 {
        while tx.try_send(&message(next)).is_ok() {
            expected.push_back(next);
            next = (next + 1) % 25;
        }
        if let Ok(lease) = rx.try_lease() {
            let number = lease[0];
            assert_eq!(*lease, message(number));
            if !lease.redelivered() {
                assert_eq!(expected.pop_front(), Some(number));
            }
            held.push_back(lease);
        } else {
            held.pop_front().unwrap().ack();
        }
        if round % 7 == 0 {
            held.pop_back();
        }
    }
    assert!(next > 0 && !held.is_empty());
}

#[test]
fn a_message_waits_for_room_among_the_leases() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = bounded_leased_bytes(8, 64, 4).unwrap();
    tx.send(&[1; 40]).unwrap();
    let first = rx.lease().unwrap();
    tx.send(&[2; 64]).unwrap();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| rx.lease().unwrap().ack());
        std::thread::sleep(Duration::from_millis(20));
        assert!(!waiter.is_finished());
        first.ack();
        assert_eq!(waiter.join().unwrap(), [2; 64]);
    });
}

#[test]
fn many_threads_do_every_job_once() {
    let _dog = watchdog(Duration::from_secs(60));
    const JOBS: u64 = 20_000;
    let (tx, rx) = bounded_leased::<u64>(64, 8).unwrap();
    let done: Vec<_> = (0..JOBS).map(|_| AtomicU64::new(0)).collect();
    let mark = |job: u64| assert_eq!(done[job as usize].fetch_add(1, SeqCst), 0, "twice: {job}");
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let rx = rx.clone();
            scope.spawn(move || {
                let mut round = worker;
                while let Ok(window) = rx.lease_many(1 + round % 3) {
                    round += 1;
                    for job in window {
                        if round % 5 != 0 {
                            mark(job.ack());
                        }
                    }
                }
            });
        }
        drop(rx);
        (0..JOBS).for_each(|job| tx.send(job).unwrap());
        tx.join().unwrap();
        assert!(done.iter().all(|count| count.load(SeqCst) == 1));
        drop(tx);
    });
}

#[test]
fn one_sleeper_after_the_other_gets_its_share() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(4);
    tx.send_many(&[1, 2]).unwrap();
    let window = rx.lease_many(2).unwrap();
    let got = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| got.fetch_add(rx.lease().unwrap().ack(), SeqCst));
        }
        std::thread::sleep(Duration::from_millis(20));
        drop(window);
        until(WAIT, "both", || got.load(SeqCst) == 3);
    });
}

#[test]
fn what_was_in_lease_is_there_for_the_next_to_open_the_queue() {
    let _dog = watchdog(WAIT);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs");
    let tx = Sender::<u64>::create_leased(&path, 10, 4).unwrap();
    tx.send_many(&[1, 2, 3]).unwrap();
    drop(tx);
    let last = fork(|| {
        let rx = LeaseReceiver::<u64>::open(&path).unwrap();
        let window = rx.lease_many(3).unwrap();
        window.into_iter().next().unwrap().ack();
        let _rest = rx.lease_many(2).unwrap();
        std::process::abort();
    });
    assert_eq!(last.wait(), Outcome::Signaled(6));
    let rx = LeaseReceiver::<u64>::open(&path).unwrap();
    let window = rx.lease_many(4).unwrap();
    assert!(window.iter().all(|lease| lease.attempts() == 3));
    let mut rest = window.ack();
    rest.sort_unstable();
    assert_eq!(rest, [2, 3]);
}

#[test]
fn a_message_that_is_forced_out_is_not_waited_for() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = bounded_leased::<u64>(1, 2).unwrap();
    tx.send(1).unwrap();
    let mut old = 0;
    tx.force_send(2, |message| old = message).unwrap();
    assert_eq!((old, tx.unfinished()), (1, 1));
    assert_eq!(rx.lease().unwrap().ack(), 2);
    tx.join().unwrap();
}

#[test]
fn processes_take_turns() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(4);
    tx.send(1).unwrap();
    let page = SharedPage::new(1);
    let holder = fork(|| {
        let _lease = rx.lease().unwrap();
        page[0].store(1, SeqCst);
        std::thread::sleep(WAIT);
    });
    until(WAIT, "the lease", || page[0].load(SeqCst) == 1);
    let next = fork(|| assert_eq!(rx.lease().unwrap().attempts(), 2));
    until(WAIT, "the next one's sleep", || is_asleep(next.pid()));
    holder.kill();
    next.assert_ok();
    assert_eq!(rx.lease().unwrap().attempts(), 3);
}

#[test]
fn one_that_is_stopped_keeps_its_lease() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = numbers(4);
    tx.send(1).unwrap();
    let page = SharedPage::new(2);
    let holder = fork(|| {
        let lease = rx.lease().unwrap();
        page[0].store(1, SeqCst);
        until(WAIT, "the word", || page[1].load(SeqCst) == 1);
        lease.ack();
    });
    until(WAIT, "the lease", || page[0].load(SeqCst) == 1);
    holder.signal(19);
    let patience = Duration::from_millis(50);
    assert!(matches!(rx.lease_timeout(patience), Err(LeaseTimeoutError::Timeout)));
    page[1].store(1, SeqCst);
    holder.signal(18);
    holder.assert_ok();
    assert_eq!(tx.unfinished(), 0);
}

#[test]
fn what_a_fork_has_of_a_lease_is_a_copy_without_effect() {
    let (tx, rx) = numbers(4);
    tx.send_many(&[1, 2]).unwrap();
    let (first, second) = (rx.lease().unwrap(), rx.lease().unwrap());
    let cell = std::cell::Cell::new(Some((first, second)));
    let child = fork(|| {
        let (first, second) = cell.take().unwrap();
        first.ack();
        drop(second);
    });
    assert_eq!(child.wait(), Outcome::Exited(0));
    assert_eq!(tx.unfinished(), 2);
    assert!(is_empty(&rx));
    let (first, second) = cell.take().unwrap();
    first.ack();
    drop(second);
    assert_eq!(rx.lease().unwrap().ack(), 2);
}

#[test]
fn the_ends_fit() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<LeaseReceiver<u64>>();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs");
    let rx = LeaseReceiver::<u64>::create(&path, 10, 4).unwrap();
    let tx = Sender::<u64>::open(&path).unwrap();
    tx.send(3).unwrap();
    let found = LeaseReceiver::<u64>::open_or_create(&path, 5, 5).unwrap();
    assert_eq!((found.capacity(), found.lease().unwrap().ack()), (10, 3));
    drop((tx, rx, found));
    let says = shm_queue::Receiver::<u64>::open(&path).unwrap_err();
    assert!(format!("{says:?}").contains("are leased"), "{says:?}");

    let plain = directory.path().join("plain");
    let _plain = shm_queue::Receiver::<u64>::create(&plain, 10).unwrap();
    let says = LeaseReceiver::<u64>::open(&plain).unwrap_err();
    assert!(format!("{says:?}").contains("no leases"), "{says:?}");

    let other = directory.path().join("other");
    let tx = Sender::<u64>::create_leased(&other, 10, 2).unwrap();
    tx.send(5).unwrap();
    assert_eq!(LeaseReceiver::<u64>::open(&other).unwrap().lease().unwrap().ack(), 5);

    let says = bounded_leased::<u64>(10, 0).unwrap_err();
    assert!(format!("{says:?}").contains("0 leases"), "{says:?}");
}
