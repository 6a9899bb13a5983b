//! The queues that the producers and consumers may have between them.

use shm_queue::{ByteReceiver, ByteSender, Receiver, Sender, bounded, bounded_bytes};

/// A queue of numbers, as the storm needs it.
pub(crate) trait Face {
    /// The most that one operation sends or receives.
    const BATCH: usize;
    fn new() -> Self;
    /// Sends some, from the first on, and returns how many.
    fn send(&self, messages: &[u64]) -> usize;
    /// Receives some, at most [`BATCH`](Self::BATCH).
    fn receive(&self, batch: &mut Vec<u64>);
    /// Receives all that is there.
    fn drain(&self, rest: &mut Vec<u64>);
}

/// Many at once.
pub(crate) struct Numbers(Sender<u64>, Receiver<u64>);

impl Face for Numbers {
    const BATCH: usize = 128;

    fn new() -> Self {
        let (sender, receiver) = bounded(1024).unwrap();
        Self(sender, receiver)
    }

    fn send(&self, messages: &[u64]) -> usize {
        self.0.send_many(messages).unwrap()
    }

    fn receive(&self, batch: &mut Vec<u64>) {
        self.1.recv_many(batch, Self::BATCH).unwrap();
    }

    fn drain(&self, rest: &mut Vec<u64>) {
        rest.extend(self.1.try_iter());
    }
}

/// One at a time.
pub(crate) struct Single(Sender<u64>, Receiver<u64>);

impl Face for Single {
    const BATCH: usize = 1;

    fn new() -> Self {
        let (sender, receiver) = bounded(64).unwrap();
        Self(sender, receiver)
    }

    fn send(&self, messages: &[u64]) -> usize {
        self.0.send(messages[0]).unwrap();
        1
    }

    fn receive(&self, batch: &mut Vec<u64>) {
        batch.push(self.1.recv().unwrap());
    }

    fn drain(&self, rest: &mut Vec<u64>) {
        rest.extend(self.1.try_iter());
    }
}

/// Messages of many lengths, each full of its number.
pub(crate) struct Bytes(ByteSender, ByteReceiver);

impl Face for Bytes {
    const BATCH: usize = 1;

    fn new() -> Self {
        let (sender, receiver) = bounded_bytes(64, 8 << 10).unwrap();
        Self(sender, receiver)
    }

    fn send(&self, messages: &[u64]) -> usize {
        let words = 1 + messages[0] as usize % 29;
        let bytes: Vec<u8> = messages[0].to_ne_bytes().repeat(words);
        self.0.send(&bytes).unwrap();
        1
    }

    fn receive(&self, batch: &mut Vec<u64>) {
        batch.push(number(&self.1.recv().unwrap()));
    }

    fn drain(&self, rest: &mut Vec<u64>) {
        rest.extend(self.1.try_iter().map(|bytes| number(&bytes)));
    }
}

/// The number of a whole message; of a torn one, something that is no message.
fn number(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let numbers = words.iter().map(|word| u64::from_ne_bytes(*word));
    let first = numbers.clone().next().unwrap_or(0);
    let whole = rest.is_empty()
        && words.len() == 1 + first as usize % 29
        && numbers.clone().all(|number| number == first);
    if whole { first } else { u64::MAX - 1 }
}
