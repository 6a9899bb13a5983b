//! Queues: `shm-queue` between processes beside channels between threads and what else moves messages.

pub(crate) mod channels;
pub(crate) mod crates;
mod ours;

use crate::bare::{CacheLine, Ring};
use crate::ends::{forks, processes, threads};
use crate::kernel;
use crate::payload::{capacity, payload};
use crate::python;
use crate::turns;
use multiproc::queue::{
    Blocks, bounded, bounded_blocks, bounded_bytes, bounded_leased, bounded_leased_bytes,
};
use multiproc_benches::{Axis, Contest, Kind, Place, Suite, called};
use ours::{BATCH, Batched, Bytes, InBlocks, Leased};
use std::hint::black_box;

const SMALL: [u64; 3] = [8, 64, 1 << 10];
const LARGE: [u64; 2] = [64 << 10, 1 << 20];
/// How many messages of a round trip there is room for; one is on its way.
const TURNS: usize = 16;

pub(crate) fn rows(suite: &mut Suite) {
    for (what, pairs) in [("one to one", 1), ("two to two", 2)] {
        stream::<1>(suite, what, pairs);
        stream::<8>(suite, what, pairs);
        stream::<128>(suite, what, pairs);
        for bytes in LARGE {
            large(suite, what, pairs, usize::try_from(bytes).unwrap());
        }
    }
    for (what, place) in [
        ("round trip", Place::EachItsCore),
        ("round trip, unpinned", Place::Free),
        ("round trip, one core", Place::OneCore),
    ] {
        round_trip::<1>(suite, what, place);
    }
    round_trip::<8>(suite, "round trip", Place::EachItsCore);
    round_trip::<128>(suite, "round trip", Place::EachItsCore);
    round_trip::<512>(suite, "round trip", Place::EachItsCore);
}

/// As many clones as there are pairs.
fn pairs<P: Clone, T: Clone>(count: usize, put: P, take: T) -> Vec<(P, T)> {
    (0..count).map(|_| (put.clone(), take.clone())).collect()
}

