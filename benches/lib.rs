//! What the benches share: an echo at the other end of a queue, in a process or in a thread.

use multiproc::queue::{Item, Receiver, Sender};

/// Sends back what it receives, until the other side is gone. Runs in a process or a thread.
pub fn echo<T: Item>(rx: Receiver<T>, tx: Sender<T>) {
    for item in rx {
        if tx.send(item).is_err() {
            return;
        }
    }
}

/// Receives until the other side is gone, and returns how many items there were.
pub fn drain<T: Item>(rx: Receiver<T>) -> u64 {
    rx.into_iter().map(|item| std::hint::black_box(&item) as *const T).count() as u64
}

/// A message of 1 KiB, by value.
pub type Kib = [u64; 128];
