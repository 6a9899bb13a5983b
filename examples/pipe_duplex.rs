//! Two processes that talk through a pipe, each in both directions.

use multiproc::pipe::{self, Duplex};
use multiproc::{Builder, Task};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Consumer {
    pipe: Duplex<String>,
}

#[derive(Serialize, Deserialize)]
struct Producer {
    pipe: Duplex<String>,
}

impl Task for Consumer {
    type Output = ();

    fn run(self) {
        self.pipe.send(&"Consumer Words".to_string()).expect("the producer listens");
        let words = self.pipe.recv().expect("the producer answers");
        println!("Consumer Received: {words}");
    }
}

impl Task for Producer {
    type Output = ();

    fn run(self) {
        let words = self.pipe.recv().expect("the consumer speaks first");
        println!("Producer Received: {words}");
        self.pipe.send(&"Producer Words".to_string()).expect("the consumer listens");
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (producers, consumers) = pipe::duplex()?;
    let daemon = Builder::new().daemon(true);
    // Each end moves to its process. If one of the two dies, the other's `recv` says so.
    let producer = daemon.start(Producer { pipe: producers })?;
    let consumer = daemon.start(Consumer { pipe: consumers })?;
    producer.join()?;
    consumer.join()?;
    println!("Ended!");
    Ok(())
}
