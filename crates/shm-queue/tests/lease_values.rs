//! Leases of values, and receivers that travel.

#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::carry;
use shm_queue::{
    LeaseReceiver, Sender, TryLeaseError, ValueLeaseReceiver, ValueSender, bounded_leased,
    bounded_leased_values,
};
use std::collections::BTreeMap;
use std::io::ErrorKind;

#[test]
fn values_come_again_whole() {
    type Job = BTreeMap<String, Vec<Option<f64>>>;
    let (tx, rx) = bounded_leased_values::<Job>(8, 1 << 12, 4).unwrap();
    let job: Job = [("x".to_owned(), vec![Some(0.5), None]), (String::new(), vec![])].into();
    tx.send(job.clone()).unwrap();
    assert_eq!(*rx.lease().unwrap(), job);
    let lease = rx.lease().unwrap();
    assert!(lease.redelivered());
    assert_eq!(lease.ack(), job);
    tx.join().unwrap();
}

#[test]
fn what_cannot_be_decoded_is_poisoned() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("jobs");
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug)]
    enum Job {
        A,
        B,
    }
    let rx = ValueLeaseReceiver::<Job>::create(&path, 8, 1 << 10, 4).unwrap();
    let tx = ValueSender::<Job>::open(&path).unwrap();
    tx.send(Job::A).unwrap();
    tx.send(Job::B).unwrap();
    drop(tx);
    // Each message has one byte, its variant; there is no ninth.
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    // The second lies 8 bytes into the arena, which begins behind 768 bytes of words and 8 descriptors.
    std::os::unix::fs::FileExt::write_all_at(&file, &[9], 128 + 896 + 8).unwrap();

    let window = rx.lease_many(2).unwrap();
    assert_eq!(window.ack(), [Job::A]);
    assert!(matches!(rx.try_lease(), Err(TryLeaseError::Disconnected)));
    assert_eq!(rx.take_poisoned().unwrap_err().kind(), ErrorKind::InvalidData);
    assert!(rx.take_poisoned().unwrap().is_none());
}

#[test]
fn receivers_travel() {
    let (tx, rx) = bounded_leased::<u64>(8, 4).unwrap();
    tx.send(3).unwrap();
    let (bytes, out) = carry::outgoing(|| postcard::to_extend(&(&tx, &rx), Vec::new()).unwrap());
    assert_eq!(out.refusal, None);
    let fds = out.fds.iter().map(|fd| fd.try_clone().unwrap()).collect();
    drop((tx, rx));
    let (ends, refusal) = carry::incoming(fds, || postcard::from_bytes(&bytes));
    let (tx, rx): (Sender<u64>, LeaseReceiver<u64>) = ends.map_err(|_| refusal).unwrap();
    assert_eq!(rx.lease().unwrap().ack(), 3);
    tx.join().unwrap();
}
