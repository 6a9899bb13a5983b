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

/// A message of 1 KiB, by value.
pub type Kib = [u64; 128];
