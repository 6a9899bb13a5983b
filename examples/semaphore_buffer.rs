//! A buffer with two places, guarded by two semaphores and a lock.

use multiproc::queue::{self, Receiver, Sender};
use multiproc::{Builder, Mutex, Semaphore, Task};
use serde::{Deserialize, Serialize};
use std::{thread, time::Duration};

const ROUNDS: u32 = 6;

/// What the two share. Clones are further handles to the same semaphores and lock.
#[derive(Clone, Serialize, Deserialize)]
struct Shared {
    empty: Semaphore,
    full: Semaphore,
    lock: Mutex<()>,
}

#[derive(Serialize, Deserialize)]
struct Consumer(Receiver<u32>, Shared);

#[derive(Serialize, Deserialize)]
struct Producer(Sender<u32>, Shared);

impl Task for Consumer {
    type Output = ();

    fn run(self) {
        let Self(buffer, Shared { empty, full, lock }) = self;
        for _ in 0..ROUNDS {
            full.acquire();
            // If the last holder was killed inside, there is nothing to repair.
            let guard = lock.lock_or_recover(|()| ());
            buffer.recv().expect("`full` says that there is one");
            println!("Consumer pop an element");
            pace::sleep(1);
            drop(guard);
            empty.release().expect("there were two places");
        }
    }
}

impl Task for Producer {
    type Output = ();

    fn run(self) {
        let Self(buffer, Shared { empty, full, lock }) = self;
        for _ in 0..ROUNDS {
            empty.acquire();
            let guard = lock.lock_or_recover(|()| ());
            buffer.send(1).expect("the consumer has not ended");
            println!("Producer append an element");
            pace::sleep(1);
            drop(guard);
            full.release().expect("there are two places");
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (sender, receiver) = queue::bounded(10)?;
    let (empty, full) = (Semaphore::new(2)?, Semaphore::new(0)?);
    let shared = Shared { empty, full: full.clone(), lock: Mutex::new(())? };
    let daemon = Builder::new().daemon(true);
    let producer = daemon.start(Producer(sender, shared.clone()))?;
    // The consumer comes when both places are taken.
    while full.value() < 2 && producer.is_alive() {
        thread::sleep(Duration::from_millis(10));
    }
    let consumer = daemon.start(Consumer(receiver, shared))?;

    // A permit has no owner: if one of the two were killed, the other would wait for ever. So join
    // the one that ends first; if that is an error, this program ends, and the other daemon with it.
    while producer.is_alive() && consumer.is_alive() {
        thread::sleep(Duration::from_millis(10));
    }
    let (first, second) =
        if producer.is_alive() { (consumer, producer) } else { (producer, consumer) };
    first.join()?;
    second.join()?;
    println!("Ended!");
    Ok(())
}
