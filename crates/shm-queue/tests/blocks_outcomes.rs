//! What every operation on blocks says, and when.

#![allow(clippy::unwrap_used, reason = "a test")]

use shm_queue::{
    BlockReceiver, BlockSender, Blocks, RecvBlockError, RecvBlockTimeoutError, SendBlockError,
    SendBlockTimeoutError, SendTimeoutError, TryRecvBlockError, TrySendBlockError, TrySendError,
    bounded_blocks,
};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};
use testkit::{Outcome, fork, watchdog};

const SOON: Duration = Duration::from_millis(20);

fn pair() -> (BlockSender, BlockReceiver) {
    bounded_blocks(4, Blocks::new(2, 100).and(1, 1_000)).unwrap()
}

#[test]
fn a_message_has_the_length_that_was_reserved() {
    let (tx, rx) = pair();
    for len in [0, 1, 100, 101, 1_000] {
        let mut block = tx.reserve(len).unwrap();
        block.write_at(0, &vec![len as u8; len]);
        assert_eq!((block.len(), block.is_empty()), (len, len == 0));
        block.commit().unwrap();
        let message = rx.recv().unwrap();
        assert_eq!(message.to_vec(), vec![len as u8; len]);
        assert_eq!((message.len(), message.is_empty()), (len, len == 0));
        assert_eq!(message.as_ptr() as usize % 128, 0);
    }
    assert_eq!((tx.max_len(), rx.max_len()), (1_000, 1_000));
}

#[test]
fn a_block_can_be_written_and_read_piece_by_piece() {
    let (tx, rx) = pair();
    let mut block = tx.reserve(10).unwrap();
    block.write_all(b"0123").unwrap();
    block.write_at(8, b"89");
    block.write_all(b"4567").unwrap();
    assert_eq!(block.position(), 8);
    assert_eq!(block.write(b"xyz").unwrap(), 2);
    assert_eq!(block.write_all(b"x").unwrap_err().kind(), ErrorKind::WriteZero);
    block.write_at(8, b"89");
    block.truncate(11);
    assert_eq!(block.len(), 10);
    block.truncate(9);
    assert_eq!((block.len(), block.position()), (9, 9));
    block.commit().unwrap();

    let mut message = rx.recv().unwrap();
    let mut part = [0; 4];
    assert_eq!(message.read_at(7, &mut part), 2);
    assert_eq!(part, *b"78\0\0");
    assert_eq!(message.read_at(usize::MAX, &mut part), 0);
    let mut all = String::new();
    message.read_to_string(&mut all).unwrap();
    assert_eq!(all, "012345678");
    let mut twice = b">".to_vec();
    message.append_to(&mut twice);
    assert_eq!(twice, b">012345678");
}

#[test]
#[should_panic(expected = "3 bytes at 8 of a message of 10")]
fn nothing_is_written_beyond_the_message() {
    pair().0.reserve(10).unwrap().write_at(8, b"abc");
}

#[test]
fn a_message_waits_for_a_block_of_its_size_only() {
    let (tx, _rx) = pair();
    let large = tx.reserve(101).unwrap();
    assert!(matches!(tx.try_reserve(1_000), Err(TrySendBlockError::Full)));
    let small = [(); 2].map(|()| tx.try_reserve(100).unwrap());
    assert!(matches!(tx.try_reserve(1), Err(TrySendBlockError::Full)));
    let start = Instant::now();
    let late = tx.reserve_timeout(1, SOON).unwrap_err();
    assert!(matches!(late, SendBlockTimeoutError::Timeout) && start.elapsed() >= SOON, "{late}");
    drop(large);
    assert!(matches!(tx.try_send(&[0; 1]), Err(TrySendBlockError::Full)));
    drop(small);
    tx.try_send(&[0; 1]).unwrap();
}

#[test]
fn what_is_too_large_is_refused_with_both_numbers() {
    let (tx, _rx) = pair();
    let error = tx.reserve(1_001).unwrap_err();
    assert!(matches!(error, SendBlockError::TooLarge { len: 1_001, most: 1_000 }));
    assert!(error.to_string().contains("1001") && error.to_string().contains("1000"));
    let error = tx.try_send(&[0; 2_000]).unwrap_err();
    assert!(matches!(error, TrySendBlockError::TooLarge { len: 2_000, most: 1_000 }));
    let error = tx.send_timeout(&[0; 2_000], SOON).unwrap_err();
    assert!(matches!(error, SendBlockTimeoutError::TooLarge { .. }));
}

#[test]
fn a_full_queue_gives_the_guard_back() {
    let (tx, rx) = bounded_blocks(1, Blocks::new(3, 8)).unwrap();
    tx.send(b"first").unwrap();
    let mut block = tx.reserve(6).unwrap();
    block.write_at(0, b"second");
    let Err(TrySendError::Full(block)) = block.try_commit() else { panic!("room") };
    let Err(SendTimeoutError::Timeout(block)) = block.commit_timeout(SOON) else { panic!("room") };
    assert_eq!(rx.recv().unwrap().to_vec(), b"first");
    block.commit().unwrap();
    assert_eq!(rx.recv().unwrap().to_vec(), b"second");
}

#[test]
fn without_receivers_nothing_is_sent_and_the_guard_comes_back() {
    let (tx, rx) = pair();
    let block = tx.reserve(5).unwrap();
    drop(rx);
    let block = block.commit().unwrap_err().into_inner();
    let Err(TrySendError::Disconnected(_)) = block.try_commit() else { panic!("sent") };
    assert!(matches!(tx.reserve(5), Err(SendBlockError::Disconnected)));
    assert!(matches!(tx.try_send(b"x"), Err(TrySendBlockError::Disconnected)));
}

