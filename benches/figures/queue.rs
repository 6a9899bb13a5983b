//! Queues: ours between processes, crossbeam's between threads.

use crate::table::{fewer, row, seconds};
use multiproc::queue::{Item, Receiver, Sender, bounded};
use multiproc::{Builder, Semaphore};
use multiproc_benches::{Kib, echo};
use std::hint::black_box;

pub(crate) fn rows() {
    pair_in_one_thread();
    round_trip("queue round trip, two processes, 8 B, us", 7u64);
    round_trip::<Kib>("queue round trip, two processes, 1 KiB, us", [7; 128]);
    rate("queue one to one, 8 B, ns a message", 7u64, 1_000_000);
    rate::<Kib>("queue one to one, 1 KiB, ns a message", [7; 128], 200_000);
    two_to_two("queue two to two, 8 B, ns a message", 7u64, 500_000);
    two_to_two::<Kib>("queue two to two, 1 KiB, ns a message", [7; 128], 100_000);
    batches();
}

fn pair_in_one_thread() {
    let n = fewer(1_000_000);
    let (tx, rx) = bounded::<u64>(1024).unwrap();
    let (ctx, crx) = crossbeam_channel::bounded::<u64>(1024);
    row(
        "queue send + recv, one thread, 8 B, ns",
        1e9 / n as f64,
        "crossbeam-channel",
        || {
            seconds(|| {
                for i in 0..n {
                    tx.send(black_box(i)).unwrap();
                    black_box(rx.recv().unwrap());
                }
            })
        },
        || {
            seconds(|| {
                for i in 0..n {
                    ctx.send(black_box(i)).unwrap();
                    black_box(crx.recv().unwrap());
                }
            })
        },
    );
}

fn round_trip<T: Item>(what: &str, item: T) {
    let n = fewer(50_000);
    let ((there, at_there), (back, at_back)) = (bounded(16).unwrap(), bounded(16).unwrap());
    let process = Builder::new().daemon(true).spawn((at_there, back), echo::<T>).unwrap();
    let (cthere, at_cthere) = crossbeam_channel::bounded::<T>(16);
    let (cback, at_cback) = crossbeam_channel::bounded::<T>(16);
    let thread = std::thread::spawn(move || at_cthere.iter().try_for_each(|item| cback.send(item)));
    row(
        what,
        1e6 / n as f64,
        "crossbeam-channel, threads",
        || {
            seconds(|| {
                for _ in 0..n {
                    there.send(black_box(item)).unwrap();
                    black_box(&at_back.recv().unwrap());
                }
            })
        },
        || {
            seconds(|| {
                for _ in 0..n {
                    cthere.send(black_box(item)).unwrap();
                    black_box(&at_cback.recv().unwrap());
                }
            })
        },
    );
    drop((there, cthere));
    process.join().unwrap();
    thread.join().unwrap().unwrap();
}

/// Receives in batches of `n`, and says so after each.
fn count<T: Item>(rx: Receiver<T>, n: u64, done: Semaphore) {
    let mut seen = 0u64;
    for item in rx {
        black_box(&item);
        seen += 1;
        if seen.is_multiple_of(n) {
            done.release().unwrap();
        }
    }
}

fn rate<T: Item>(what: &str, item: T, n: u64) {
    let n = fewer(n);
    let (tx, rx) = bounded(1024).unwrap();
    let done = Semaphore::new(0).unwrap();
    let process = Builder::new().daemon(true).spawn((rx, n, done.clone()), count::<T>).unwrap();
    let (ctx, crx) = crossbeam_channel::bounded::<T>(1024);
    let (cdone, at_cdone) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        for (index, item) in crx.iter().enumerate() {
            black_box(&item);
            if (index as u64 + 1).is_multiple_of(n) {
                cdone.send(()).unwrap();
            }
        }
    });
    row(
        what,
        1e9 / n as f64,
        "crossbeam-channel, threads",
        || {
            seconds(|| {
                (0..n).for_each(|_| tx.send(black_box(item)).unwrap());
                done.acquire();
            })
        },
        || {
            seconds(|| {
                (0..n).for_each(|_| ctx.send(black_box(item)).unwrap());
                at_cdone.recv().unwrap();
            })
        },
    );
    drop((tx, ctx));
    process.join().unwrap();
    thread.join().unwrap();
}

