//! Random numbers through a queue, and what a full and an empty queue say.

use multiproc::queue::{self, Receiver, Sender};
use multiproc::spawn;

fn produce(buffer: Sender<f64>) {
    for _ in 0..6 {
        let number = fastrand::f64();
        println!("Producer put {number}");
        // Waits while the queue is full. An error says that no consumer is left.
        buffer.send(number).expect("the consumer has not ended");
    }
}

fn consume(buffer: Receiver<f64>) {
    // Waits for each, and ends when the queue is empty and no producer is left.
    for number in buffer {
        println!("Consumer get {number}");
        pace::sleep(1);
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (sender, receiver) = queue::bounded(2)?;

    // Python's `get(False)` and `get(timeout=1)`: they wait not at all, or not for ever.
    if let Err(empty) = receiver.try_recv() {
        println!("Empty: {empty}");
    }
    if let Err(empty) = receiver.recv_timeout(pace::seconds(1)) {
        println!("Empty: {empty}");
    }
    sender.send(0.1)?;
    sender.send(0.2)?;
    // `put(False)` and `put(timeout=1)`. The error gives the message back.
    if let Err(full) = sender.try_send(0.3) {
        println!("Full: {full}, {} was not sent", full.into_inner());
    }
    if let Err(full) = sender.send_timeout(0.4, pace::seconds(1)) {
        println!("Full: {full}, {} was not sent", full.into_inner());
    }
    println!("Queue size: {} of {}", receiver.len(), receiver.capacity());
    println!("Main get {} {}", receiver.recv()?, receiver.recv()?);

    // Each end moves to its process, so that each sees when the other is gone.
    let producer = spawn((sender,), produce)?;
    let consumer = spawn((receiver,), consume)?;
    producer.join()?;
    consumer.join()?;
    println!("Ended!");
    Ok(())
}