/// Asks again and again until there is something.
fn poll<T, E>(ask: impl Fn() -> Result<T, E>) -> T {
    loop {
        if let Ok(message) = ask() {
            return message;
        }
        std::hint::spin_loop();
    }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Messages by value, of `N` words.
fn stream<const N: usize>(suite: &mut Suite, what: &str, count: usize) {
    let bytes = 8 * N;
    debug_assert!(SMALL.contains(&(bytes as u64)));
    let capacity = capacity(bytes);
    let place = Place::EachItsCore;
    let mut row = suite.contest("queue", what, place).at(Axis::Payload, bytes as u64).with(
        Kind::Ours,
        "shm-queue",
        move || {
            let (tx, rx) = bounded::<[u64; N]>(capacity).map_err(text)?;
            processes::stream(place, pairs(count, ours::Fixed(tx), ours::Fixed(rx)))
        },
    );
    if N == 1 {
        row = row.with(Kind::Ours, &format!("shm-queue, {BATCH} at once"), move || {
            let (tx, rx) = bounded::<[u64; 1]>(capacity).map_err(text)?;
            let (tx, rx) =
                (Batched { end: tx, buffer: Vec::new() }, Batched { end: rx, buffer: Vec::new() });
            processes::stream(place, pairs(count, tx, rx))
        });
    }
    row = row
        .with(Kind::Ours, "shm-queue, leased", move || {
            let (tx, rx) = bounded_leased::<[u64; N]>(capacity, 16).map_err(text)?;
            processes::stream(place, pairs(count, ours::Fixed(tx), Leased(rx)))
        })
        .with(Kind::Ours, "shm-queue, bytes", move || {
            let (tx, rx) = bounded_bytes(capacity, capacity * (bytes + 16)).map_err(text)?;
            processes::stream(place, pairs(count, Bytes::new(tx, bytes), Bytes::new(rx, 0)))
        })
        .with(Kind::Threads, "crossbeam-channel", move || {
            let (tx, rx) = crossbeam_channel::bounded::<[u64; N]>(capacity);
            threads::stream(place, pairs(count, channels::Fixed(tx), channels::Fixed(rx)))
        });
    if count == 1 {
        row = row
            .with(Kind::Threads, "std::sync::mpsc", move || {
                let (tx, rx) = std::sync::mpsc::sync_channel::<[u64; N]>(capacity);
                threads::stream(place, vec![(channels::Fixed(tx), channels::Fixed(rx))])
            })
            .with(Kind::Limit, "bare ring", move || {
                processes::stream(place, vec![Ring::<N>::pair(capacity)?])
            });
    }
    row = row.with(Kind::Peer, "shaq", move || {
        let (tx, rx) = crates::shaq::<N>()?;
        forks::stream(place, pairs(count, tx, rx))
    });
    peers(row, count, bytes).run();
}

/// Messages of bytes, too large to go by value.
fn large(suite: &mut Suite, what: &str, count: usize, bytes: usize) {
    let capacity = capacity(bytes);
    let place = Place::EachItsCore;
    let mut row = suite
        .contest("queue", what, place)
        .at(Axis::Payload, bytes as u64)
        .with(Kind::Ours, "shm-queue, bytes", move || {
            let (tx, rx) = bounded_bytes(capacity, capacity * (bytes + 16)).map_err(text)?;
            processes::stream(place, pairs(count, Bytes::new(tx, bytes), Bytes::new(rx, 0)))
        })
        .with(Kind::Ours, "shm-queue, blocks", move || {
            let blocks = Blocks::new(capacity + 2 * count, bytes);
            let (tx, rx) = bounded_blocks(capacity, blocks).map_err(text)?;
            let put = InBlocks { end: tx, buffer: payload(bytes) };
            processes::stream(place, pairs(count, put, InBlocks { end: rx, buffer: Vec::new() }))
        })
        .with(Kind::Threads, "crossbeam-channel", move || {
            let (tx, rx) = crossbeam_channel::bounded::<Vec<u8>>(capacity);
            let put = channels::Heap(tx, payload(bytes));
            threads::stream(place, pairs(count, put, channels::Heap(rx, Vec::new())))
        })
        .with(Kind::Threads, "crossbeam-channel, copied out", move || {
            let (tx, rx) = crossbeam_channel::bounded::<Vec<u8>>(capacity);
            let put = channels::Heap(tx, payload(bytes));
            let take = channels::CopiedOut(channels::Heap(rx, Vec::new()));
            threads::stream(place, pairs(count, put, take))
        })
        .with(Kind::Limit, "memcpy", move || {
            let (from, mut to) = (payload(bytes), vec![0; bytes]);
            Ok(called(move |n| {
                (0..n).for_each(|_| black_box(&mut to).copy_from_slice(black_box(&from)));
                Ok(())
            }))
        });
    if bytes <= 64 << 10 {
        row = row.with(Kind::Ours, "shm-queue, leased", move || {
            let room = capacity * (bytes + 16);
            let (tx, rx) = bounded_leased_bytes(capacity, room, 16).map_err(text)?;
            processes::stream(place, pairs(count, Bytes::new(tx, bytes), Leased(rx)))
        });
    }
    peers(row, count, bytes).run();
}

/// Those that take bytes of any length.
fn peers(mut row: Contest<'_>, count: usize, bytes: usize) -> Contest<'_> {
    let place = row.place();
    if count == 1 {
        row = row
            .with(Kind::Peer, "iceoryx2", move || {
                forks::stream(place, vec![crates::iceoryx(bytes)])
            })
            .with(Kind::Peer, "ipc-channel", move || {
                forks::stream(place, vec![crates::ipc_channel(bytes)?])
            })
            .with(Kind::Peer, "stream socket", move || {
                forks::stream(place, vec![kernel::stream(bytes)?])
            });
    }
    // What a pipe takes in one piece; longer messages of several writers would be mixed.
    if count == 1 || bytes <= 4096 {
        row = row.with(Kind::Peer, "pipe", move || {
            let (put, take) = kernel::pipe(bytes)?;
            forks::stream(place, pairs(count, put, take))
        });
    }
    if bytes <= 64 << 10 {
        row = row.with(Kind::Peer, "packet socket", move || {
            let (put, take) = kernel::packets(bytes)?;
            forks::stream(place, pairs(count, put, take))
        });
    }
    row.with(Kind::Python, "multiprocessing.Queue", move || {
        python::subject(&["queue", &count.to_string(), &bytes.to_string()])
    })
}

fn round_trip<const N: usize>(suite: &mut Suite, what: &str, place: Place) {
    let bytes = 8 * N;
    let row = suite
        .contest("queue", what, place)
        .at(Axis::Payload, bytes as u64)
        .with(Kind::Ours, "shm-queue", move || {
            let way = || ours::way::<N, _>(ours::Fixed);
            processes::round_trip(place, way()?, way()?)
        })
        .with(Kind::Threads, "crossbeam-channel", move || {
            let way = || channels::way::<N, _>(channels::Fixed);
            threads::round_trip(place, way(), way())
        })
        .with(Kind::Threads, "std::sync::mpsc", move || {
            let way = || {
                let (tx, rx) = std::sync::mpsc::sync_channel::<[u64; N]>(TURNS);
                (channels::Fixed(tx), channels::Fixed(rx))
            };
            threads::round_trip(place, way(), way())
        })
        .with(Kind::Peer, "shaq", move || {
            forks::round_trip(place, crates::shaq::<N>()?, crates::shaq::<N>()?)
        })
        .with(Kind::Peer, "ipc-channel", move || {
            forks::round_trip(place, crates::ipc_channel(bytes)?, crates::ipc_channel(bytes)?)
        })
        .with(Kind::Peer, "pipe", move || {
            forks::round_trip(place, kernel::pipe(bytes)?, kernel::pipe(bytes)?)
        })
        .with(Kind::Peer, "packet socket", move || {
            forks::round_trip(place, kernel::packets(bytes)?, kernel::packets(bytes)?)
        })
        .with(Kind::Python, "multiprocessing.Queue", move || {
            python::subject(&["queue_trip", place_word(place), &bytes.to_string()])
        });
    // Those that only poll: on one core they would wait for the other's time slice to end.
    let row = match place {
        Place::OneCore => row,
        _ => row
            .with(Kind::Ours, "shm-queue, polled", move || {
                let way = || ours::way::<N, _>(ours::Polled);
                processes::round_trip(place, way()?, way()?)
            })
            .with(Kind::Threads, "crossbeam-channel, polled", move || {
                let way = || channels::way::<N, _>(channels::Polled);
                threads::round_trip(place, way(), way())
            })
            .with(Kind::Peer, "iceoryx2", move || {
                forks::round_trip(place, crates::iceoryx(bytes), crates::iceoryx(bytes))
            })
            // Its ends acknowledge every message, as all queues do in some way.
            .with(Kind::Limit, "bare ring, one slot", move || {
                processes::round_trip(place, Ring::<N>::pair(1)?, Ring::<N>::pair(1)?)
            }),
    };
    let row = match (place, N) {
        (Place::EachItsCore, 1) => row.with(Kind::Limit, "a cache line", move || {
            turns::processes(place, 2, CacheLine::new()?)
        }),
        _ => row,
    };
    row.run();
}

pub(crate) fn place_word(place: Place) -> &'static str {
    match place {
        Place::EachItsCore => "each",
        Place::OneCore => "one",
        Place::Free => "free",
    }
}