/// Sends or receives `n` messages in each round, beginning when it may and telling when it is done.
fn take_part(mut each: impl FnMut(), n: u64, go: &Semaphore, done: &Semaphore) {
    loop {
        go.acquire();
        (0..n).for_each(|_| each());
        done.release().unwrap();
    }
}

fn two_to_two<T: Item + Sync>(what: &str, item: T, n: u64) {
    let n = fewer(n);
    let (tx, rx) = bounded::<T>(1024).unwrap();
    let done = Semaphore::new(0).unwrap();
    // One for each: a fast one must not take another's turn.
    let go: Vec<_> = (0..4).map(|_| Semaphore::new(0).unwrap()).collect();
    let processes: Vec<_> = (0..2)
        .flat_map(|pair| {
            let sends = (tx.clone(), (n, go[2 * pair].clone(), done.clone()));
            let receives = (rx.clone(), (n, go[2 * pair + 1].clone(), done.clone()));
            [
                Builder::new().daemon(true).spawn(sends, |tx: Sender<T>, (n, go, done)| {
                    take_part(|| tx.send(black_box(T::zeroed())).unwrap(), n, &go, &done);
                }),
                Builder::new().daemon(true).spawn(receives, |rx: Receiver<T>, (n, go, done)| {
                    take_part(|| _ = black_box(rx.recv().unwrap()), n, &go, &done);
                }),
            ]
        })
        .collect::<Result<_, _>>()
        .unwrap();
    row(
        what,
        1e9 / (2 * n) as f64,
        "crossbeam-channel, threads",
        || {
            seconds(|| {
                go.iter().for_each(|go| go.release().unwrap());
                (0..4).for_each(|_| done.acquire());
            })
        },
        || {
            let (tx, rx) = crossbeam_channel::bounded::<T>(1024);
            let here = std::sync::Barrier::new(5);
            let mut took = 0.0;
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        here.wait();
                        (0..n).for_each(|_| tx.send(black_box(item)).unwrap());
                        here.wait();
                    });
                    scope.spawn(|| {
                        here.wait();
                        (0..n).for_each(|_| _ = black_box(rx.recv().unwrap()));
                        here.wait();
                    });
                }
                here.wait();
                took = seconds(|| {
                    here.wait();
                });
            });
            took
        },
    );
    drop(processes);
}

/// Batches of ours beside crossbeam's single messages: it has no batches.
fn batches() {
    const BATCH: usize = 32;
    let n = fewer(2_000_000);
    let (tx, rx) = bounded::<u64>(1024).unwrap();
    let done = Semaphore::new(0).unwrap();
    let process = Builder::new()
        .daemon(true)
        .spawn((rx, n, done.clone()), |rx: Receiver<u64>, n: u64, done: Semaphore| {
            let (mut buffer, mut seen) = (Vec::with_capacity(1024), 0);
            while let Ok(count) = rx.recv_many(&mut buffer, 1024) {
                black_box(&buffer);
                buffer.clear();
                let rounds = seen / n;
                seen += count as u64;
                if seen / n > rounds {
                    done.release().unwrap();
                }
            }
        })
        .unwrap();
    let (ctx, crx) = crossbeam_channel::bounded::<u64>(1024);
    let (cdone, at_cdone) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        for (index, item) in crx.iter().enumerate() {
            black_box(item);
            if (index as u64 + 1).is_multiple_of(n) {
                cdone.send(()).unwrap();
            }
        }
    });
    let batch = [7; BATCH];
    row(
        "queue one to one, 8 B in batches of 32, ns",
        1e9 / n as f64,
        "crossbeam-channel, singly",
        || {
            seconds(|| {
                let mut left = n as usize;
                while left > 0 {
                    left -= tx.send_many(black_box(&batch[..BATCH.min(left)])).unwrap();
                }
                done.acquire();
            })
        },
        || {
            seconds(|| {
                (0..n).for_each(|_| ctx.send(black_box(7)).unwrap());
                at_cdone.recv().unwrap();
            })
        },
    );
    drop((tx, ctx));
    process.join().unwrap();
    thread.join().unwrap();
}
