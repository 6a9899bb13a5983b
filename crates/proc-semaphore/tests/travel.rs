//! Every handle travels inside a message, and is the same semaphore or pool at the other end.

#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::carry;
use proc_semaphore::{BoundedSemaphore, PermitPool, Semaphore};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Sends a handle through bytes and descriptors, as a socket does.
fn sent<H: Serialize, G: DeserializeOwned>(handle: &H) -> Result<G, String> {
    let (bytes, outgoing) = carry::outgoing(|| postcard::to_allocvec(handle).unwrap());
    let fds = outgoing.fds.iter().map(|fd| fd.try_clone().unwrap()).collect();
    let (handle, refusal) = carry::incoming(fds, || postcard::from_bytes(&bytes));
    handle.map_err(|_| refusal.unwrap().to_string())
}

#[test]
fn what_arrives_is_the_same() {
    let semaphore = Semaphore::new(0).unwrap();
    sent::<_, Semaphore>(&semaphore).unwrap().release_many(3).unwrap();
    assert_eq!(semaphore.value(), 3);

    let bounded = BoundedSemaphore::new(2).unwrap();
    let arrived: BoundedSemaphore = sent(&bounded).unwrap();
    assert_eq!(arrived.release().unwrap_err().bound(), 2);
    arrived.acquire();
    assert_eq!(bounded.value(), 1);

    let pool = PermitPool::new(2).unwrap();
    let arrived: PermitPool = sent(&pool).unwrap();
    let permit = arrived.acquire().unwrap();
    assert_eq!((pool.available(), pool.capacity()), (1, 2));
    drop(permit);
}

#[test]
fn one_thing_is_not_taken_for_another() {
    let pool = PermitPool::new(2).unwrap();
    assert_eq!(
        sent::<_, Semaphore>(&pool).unwrap_err(),
        "failed to open a semaphore that arrived: it holds a `permit pool`, not a `semaphore`"
    );
}