#[test]
fn without_senders_what_is_left_is_received() {
    let (tx, rx) = pair();
    assert!(matches!(rx.try_recv(), Err(TryRecvBlockError::Empty)));
    assert!(matches!(rx.recv_timeout(SOON), Err(RecvBlockTimeoutError::Timeout)));
    tx.send(b"left").unwrap();
    drop(tx);
    let mut buffer = b"before".to_vec();
    rx.recv_into(&mut buffer).unwrap();
    assert_eq!(buffer, b"left");
    assert!(matches!(rx.recv(), Err(RecvBlockError::Disconnected)));
    assert!(matches!(rx.try_recv(), Err(TryRecvBlockError::Disconnected)));
    assert!(matches!(rx.recv_timeout(SOON), Err(RecvBlockTimeoutError::Disconnected)));
    assert_eq!(rx.iter().count(), 0);
}

#[test]
fn one_who_waits_for_a_block_learns_that_the_queue_is_closed_or_deserted() {
    let _dog = watchdog(Duration::from_secs(60));
    let end = |change: fn(BlockReceiver)| {
        let (tx, rx) = bounded_blocks(1, Blocks::new(1, 8)).unwrap();
        tx.send(b"x").unwrap();
        std::thread::scope(|scope| {
            // If it came late, the block is free, and of no use.
            let waiter = scope.spawn(|| match tx.reserve(1) {
                Ok(block) => block.commit().is_err(),
                Err(error) => matches!(error, SendBlockError::Disconnected),
            });
            std::thread::sleep(SOON);
            change(rx);
            assert!(waiter.join().unwrap());
        });
    };
    end(drop);
    end(|rx| {
        assert!(rx.close());
        let rest: Vec<_> = rx.iter().map(|message| message.unwrap().to_vec()).collect();
        assert_eq!(rest, [b"x"]);
    });
}

#[test]
fn a_thread_that_ends_gives_its_blocks_back() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded_blocks(2, Blocks::new(2, 8)).unwrap();
    tx.send(b"x").unwrap();
    let has_both = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::mem::forget(tx.reserve(1).unwrap());
            std::mem::forget(rx.recv().unwrap());
            has_both.wait();
            std::thread::sleep(SOON);
        });
        has_both.wait();
        // Sleeps until the thread ends.
        drop([tx.reserve(1).unwrap(), tx.reserve(1).unwrap()]);
    });
}

#[test]
fn in_a_forked_child_the_parents_blocks_are_not_its_own() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, rx) = bounded_blocks(2, Blocks::new(3, 8)).unwrap();
    tx.send(b"read").unwrap();
    let (mut write, read) = (tx.reserve(5).unwrap(), rx.recv().unwrap());
    let (mut first, mut second) = (Some((write, read)), None);
    fork(|| drop(first.take())).assert_ok();
    fork(|| drop(second.replace(tx.try_reserve(1).unwrap()))).assert_ok();
    (write, _) = first.take().unwrap();
    let child = fork(|| drop(write.try_commit()));
    assert_eq!(child.wait(), Outcome::Exited(101), "refused by a panic");
}

#[test]
fn more_threads_than_places_are_refused_with_the_number() {
    let _dog = watchdog(Duration::from_secs(60));
    let (tx, _rx) = bounded_blocks(200, Blocks::new(200, 8)).unwrap();
    let (all, end) = (std::sync::Barrier::new(126), std::sync::Barrier::new(126));
    std::thread::scope(|scope| {
        for _ in 0..125 {
            scope.spawn(|| {
                drop(tx.reserve(1).unwrap());
                all.wait();
                end.wait();
            });
        }
        all.wait();
        let error = tx.try_reserve(1).unwrap_err();
        assert!(matches!(error, TrySendBlockError::Attach(_)), "{error}");
        assert!(
            format!("{error:?}").contains("attach")
                && error.to_string().contains("queue of blocks")
        );
        end.wait();
    });
    assert!(tx.try_reserve(1).is_ok());
}

#[test]
fn queues_of_blocks_are_found_by_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("frames");
    let tx = BlockSender::create(&path, 2, Blocks::new(2, 10).and(1, 20)).unwrap();
    let rx = BlockReceiver::open(&path).unwrap();
    let same = BlockSender::open_or_create(&path, 9, Blocks::new(9, 9)).unwrap();
    assert_eq!((same.max_len(), same.capacity()), (20, 2));
    same.send(b"by path").unwrap();
    assert_eq!(rx.recv().unwrap().to_vec(), b"by path");
    assert_eq!(tx.len(), 0);
    assert!(BlockSender::create(&path, 2, Blocks::new(2, 10)).is_err());
    assert!(shm_queue::ByteSender::open(&path).is_err(), "another kind");
    shm_queue::unlink(&path).unwrap();
    assert!(BlockReceiver::open(&path).is_err());
    drop(BlockReceiver::open_or_create(&path, 1, Blocks::new(1, 5)).unwrap());
    assert_eq!(BlockSender::open(&path).unwrap().max_len(), 5);
}

#[test]
fn what_cannot_be_is_refused() {
    let says = |blocks| format!("{:?}", bounded_blocks(4, blocks).unwrap_err());
    assert!(says(Blocks::new(0, 10)).contains("0 blocks of 10 bytes"));
    assert!(says(Blocks::new(1, 10).and(70_000, 1)).contains("65535"));
    assert!(says(Blocks::new(1, 1 << 40)).contains("bytes"));
    assert!(bounded_blocks(0, Blocks::new(1, 1)).is_err());
}
