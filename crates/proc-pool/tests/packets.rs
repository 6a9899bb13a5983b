//! Descriptors and shared data go over a socket beside the lane: neither gets into another task's hands.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::Pool;
use shm_queue::{Sender, bounded};
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

fn pool() -> Pool {
    Pool::builder().workers(1).build().unwrap()
}

#[test]
fn shared_data_of_a_cancelled_task_still_reaches_the_next_one() {
    let _dog = watchdog(WAIT);
    let pool = pool();
    for round in 0..50u64 {
        let data = pool.share(vec![round; 100]).unwrap();
        let other = pool.share(vec![round + 1; 10]).unwrap();
        let cancelled = pool.apply_async((data.clone(),), |data| data.len()).unwrap();
        cancelled.cancel();
        let next = pool.apply((data.clone(), other.clone()), |data, other| data[7] + other[3]);
        assert_eq!(next.unwrap(), 2 * round + 1);
        let last = pool.apply((other, data), |other, data| other[0] * 1_000 + data[99]);
        assert_eq!(last.unwrap(), (round + 1) * 1_000 + round);
    }
}

#[test]
fn a_handle_of_a_task_that_was_not_put_is_not_the_next_ones() {
    let _dog = watchdog(WAIT);
    // In a process of its own, where arguments beyond a few megabytes find no memory in the lane.
    proc_spawn::spawn((), || {
        use nix::sys::resource::{Resource, setrlimit};
        setrlimit(Resource::RLIMIT_FSIZE, 4 << 20, 4 << 20).unwrap();
        let pool = pool();
        for round in 0..20u32 {
            let (first_tx, first_rx) = bounded::<u32>(4).unwrap();
            let (second_tx, second_rx) = bounded::<u32>(4).unwrap();
            let large = "x".repeat(16 << 20);
            let send = |tx: Sender<u32>, n: u32| tx.send(n).unwrap();
            pool.apply((first_tx, large), |tx: Sender<u32>, text: String| {
                tx.send(text.len() as u32).unwrap();
            })
            .unwrap_err();
            pool.apply((second_tx, round), send).unwrap();
            assert_eq!(second_rx.try_recv().ok(), Some(round));
            assert!(first_rx.try_recv().is_err());
        }
    })
    .unwrap()
    .join()
    .unwrap();
}
