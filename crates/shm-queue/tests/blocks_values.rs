//! Values of serde in blocks, and handles of queues of blocks.

#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::carry;
use shm_queue::{BlockReceiver, BlockSender, Blocks, bounded_blocks};
use testkit::fork;

type Table = Vec<(String, Option<f64>)>;

fn table(rows: usize) -> Table {
    (0..rows)
        .map(|row| (format!("row {row}"), row.is_multiple_of(3).then_some(row as f64)))
        .collect()
}

fn send(tx: &BlockSender, table: &Table) {
    let mut block = tx.reserve(tx.max_len()).unwrap();
    block.encode(table).unwrap();
    block.commit().unwrap();
}

#[test]
fn a_value_arrives_in_another_process() {
    let (tx, rx) = bounded_blocks(2, Blocks::new(2, 1 << 16)).unwrap();
    let child = fork(|| {
        for rows in [0, 1, 500, 2_000] {
            assert_eq!(rx.recv().unwrap().decode::<Table>().unwrap(), table(rows));
        }
    });
    [0, 1, 500, 2_000].iter().for_each(|rows| send(&tx, &table(*rows)));
    child.assert_ok();
}

#[test]
fn what_does_not_fit_leaves_the_guard_as_long_as_it_was() {
    let (tx, rx) = bounded_blocks(2, Blocks::new(2, 100)).unwrap();
    let mut block = tx.reserve(100).unwrap();
    let error = block.encode(&table(50)).unwrap_err();
    assert!(error.to_string().contains("longer than the 100 bytes reserved"), "{error}");
    assert_eq!(block.len(), 100);
    block.encode("short").unwrap();
    assert_eq!(block.len(), 6);
    block.commit().unwrap();
    let message = rx.recv().unwrap();
    let error = message.decode::<Table>().unwrap_err();
    assert!(error.to_string().contains("6 bytes as"), "{error}");
    assert_eq!(message.decode::<String>().unwrap(), "short");
}

#[test]
fn a_handle_is_refused_in_a_block_and_travels_in_a_message() {
    let (tx, rx) = bounded_blocks(2, Blocks::new(2, 100)).unwrap();
    let error = tx.reserve(100).unwrap().encode(&(1, &tx)).unwrap_err();
    assert!(error.to_string().contains("pipe message"), "{error}");

    let (bytes, out) = carry::outgoing(|| postcard::to_extend(&(&tx, &rx), Vec::new()).unwrap());
    drop((tx, rx));
    let fds = out.fds.iter().map(|fd| fd.try_clone().unwrap()).collect();
    let (ends, _) = carry::incoming(fds, || {
        postcard::from_bytes::<(BlockSender, BlockReceiver)>(&bytes).unwrap()
    });
    ends.0.send(b"travelled").unwrap();
    assert_eq!(ends.1.recv().unwrap().to_vec(), b"travelled");
}
