//! Every handle travels inside a message, and is the same lock at the other end.

#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc_core::carry;
use proc_lock::{
    Condvar, Event, Mutex, OnceLock, ReentrantMutex, Shared, SharedAtomic, SharedSlice,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

/// Sends a handle through bytes and descriptors, as a socket does.
fn sent<H: Serialize + DeserializeOwned>(handle: &H) -> H {
    let (bytes, outgoing) = carry::outgoing(|| postcard::to_allocvec(handle).unwrap());
    let fds = outgoing.fds.iter().map(|fd| fd.try_clone().unwrap()).collect();
    let (handle, refusal) = carry::incoming(fds, || postcard::from_bytes(&bytes).unwrap());
    assert_eq!(refusal, None);
    handle
}

#[test]
fn what_arrives_is_the_same() {
    let mutex = Mutex::new(1u64).unwrap();
    *sent(&mutex).lock().unwrap() += 1;
    assert_eq!(*mutex.lock().unwrap(), 2);

    let reentrant = ReentrantMutex::new(1u64).unwrap();
    let held = reentrant.lock().unwrap();
    sent(&reentrant).lock().unwrap().set(7);
    assert_eq!(held.get(), 7);

    let event = Event::new().unwrap();
    sent(&event).set();
    assert!(event.is_set());

    let once = OnceLock::<u8>::new().unwrap();
    sent(&once).set(3).unwrap();
    assert_eq!(once.get(), Some(3));

    let shared = Shared::new([1u16; 3]).unwrap();
    sent(&shared).set([2; 3]);
    assert_eq!(shared.get(), [2; 3]);

    let slice = SharedSlice::new(&[1u8, 2, 3]).unwrap();
    sent(&slice).set(2, 9);
    assert_eq!(slice.to_vec(), [1, 2, 9]);

    let atomics = SharedAtomic::<[AtomicU32]>::zeroed(2).unwrap();
    sent(&atomics)[1].store(5, Relaxed);
    assert_eq!(atomics[1].load(Relaxed), 5);

    let condvar = Condvar::new().unwrap();
    let theirs = sent(&condvar);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            let guard = mutex.lock().unwrap();
            *theirs.wait_timeout_while(guard, Duration::from_secs(60), |it| *it == 2).unwrap()
        });
        *mutex.lock().unwrap() = 3;
        condvar.notify_one();
        assert_eq!(waiter.join().unwrap(), 3);
    });
}

#[test]
fn another_kind_is_refused_with_a_sentence() {
    let event = Event::new().unwrap();
    let (bytes, outgoing) = carry::outgoing(|| postcard::to_allocvec(&event).unwrap());
    let fds = outgoing.fds.iter().map(|fd| fd.try_clone().unwrap()).collect();
    let (arrived, refusal) = carry::incoming(fds, || postcard::from_bytes::<Mutex<u8>>(&bytes));
    assert!(arrived.is_err());
    let text = refusal.unwrap().to_string();
    assert!(text.contains("a mutex that arrived") && text.contains("it holds a `event`"), "{text}");
}
