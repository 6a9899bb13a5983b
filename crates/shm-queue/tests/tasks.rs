//! Who waits until all is done, and who says that it is.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{JoinError, JoinTimeoutError, TaskDoneError, bounded};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{Child, SharedPage, fork, watchdog};

const WAIT: Duration = Duration::from_secs(10);
const BRIEFLY: Duration = Duration::from_millis(5);

#[test]
fn what_was_sent_is_unfinished_until_somebody_says_otherwise() {
    let (tx, rx) = bounded::<u32>(4).unwrap();
    assert_eq!(tx.join(), Ok(()), "nothing to be done");
    assert_eq!(rx.task_done(), Err(TaskDoneError));
    tx.send(1).unwrap();
    tx.send(2).unwrap();
    assert_eq!(rx.task_done(), Err(TaskDoneError), "nothing was received");
    assert_eq!(tx.unfinished(), 2);
    assert_eq!(rx.iter().take(2).count(), 2);
    assert_eq!(tx.unfinished(), 2);
    assert_eq!(tx.join_timeout(BRIEFLY), Err(JoinTimeoutError::Timeout));
    rx.task_done().unwrap();
    assert_eq!(tx.unfinished(), 1);
    assert_eq!(tx.join_timeout(BRIEFLY), Err(JoinTimeoutError::Timeout));
    rx.task_done().unwrap();
    assert_eq!(tx.join(), Ok(()));
    assert_eq!(rx.task_done(), Err(TaskDoneError));
    tx.send(3).unwrap();
    drop(rx);
    assert_eq!(tx.join(), Err(JoinError));
    assert_eq!(tx.join_timeout(WAIT), Err(JoinTimeoutError::Disconnected));
}

#[test]
fn many_workers_many_who_wait() {
    let _dog = watchdog(Duration::from_secs(100));
    let (tx, rx) = bounded::<u32>(16).unwrap();
    let page = SharedPage::new(1);
    let workers: Vec<_> = (0..3)
        .map(|_| {
            fork(|| {
                while rx.recv().unwrap() != u32::MAX {
                    page[0].fetch_add(1, SeqCst);
                    rx.task_done().unwrap();
                }
            })
        })
        .collect();
    for round in 1..200u64 {
        for i in 0..10 {
            tx.send(i).unwrap();
        }
        let waiting = (round % 50 == 0).then(|| fork(|| tx.join().unwrap()));
        tx.join().unwrap();
        assert_eq!(page[0].load(SeqCst), 10 * round);
        waiting.into_iter().for_each(Child::assert_ok);
    }
    for _ in &workers {
        tx.send(u32::MAX).unwrap();
    }
    workers.into_iter().for_each(Child::assert_ok);
}
