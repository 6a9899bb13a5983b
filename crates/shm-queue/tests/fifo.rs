//! What goes in comes out: equal, in order, once.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::bytemuck::{Pod, Zeroable};
use shm_queue::{bounded, bounded_bytes};
use std::collections::VecDeque;
use std::time::Duration;
use testkit::watchdog;

#[test]
fn random_floats_arrive_equal_and_in_order() {
    let (tx, rx) = bounded::<f64>(10).unwrap();
    let mut seed = 7u64;
    for round in 0..10_000u64 {
        let batch: Vec<f64> = (0..1 + round % 10)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                f64::from_bits(seed)
            })
            .collect();
        for value in &batch {
            tx.send(*value).unwrap();
        }
        assert_eq!(rx.len(), batch.len());
        for value in &batch {
            // Bits: some of them are NaN.
            assert_eq!(rx.recv().unwrap().to_bits(), value.to_bits());
        }
    }
    assert!(rx.is_empty());
}

#[test]
fn messages_of_every_shape_arrive_whole() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(C)]
    struct Pair(u64, [f32; 2]);
    // SAFETY: any bytes are numbers.
    #[allow(unsafe_code, reason = "bytemuck's derive is a feature that users choose")]
    unsafe impl Zeroable for Pair {}
    // SAFETY: as above, and there is no padding.
    #[allow(unsafe_code, reason = "bytemuck's derive is a feature that users choose")]
    unsafe impl Pod for Pair {}

    let (tx, rx) = bounded::<Pair>(3).unwrap();
    tx.send(Pair(u64::MAX, [1.5, -0.0])).unwrap();
    assert_eq!(rx.recv().unwrap(), Pair(u64::MAX, [1.5, -0.0]));

    let (tx, rx) = bounded::<[u8; 5000]>(3).unwrap();
    for i in 0..20 {
        let message = std::array::from_fn(|at| (at % 251) as u8 ^ i);
        tx.send(message).unwrap();
        assert_eq!(rx.recv().unwrap(), message);
    }

    let (tx, rx) = bounded::<()>(2).unwrap();
    tx.send(()).unwrap();
    tx.send(()).unwrap();
    assert!(tx.is_full());
    assert_eq!(rx.try_iter().count(), 2);
}

#[test]
fn the_capacity_is_exact_and_wraps() {
    for capacity in [1, 2, 3, 5, 8, 100] {
        let (tx, rx) = bounded::<u32>(capacity).unwrap();
        assert_eq!((tx.capacity(), rx.capacity()), (capacity, capacity));
        let (mut put, mut got) = (0, 0);
        for round in 0..1_000 {
            while tx.try_send(put).is_ok() {
                put += 1;
            }
            assert_eq!((put - got) as usize, capacity);
            assert!(tx.is_full() && rx.is_full() && !tx.is_empty());
            for _ in 0..1 + round % capacity {
                assert_eq!(rx.try_recv(), Ok(got));
                got += 1;
            }
            assert_eq!(rx.len(), (put - got) as usize);
        }
    }
}

#[test]
fn bytes_of_all_lengths_arrive_equal_and_in_order() {
    for (capacity, capacity_bytes) in [(1, 1), (2, 64), (64, 64), (5, 1000), (100, 333)] {
        let (tx, rx) = bounded_bytes(capacity, capacity_bytes).unwrap();
        let mut model: VecDeque<Vec<u8>> = VecDeque::new();
        let mut buffer = Vec::new();
        let mut random = 99u32;
        let mut next = |below: usize| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (random >> 8) as usize % below
        };
        for _ in 0..20_000 {
            let len = next(capacity_bytes + 1);
            let message: Vec<u8> = (0..len).map(|at| (at + len) as u8).collect();
            if tx.try_send(&message).is_ok() {
                model.push_back(message);
            } else {
                assert!(!model.is_empty(), "{len} bytes of {capacity_bytes} fit an empty queue");
                rx.recv_into(&mut buffer).unwrap();
                assert_eq!(Some(&buffer), model.pop_front().as_ref());
            }
            if next(3) == 0 {
                assert_eq!(rx.try_recv().ok(), model.pop_front());
            }
            assert_eq!(rx.len(), model.len());
        }
    }
}

#[test]
fn a_large_message_waits_for_its_room_and_none_overtakes_it() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded_bytes(100, 1024).unwrap();
    for i in 0..8 {
        tx.send(&[i; 100]).unwrap();
    }
    std::thread::scope(|scope| {
        let large = scope.spawn(|| tx.send(&[9; 1024]).unwrap());
        std::thread::sleep(Duration::from_millis(30));
        for i in 0..8 {
            assert!(!large.is_finished());
            assert_eq!(rx.recv().unwrap(), [i; 100]);
        }
        assert_eq!(rx.recv().unwrap(), [9; 1024]);
    });
}

#[test]
fn iterators_end_where_they_should() {
    let (tx, rx) = bounded::<u32>(10).unwrap();
    for i in 0..4 {
        tx.send(i).unwrap();
    }
    assert_eq!(rx.try_iter().take(2).collect::<Vec<_>>(), [0, 1]);
    drop(tx);
    assert_eq!(rx.iter().collect::<Vec<_>>(), [2, 3]);

    let (tx, rx) = bounded_bytes(10, 100).unwrap();
    tx.send(b"a").unwrap();
    tx.send(b"b").unwrap();
    drop(tx);
    for (message, expected) in (&rx).into_iter().zip([b"a", b"b"]) {
        assert_eq!(message, expected);
    }
    assert_eq!(rx.into_iter().next(), None);
}

#[test]
fn threads_share_the_ends() {
    let _dog = watchdog(Duration::from_secs(60));
    const EACH: u64 = 20_000;
    let (tx, rx) = bounded::<u64>(7).unwrap();
    let sum: u64 = std::thread::scope(|scope| {
        for _ in 0..3 {
            let tx = tx.clone();
            scope.spawn(move || (1..=EACH).for_each(|i| tx.send(i).unwrap()));
        }
        drop(tx);
        let sums = [(); 3].map(|()| {
            let rx = rx.clone();
            scope.spawn(move || rx.into_iter().sum::<u64>())
        });
        sums.into_iter().map(|sum| sum.join().unwrap()).sum()
    });
    assert_eq!(sum, 3 * EACH * (EACH + 1) / 2);
}
