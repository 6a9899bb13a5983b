//! Permits are shared by processes.

use proc_semaphore::{PermitPool, Semaphore};
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;
use testkit::{SharedPage, fork, watchdog};

#[test]
fn two_processes_take_turns() {
    let _dog = watchdog(Duration::from_secs(60));
    let (ping, pong) = (Semaphore::new(0).unwrap(), Semaphore::new(0).unwrap());
    let page = SharedPage::new(1);
    let child = fork(|| {
        for round in 0..2_000 {
            ping.acquire();
            assert_eq!(page[0].fetch_add(1, SeqCst), 2 * round);
            pong.release().unwrap();
        }
    });
    for round in 0..2_000 {
        ping.release().unwrap();
        pong.acquire();
        assert_eq!(page[0].fetch_add(1, SeqCst), 2 * round + 1);
    }
    child.assert_ok();
}

#[test]
fn no_permit_is_lost_or_made_between_four_processes() {
    let _dog = watchdog(Duration::from_secs(60));
    let semaphore = Semaphore::new(2).unwrap();
    let page = SharedPage::new(1);
    let body = || {
        for _ in 0..5_000 {
            semaphore.acquire();
            assert!(page[0].fetch_add(1, SeqCst) < 2);
            page[0].fetch_sub(1, SeqCst);
            semaphore.release().unwrap();
        }
    };
    let children: Vec<_> = (0..4).map(|_| fork(body)).collect();
    for child in children {
        child.assert_ok();
    }
    assert_eq!(semaphore.value(), 2);
}

#[test]
fn a_pool_is_held_by_as_many_processes_as_it_has_permits() {
    let _dog = watchdog(Duration::from_secs(60));
    let (pool, page) = (PermitPool::new(2).unwrap(), SharedPage::new(1));
    let body = || {
        for round in 0..5_000 {
            let n = if round % 5 == 0 { 2 } else { 1 };
            let permits = pool.acquire_many(n).unwrap();
            assert!(page[0].fetch_add(n.into(), SeqCst) + u64::from(n) <= 2);
            page[0].fetch_sub(n.into(), SeqCst);
            drop(permits);
            drop(pool.acquire().unwrap());
        }
    };
    let children: Vec<_> = (0..4).map(|_| fork(body)).collect();
    for child in children {
        child.assert_ok();
    }
    assert_eq!(pool.available(), 2);
}
