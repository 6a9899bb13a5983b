//! The halves of channels between threads.

use super::{TURNS, poll};
use crate::ends::{Put, Take};
use crate::payload::begins_with;
use std::hint::black_box;

/// Messages of `N` words by value.
#[derive(Clone)]
pub(crate) struct Fixed<E>(pub(crate) E);

/// Heap blocks, of which the pointer is passed: made by the sender, dropped by the receiver.
#[derive(Clone)]
pub(crate) struct Heap<E>(pub(crate) E, pub(crate) Vec<u8>);

/// As [`Heap`], but the receiver wants the message in a buffer of its own, as one of a byte queue gets it.
#[derive(Clone)]
pub(crate) struct CopiedOut(pub(crate) Heap<crossbeam_channel::Receiver<Vec<u8>>>);

impl Take for CopiedOut {
    fn take(&mut self) -> u64 {
        let Heap(end, buffer) = &mut self.0;
        let message = end.recv().unwrap();
        buffer.clear();
        buffer.extend_from_slice(&message);
        begins_with(black_box(buffer))
    }
}

/// Messages of `N` words, asked for again and again.
#[derive(Clone)]
pub(crate) struct Polled<E>(pub(crate) E);

impl<const N: usize> Take for Polled<crossbeam_channel::Receiver<[u64; N]>> {
    fn take(&mut self) -> u64 {
        black_box(&poll(|| self.0.try_recv()))[0]
    }
}

/// Makes one way of a round trip, with a receiver that is asked as `take` has it.
pub(crate) fn way<const N: usize, T>(
    take: impl FnOnce(crossbeam_channel::Receiver<[u64; N]>) -> T,
) -> (Fixed<crossbeam_channel::Sender<[u64; N]>>, T) {
    let (tx, rx) = crossbeam_channel::bounded(TURNS);
    (Fixed(tx), take(rx))
}

macro_rules! halves {
    ($sender:ty, $receiver:ty, $bytes_sender:ty, $bytes_receiver:ty) => {
        impl<const N: usize> Put for Fixed<$sender> {
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

        impl<const N: usize> Take for Fixed<$receiver> {
            fn take(&mut self) -> u64 {
                black_box(&self.0.recv().unwrap())[0]
            }
        }

        impl Put for Heap<$bytes_sender> {
            fn put(&mut self, value: u64) {
                self.1[..8].copy_from_slice(&value.to_ne_bytes());
                self.0.send(black_box(&self.1).clone()).unwrap();
            }
        }

        impl Take for Heap<$bytes_receiver> {
            fn take(&mut self) -> u64 {
                let message = self.0.recv().unwrap();
                black_box(message.last());
                begins_with(black_box(&message))
            }
        }
    };
}

halves!(
    crossbeam_channel::Sender<[u64; N]>,
    crossbeam_channel::Receiver<[u64; N]>,
    crossbeam_channel::Sender<Vec<u8>>,
    crossbeam_channel::Receiver<Vec<u8>>
);
halves!(
    std::sync::mpsc::SyncSender<[u64; N]>,
    std::sync::mpsc::Receiver<[u64; N]>,
    std::sync::mpsc::SyncSender<Vec<u8>>,
    std::sync::mpsc::Receiver<Vec<u8>>
);
