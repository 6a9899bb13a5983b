//! Every crate of the family is reached through the umbrella, and its handles go together.

#![allow(clippy::unwrap_used, reason = "a test")]

use multiproc::{BoundedSemaphore, Mutex, Pool, Semaphore, Task, pipe, queue, spawn, start};

#[derive(serde::Serialize, serde::Deserialize)]
struct Everything {
    lock: multiproc::lock::Mutex<u64>,
    counting: multiproc::semaphore::Semaphore,
    bounded: BoundedSemaphore,
    items: queue::Sender<u64>,
    values: queue::ValueSender<Option<String>>,
    bytes: queue::ByteSender,
    pipe: pipe::Duplex<String>,
}

impl Task for Everything {
    type Output = pipe::PipeReceiver<u8>;

    fn run(self) -> Self::Output {
        *self.lock.lock().unwrap() += 1;
        self.counting.acquire();
        self.bounded.release().unwrap();
        self.items.send(5).unwrap();
        self.values.send(Some("five".to_owned())).unwrap();
        self.bytes.send(b"5").unwrap();
        let text = self.pipe.recv().unwrap();
        self.pipe.send(&text.to_uppercase()).unwrap();
        // A handle comes back as part of the result.
        let (tx, rx) = pipe::simplex().unwrap();
        tx.send(&5).unwrap();
        rx
    }
}

#[test]
fn one_process_uses_all_of_them_at_once() {
    let lock = Mutex::new(1).unwrap();
    let counting = Semaphore::new(1).unwrap();
    let bounded = BoundedSemaphore::new(1).unwrap();
    bounded.acquire();
    let (items, got_items) = queue::bounded(1).unwrap();
    let (values, got_values) = queue::bounded_values(1, 1024).unwrap();
    let (bytes, got_bytes) = queue::bounded_bytes(1, 1024).unwrap();
    let (theirs, ours) = pipe::duplex().unwrap();
    let task = Everything {
        lock: lock.clone(),
        counting: counting.clone(),
        bounded: bounded.clone(),
        items,
        values,
        bytes,
        pipe: theirs,
    };
    let process = start(task).unwrap();
    ours.send(&"five".to_owned()).unwrap();
    assert_eq!(ours.recv().unwrap(), "FIVE");
    assert_eq!(process.join().unwrap().recv().unwrap(), 5);
    assert_eq!(*lock.lock().unwrap(), 2);
    assert_eq!((counting.value(), bounded.value()), (0, 1));
    assert_eq!(got_items.recv().unwrap(), 5);
    assert_eq!(got_values.recv().unwrap(), Some("five".to_owned()));
    assert_eq!(got_bytes.recv().unwrap(), b"5");
    assert!(got_items.recv().is_err(), "its senders are gone with it");
}

#[test]
fn the_modules_are_the_crates() {
    let sum = multiproc::process::spawn((1, 2), |a: i32, b: i32| a + b).unwrap();
    assert_eq!(sum.join().unwrap(), 3);
    let pool = multiproc::pool::Pool::builder().workers(1).build().unwrap();
    assert_eq!(pool.apply((2,), |x: i32| x * 2).unwrap(), 4);
    drop::<Pool>(pool);
    assert!(spawn((), || ()).unwrap().join().is_ok());
}
