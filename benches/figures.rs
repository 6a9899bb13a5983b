//! The figures that are quoted: both sides in one run, turn by turn, medians and the ratio of each turn.
//!
//! `cargo bench -p multiproc-benches --bench figures [-- WORD]`. Compare the ratios, not the times: on a
//! shared or virtual machine the cores drift apart and together again within seconds.

#![allow(clippy::print_stdout, reason = "a program that prints a table")]
#![allow(clippy::unwrap_used, reason = "a bench has nobody to tell")]

use multiproc::queue::{Item, Receiver, bounded};
use multiproc::{Builder, Pool, Semaphore};
use multiproc_benches::{Kib, echo};
use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How often each side has its turn; a quick look with `--test`, as `.ci/run` takes it.
fn turns() -> usize {
    if is_quick() { 1 } else { 15 }
}

fn is_quick() -> bool {
    std::env::args().any(|arg| arg == "--test")
}

fn fewer(count: u64) -> u64 {
    if is_quick() { count / 100 } else { count }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Lets two sides take turns, and prints a row: what each took, times `unit`, and the ratios.
fn row(
    what: &str,
    unit: f64,
    name: &str,
    mut ours: impl FnMut() -> f64,
    mut other: impl FnMut() -> f64,
) {
    let wanted = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if wanted.is_some_and(|wanted| !what.contains(&wanted)) {
        return;
    }
    ours();
    other();
    let pairs: Vec<_> = (0..turns()).map(|_| (ours() * unit, other() * unit)).collect();
    let us = median(pairs.iter().map(|pair| pair.0).collect());
    let them = median(pairs.iter().map(|pair| pair.1).collect());
    let ratios: Vec<_> = pairs.iter().map(|pair| pair.0 / pair.1).collect();
    let (least, most) =
        ratios.iter().fold((f64::MAX, 0f64), |(least, most), &r| (least.min(r), most.max(r)));
    let ratio = median(ratios);
    println!(
        "| {what:<42} | {us:>10.2} | {them:>10.2} | {name:<26} | {ratio:>5.2} | {least:>5.2} - {most:<5.2} |"
    );
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

fn mutex() {
    let n = fewer(3_000_000);
    let (ours, std) = (multiproc::Mutex::new(0u64).unwrap(), std::sync::Mutex::new(0u64));
    row(
        "mutex lock + unlock, uncontended, ns",
        1e9 / n as f64,
        "std::sync::Mutex",
        || seconds(|| (0..n).for_each(|_| *black_box(&ours).lock().unwrap() += 1)),
        || seconds(|| (0..n).for_each(|_| *black_box(&std).lock().unwrap() += 1)),
    );
}

fn start() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("empty.rs"), dir.path().join("empty"));
    std::fs::write(&source, "fn main() {}").unwrap();
    let built = Command::new("rustc").arg("-O").arg(&source).arg("-o").arg(&program).status();
    if !built.is_ok_and(|status| status.success()) {
        println!("| start: skipped, no rustc to build an empty program with |");
        return;
    }
    let n = fewer(2_000) / 10;
    row(
        "start + join, us",
        1e6 / n as f64,
        "posix_spawn of an empty one",
        || seconds(|| (0..n).for_each(|x| drop(multiproc::spawn((x,), |x| x + 1).unwrap().join()))),
        || {
            seconds(|| {
                (0..n).for_each(|_| {
                    Command::new(&program).stdin(Stdio::null()).status().unwrap();
                });
            })
        },
    );
}

const PYTHON: &str = "
import sys, time
from multiprocessing import Pool
def square(x): return x * x
if __name__ == '__main__':
    with Pool(2) as pool:
        pool.map(square, range(100))
        for line in sys.stdin:
            tasks, chunk = line.split()
            chunk = int(chunk) or None
            start = time.perf_counter()
            pool.map(square, range(int(tasks)), chunksize=chunk)
            print(time.perf_counter() - start, flush=True)
";

fn pool() {
    use std::io::{BufRead, BufReader, Write};
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("pool.py");
    std::fs::write(&script, PYTHON).unwrap();
    let python =
        Command::new("python3").arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        println!("| pool: skipped, no python3 to compare with |");
        return;
    };
    let mut ask = python.stdin.take().unwrap();
    let mut answers = BufReader::new(python.stdout.take().unwrap()).lines();
    let pool = Pool::builder().workers(2).build().unwrap();
    let tasks = fewer(100_000);
    for (what, chunk) in
        [("pool.map of 100,000 tiny tasks, ms", 0), ("pool.map of 100,000, one by one, ms", 1)]
    {
        row(
            what,
            1e3,
            "CPython's Pool",
            || {
                seconds(|| {
                    let squares = match chunk {
                        0 => pool.map(0..tasks, |x| x * x),
                        chunk => pool.map_in_chunks(0..tasks, chunk, |x| x * x),
                    };
                    assert_eq!(squares.unwrap().len() as u64, tasks);
                })
            },
            || {
                writeln!(ask, "{tasks} {chunk}").unwrap();
                answers.next().unwrap().unwrap().parse().unwrap()
            },
        );
    }
    drop(ask);
    python.wait().unwrap();
}

fn main() {
    println!(
        "| what | ours, median | other, median | the other | ours / other, median | least - most |"
    );
    println!("|---|---|---|---|---|---|");
    pair_in_one_thread();
    round_trip("queue round trip, two processes, 8 B, us", 7u64);
    round_trip::<Kib>("queue round trip, two processes, 1 KiB, us", [7; 128]);
    rate("queue one to one, 8 B, ns a message", 7u64, 1_000_000);
    rate::<Kib>("queue one to one, 1 KiB, ns a message", [7; 128], 200_000);
    mutex();
    start();
    pool();
}
