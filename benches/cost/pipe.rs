//! Pipes: messages there and back, and one way, by size.

use crate::ends::{Put, Take, forks, processes, threads};
use crate::kernel;
use crate::payload::{begins_with, capacity, payload};
use crate::python;
use crate::queue::channels::Heap;
use crate::queue::{crates, place_word};
use crossbeam_channel::{Receiver, Sender};
use multiproc::pipe::{Duplex, PipeReceiver, PipeSender, duplex, simplex};
use multiproc_benches::{Axis, Kind, Place, Suite};
use serde::{Deserialize, Serialize};
use std::hint::black_box;

/// An end of ours, with a buffer.
#[derive(Clone, Serialize, Deserialize)]
struct End<E> {
    end: E,
    buffer: Vec<u8>,
}

impl<E> End<E> {
    fn new(end: E, bytes: usize) -> Self {
        Self { end, buffer: payload(bytes) }
    }
}

macro_rules! halves {
    ($put:ty, $take:ty) => {
        impl Put for End<$put> {
            fn put(&mut self, value: u64) {
                self.buffer[..8].copy_from_slice(&value.to_ne_bytes());
                self.end.send(black_box(&self.buffer[..])).unwrap();
            }
        }

        impl Take for End<$take> {
            fn take(&mut self) -> u64 {
                let length = self.end.recv_into(&mut self.buffer).unwrap();
                begins_with(black_box(&self.buffer[..length]))
            }
        }
    };
}

halves!(Duplex<[u8]>, Duplex<[u8]>);
halves!(PipeSender<[u8]>, PipeReceiver<[u8]>);

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

type Heaps = (Heap<Sender<Vec<u8>>>, Heap<Receiver<Vec<u8>>>);

/// What threads do with bytes of any length: pass a heap block on, in a queue of the usual size.
fn heap(bytes: usize) -> Heaps {
    let (tx, rx) = crossbeam_channel::bounded(capacity(bytes));
    (Heap(tx, payload(bytes)), Heap(rx, Vec::new()))
}

pub(crate) fn rows(suite: &mut Suite) {
    for (what, place) in
        [("round trip", Place::EachItsCore), ("round trip, one core", Place::OneCore)]
    {
        for bytes in [8, 1 << 10, 64 << 10] {
            round_trip(suite, what, place, bytes);
        }
    }
    for bytes in [8, 64, 1 << 10, 64 << 10, 1 << 20] {
        one_way(suite, bytes);
    }
}

fn round_trip(suite: &mut Suite, what: &str, place: Place, bytes: usize) {
    suite
        .contest("pipe", what, place)
        .at(Axis::Payload, bytes as u64)
        .with(Kind::Ours, "duplex-pipe", move || {
            let (a, b) = duplex::<[u8]>().map_err(text)?;
            let ends = |end: Duplex<[u8]>| (End::new(end.clone(), bytes), End::new(end, bytes));
            let ((put, at_back), (back, at_put)) = (ends(a), ends(b));
            processes::round_trip(place, (put, at_put), (back, at_back))
        })
        .with(Kind::Threads, "crossbeam-channel", move || {
            threads::round_trip(place, heap(bytes), heap(bytes))
        })
        .with(Kind::Peer, "packet socket", move || {
            forks::round_trip(place, kernel::packets(bytes)?, kernel::packets(bytes)?)
        })
        .with(Kind::Peer, "stream socket", move || {
            forks::round_trip(place, kernel::stream(bytes)?, kernel::stream(bytes)?)
        })
        .with(Kind::Peer, "pipe", move || {
            forks::round_trip(place, kernel::pipe(bytes)?, kernel::pipe(bytes)?)
        })
        .with(Kind::Peer, "ipc-channel", move || {
            forks::round_trip(place, crates::ipc_channel(bytes)?, crates::ipc_channel(bytes)?)
        })
        .with(Kind::Python, "multiprocessing.Pipe", move || {
            python::subject(&["pipe_trip", place_word(place), &bytes.to_string()])
        })
        .run();
}

fn one_way(suite: &mut Suite, bytes: usize) {
    let place = Place::EachItsCore;
    let mut row = suite
        .contest("pipe", "one way", place)
        .at(Axis::Payload, bytes as u64)
        .with(Kind::Ours, "duplex-pipe", move || {
            let (tx, rx) = simplex::<[u8]>().map_err(text)?;
            processes::stream(place, vec![(End::new(tx, bytes), End::new(rx, bytes))])
        })
        .with(Kind::Threads, "crossbeam-channel", move || threads::stream(place, vec![heap(bytes)]))
        .with(Kind::Peer, "stream socket", move || {
            forks::stream(place, vec![kernel::stream(bytes)?])
        });
    if bytes <= 64 << 10 {
        row = row.with(Kind::Peer, "packet socket", move || {
            forks::stream(place, vec![kernel::packets(bytes)?])
        });
    }
    row.with(Kind::Peer, "pipe", move || forks::stream(place, vec![kernel::pipe(bytes)?]))
        .with(Kind::Peer, "ipc-channel", move || {
            forks::stream(place, vec![crates::ipc_channel(bytes)?])
        })
        .with(Kind::Python, "multiprocessing.Pipe", move || {
            python::subject(&["pipe", &bytes.to_string()])
        })
        .run();
}
