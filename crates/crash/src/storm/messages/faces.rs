//! The queues that the producers and consumers may have between them.

use duplex_pipe::{PipeReceiver, PipeSender, simplex};
use shm_queue::{
    BlockReceiver, BlockSender, Blocks, ByteReceiver, ByteSender, Receiver, Sender, ValueReceiver,
    ValueSender, bounded, bounded_blocks, bounded_bytes, bounded_values,
};

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
        self.0.send(&bytes(messages[0])).unwrap();
        1
    }

    fn receive(&self, batch: &mut Vec<u64>) {
        batch.push(number(&self.1.recv().unwrap()));
    }

    fn drain(&self, rest: &mut Vec<u64>) {
        rest.extend(self.1.try_iter().map(|bytes| number(&bytes)));
    }
}

/// The same as values.
pub(crate) struct Values(ValueSender<Vec<u8>>, ValueReceiver<Vec<u8>>);

impl Face for Values {
    const BATCH: usize = 1;

    fn new() -> Self {
        let (sender, receiver) = bounded_values(64, 8 << 10).unwrap();
        Self(sender, receiver)
    }

    fn send(&self, messages: &[u64]) -> usize {
        self.0.send(bytes(messages[0])).unwrap();
        1
    }

    fn receive(&self, batch: &mut Vec<u64>) {
        batch.push(number(&self.1.recv().unwrap()));
    }

    fn drain(&self, rest: &mut Vec<u64>) {
        rest.extend(std::iter::from_fn(|| self.1.try_recv().ok()).map(|bytes| number(&bytes)));
    }
}

/// The same in blocks, of which there are too few.
pub(crate) struct InBlocks(BlockSender, BlockReceiver);

impl Face for InBlocks {
    const BATCH: usize = 1;

    fn new() -> Self {
        let (sender, receiver) = bounded_blocks(64, Blocks::new(16, 256)).unwrap();
        Self(sender, receiver)
    }

    fn send(&self, messages: &[u64]) -> usize {
        self.0.send(&bytes(messages[0])).unwrap();
        1
    }

    fn receive(&self, batch: &mut Vec<u64>) {
        batch.push(number(&self.1.recv().unwrap().to_vec()));
    }

    fn drain(&self, rest: &mut Vec<u64>) {
        let blocks = std::iter::from_fn(|| self.1.try_recv().ok());
        rest.extend(blocks.map(|block| number(&block.to_vec())));
    }
}

/// The same through a socket, and some in memory of their own.
pub(crate) struct Pipe(PipeSender<[u8]>, PipeReceiver<[u8]>);

/// Every how many messages there is one that does not fit in the socket, and how much longer it is.
const FEW: u64 = 200;
const LONGER: usize = 1_000;

impl Face for Pipe {
    const BATCH: usize = 1;

    fn new() -> Self {
        let (sender, receiver) = simplex().unwrap();
        Self(sender, receiver)
    }

    fn send(&self, messages: &[u64]) -> usize {
        let mut bytes = bytes(messages[0]);
        if messages[0].is_multiple_of(FEW) {
            bytes = bytes.repeat(LONGER);
        }
        self.0.send(&bytes).unwrap();
        1
    }

    fn receive(&self, batch: &mut Vec<u64>) {
        batch.push(number_of_any(&self.1.recv().unwrap()));
    }

    fn drain(&self, rest: &mut Vec<u64>) {
        let all = std::iter::from_fn(|| self.1.try_recv().ok());
        rest.extend(all.map(|bytes| number_of_any(&bytes)));
    }
}

/// The same number for all pieces of a long message.
fn number_of_any(bytes: &[u8]) -> u64 {
    let first = number(&bytes[..bytes.len() / LONGER]);
    if !first.is_multiple_of(FEW) || !bytes.len().is_multiple_of(LONGER) {
        return number(bytes);
    }
    let mut pieces = bytes.chunks(bytes.len() / LONGER);
    if pieces.all(|piece| number(piece) == first) { first } else { u64::MAX - 1 }
}

/// A message as bytes: its length follows from its number, and it is full of that.
fn bytes(message: u64) -> Vec<u8> {
    message.to_ne_bytes().repeat(1 + message as usize % 29)
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
