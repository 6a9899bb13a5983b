//! The halves of `shm-queue`'s queues.

use super::{TURNS, poll, text};
use crate::ends::{Put, Take};
use crate::payload::{begins_with, payload};
use multiproc::queue::{
    BlockReceiver, BlockSender, ByteLeaseReceiver, ByteReceiver, ByteSender, LeaseReceiver,
    Receiver, Sender, bounded,
};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// Messages of `N` words, one by one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Fixed<E>(pub(crate) E);

impl<const N: usize> Put for Fixed<Sender<[u64; N]>> {
    fn put(&mut self, value: u64) {
        let mut message = [7; N];
        message[0] = value;
        self.0.send(black_box(message)).unwrap();
    }

    fn put_all(&mut self, n: u64) -> u64 {
        let mut message = [7; N];
        (0..n).fold(0, |sum, value| {
            message[0] = value;
            self.0.send(black_box(message)).unwrap();
            sum + value
        })
    }
}

impl<const N: usize> Take for Fixed<Receiver<[u64; N]>> {
    fn take(&mut self) -> u64 {
        // By reference: a copy of 1 KiB of which one word is looked at could be left out.
        black_box(&self.0.recv().unwrap())[0]
    }
}

/// Messages of `N` words, asked for again and again.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Polled<E>(pub(crate) E);

impl<const N: usize> Take for Polled<Receiver<[u64; N]>> {
    fn take(&mut self) -> u64 {
        black_box(&poll(|| self.0.try_recv()))[0]
    }
}

/// Both ends of one way of a round trip.
type Way<const N: usize, T> = (Fixed<Sender<[u64; N]>>, T);

/// Makes one way of a round trip, with a receiver that is asked as `take` has it.
pub(crate) fn way<const N: usize, T>(
    take: impl FnOnce(Receiver<[u64; N]>) -> T,
) -> Result<Way<N, T>, String> {
    let (tx, rx) = bounded(TURNS).map_err(text)?;
    Ok((Fixed(tx), take(rx)))
}

/// Messages, leased and acknowledged.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Leased<E>(pub(crate) E);

impl<const N: usize> Take for Leased<LeaseReceiver<[u64; N]>> {
    fn take(&mut self) -> u64 {
        black_box(&self.0.lease().unwrap().ack())[0]
    }
}

impl Take for Leased<ByteLeaseReceiver> {
    fn take(&mut self) -> u64 {
        begins_with(black_box(&self.0.lease().unwrap().ack()))
    }
}

/// How many messages go in one batch.
pub(crate) const BATCH: usize = 32;

/// Numbers in batches.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Batched<E> {
    pub(crate) end: E,
    pub(crate) buffer: Vec<[u64; 1]>,
}

impl Put for Batched<Sender<[u64; 1]>> {
    fn put(&mut self, value: u64) {
        self.end.send([value]).unwrap();
    }

    fn put_all(&mut self, n: u64) -> u64 {
        let (mut next, mut sum) = (0, 0);
        while next < n {
            self.buffer.clear();
            self.buffer.extend((next..n).take(BATCH).map(|value| [value]));
            let mut rest = &self.buffer[..];
            while !rest.is_empty() {
                let sent = self.end.send_many(black_box(rest)).unwrap();
                sum += rest[..sent].iter().map(|[value]| value).sum::<u64>();
                rest = &rest[sent..];
            }
            next += self.buffer.len() as u64;
        }
        sum
    }
}

impl Take for Batched<Receiver<[u64; 1]>> {
    fn take(&mut self) -> u64 {
        self.end.recv().unwrap()[0]
    }

    fn take_all(&mut self, n: u64) -> u64 {
        let (mut left, mut sum) = (usize::try_from(n).unwrap(), 0);
        while left > 0 {
            self.buffer.clear();
            left -= self.end.recv_many(&mut self.buffer, left.min(1024)).unwrap();
            sum += black_box(&self.buffer).iter().map(|[value]| value).sum::<u64>();
        }
        sum
    }
}

/// Bytes, copied in and copied out.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Bytes<E> {
    pub(crate) end: E,
    pub(crate) buffer: Vec<u8>,
}

impl<E> Bytes<E> {
    pub(crate) fn new(end: E, bytes: usize) -> Self {
        // What a new process gets by its arguments is not mapped twice: it is made there.
        Self { end, buffer: payload(bytes) }
    }
}

impl Put for Bytes<ByteSender> {
    fn put(&mut self, value: u64) {
        self.buffer[..8].copy_from_slice(&value.to_ne_bytes());
        self.end.send(black_box(&self.buffer)).unwrap();
    }
}

impl Take for Bytes<ByteReceiver> {
    fn take(&mut self) -> u64 {
        self.end.recv_into(&mut self.buffer).unwrap();
        begins_with(black_box(&self.buffer))
    }
}

/// Bytes in blocks: copied in once, and read where they lie.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct InBlocks<E> {
    pub(crate) end: E,
    pub(crate) buffer: Vec<u8>,
}

impl Put for InBlocks<BlockSender> {
    fn put(&mut self, value: u64) {
        self.buffer[..8].copy_from_slice(&value.to_ne_bytes());
        let mut block = self.end.reserve(self.buffer.len()).unwrap();
        block.write_at(0, black_box(&self.buffer));
        block.commit().unwrap();
    }
}

impl Take for InBlocks<BlockReceiver> {
    fn take(&mut self) -> u64 {
        let message = self.end.recv().unwrap();
        let (mut first, mut last) = ([0; 8], [0]);
        message.read_at(0, &mut first);
        message.read_at(message.len() - 1, &mut last);
        black_box(last);
        u64::from_ne_bytes(first)
    }
}
