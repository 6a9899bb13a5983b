//! Pools: one task, many tiny ones, tasks of some length, large arguments, and what idle workers cost.

use crate::bare::Futex;
use crate::ends::timed;
use crate::payload::payload;
use crate::python;
use crate::threads_pool::Threads;
use crate::turns;
use multiproc::Pool;
use multiproc_benches::{
    Amount, Axis, Kind, Place, Spread, Subject, Suite, Turn, Unit, called, measuring,
};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use serde_bytes::ByteBuf;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// As many as the smallest machine has cores; the same for all.
const WORKERS: usize = 2;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn ours() -> Result<Pool, String> {
    let pool = Pool::builder().workers(WORKERS).build().map_err(text)?;
    // Both have begun.
    pool.map_in_chunks(0..64u64, 1, square).map_err(text)?;
    Ok(pool)
}

fn rayons() -> Result<rayon::ThreadPool, String> {
    rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build().map_err(text)
}

fn square(x: u64) -> u64 {
    x * x
}

fn same(bytes: ByteBuf) -> ByteBuf {
    bytes
}

fn busy(nanos: u64) -> u64 {
    crate::critical::stay(nanos);
    nanos
}

/// A turn of which each operation is timed.
fn trips(one: impl FnMut(u64) + 'static) -> Box<dyn Subject> {
    let mut one = one;
    measuring(Amount::Count, move |n| {
        let start = Instant::now();
        let told = timed(n, &mut one);
        let nanos = start.elapsed().as_secs_f64() * 1e9;
        let mut also = BTreeMap::from([("mean".to_owned(), nanos / n as f64)]);
        also.extend(told.p99.map(|p99| ("p99".to_owned(), p99)));
        Ok(Turn { nanos, value: told.p50.unwrap_or_default(), also })
    })
}

pub(crate) fn rows(suite: &mut Suite) {
    apply(suite);
    map(suite, "map of tiny tasks", 0);
    map(suite, "map of tiny tasks, one by one", 1);
    for nanos in [1_000, 10_000, 100_000, 1_000_000] {
        tasks(suite, nanos);
    }
    for bytes in [8, 1 << 10, 64 << 10, 1 << 20] {
        in_and_out(suite, bytes);
    }
    idle(suite);
}

/// One task after the other, each waited for.
fn apply(suite: &mut Suite) {
    suite
        .contest("pool", "apply", Place::Free)
        .with(Kind::Ours, "proc-pool", || {
            let pool = ours()?;
            Ok(trips(move |x| assert_eq!(pool.apply((x,), square).unwrap(), x * x)))
        })
        .with(Kind::Threads, "rayon", || {
            let pool = rayons()?;
            Ok(trips(move |x| assert_eq!(pool.install(|| square(x)), x * x)))
        })
        .with(Kind::Threads, "crossbeam-channel, two ways", || {
            let mut pool = Threads::new(WORKERS, square);
            Ok(trips(move |x| assert_eq!(pool.apply(x), x * x)))
        })
        .with(Kind::Peer, "procspawn", || {
            let pool = procspawn::Pool::new(WORKERS).map_err(text)?;
            Ok(trips(move |x| assert_eq!(pool.spawn(x, square).join().unwrap(), x * x)))
        })
        .with(Kind::Python, "multiprocessing.Pool", || python::subject(&["pool_apply"]))
        .with(Kind::Limit, "futex, both asleep", || {
            turns::processes(Place::Free, 2, turns::some(2, Futex::new)?)
        })
        .run();
}

/// Many tasks that are done as soon as they have begun.
fn map(suite: &mut Suite, what: &str, chunk: usize) {
    suite
        .contest("pool", what, Place::Free)
        // The same lists for all: chunks are as long as the list is.
        .at_most(100_000)
        .with(Kind::Ours, "proc-pool", move || {
            let pool = ours()?;
            Ok(called(move |n| {
                let squares = match chunk {
                    0 => pool.map(0..n, square),
                    chunk => pool.map_in_chunks(0..n, chunk, square),
                };
                is_right(squares.map_err(text)?.into_iter(), n)
            }))
        })
        .with(Kind::Threads, "rayon", move || {
            let pool = rayons()?;
            Ok(called(move |n| {
                let most = if chunk == 0 { usize::MAX } else { chunk };
                let tasks = (0..usize::try_from(n).unwrap()).into_par_iter().with_max_len(most);
                let squares: Vec<u64> = pool.install(|| tasks.map(|x| square(x as u64)).collect());
                is_right(squares.into_iter(), n)
            }))
        })
        .with(Kind::Threads, "crossbeam-channel, two ways", move || {
            let mut pool = Threads::new(WORKERS, square);
            Ok(called(move |n| is_right(pool.map(0..n).into_iter(), n)))
        })
        .with(Kind::Python, "multiprocessing.Pool", move || {
            python::subject(&["pool_map", &chunk.to_string(), "square", "7"])
        })
        .run();
}

fn is_right(squares: impl Iterator<Item = u64>, n: u64) -> Result<(), String> {
    let sum = |squares: &mut dyn Iterator<Item = u64>| squares.fold(0, u64::wrapping_add);
    let (mut squares, mut right) = (squares, (0..n).map(square));
    if sum(&mut squares) == sum(&mut right) { Ok(()) } else { Err("wrong squares".to_owned()) }
}

/// Tasks that take so long: what is added to each.
fn tasks(suite: &mut Suite, nanos: u64) {
    let items = move |n: u64| (0..n).map(move |_| nanos);
    suite
        .contest("pool", "tasks by length", Place::Free)
        .at(Axis::TaskNanos, nanos)
        .with(Kind::Ours, "proc-pool", move || {
            let pool = ours()?;
            Ok(called(move |n| all(pool.map_in_chunks(items(n), 1, busy).map_err(text)?.len(), n)))
        })
        .with(Kind::Ours, "proc-pool, default chunks", move || {
            let pool = ours()?;
            Ok(called(move |n| all(pool.map(items(n), busy).map_err(text)?.len(), n)))
        })
        .with(Kind::Threads, "rayon", move || {
            let pool = rayons()?;
            Ok(called(move |n| {
                let tasks = (0..usize::try_from(n).unwrap()).into_par_iter().with_max_len(1);
                all(pool.install(|| tasks.map(|_| busy(nanos)).count()), n)
            }))
        })
        .with(Kind::Threads, "crossbeam-channel, two ways", move || {
            let mut pool = Threads::new(WORKERS, busy);
            Ok(called(move |n| all(pool.map(items(n)).len(), n)))
        })
        .with(Kind::Peer, "procspawn", move || {
            let pool = procspawn::Pool::new(WORKERS).map_err(text)?;
            Ok(called(move |n| {
                // Some at a time: each that runs has two socket pairs open.
                let mut left = n;
                while left > 0 {
                    let some = left.min(32);
                    let tasks: Vec<_> = (0..some).map(|_| pool.spawn(nanos, busy)).collect();
                    for task in tasks {
                        task.join().map_err(text)?;
                    }
                    left -= some;
                }
                Ok(())
            }))
        })
        .with(Kind::Python, "multiprocessing.Pool", move || {
            python::subject(&["pool_map", "1", "busy", &nanos.to_string()])
        })
        .with(Kind::Limit, "the tasks alone", move || {
            // Two cores do nothing else: the crew of the bare work, without anything to hand it out.
            Ok(called(move |n| {
                std::thread::scope(|scope| {
                    for worker in 0..WORKERS as u64 {
                        scope.spawn(move || {
                            let share = n / WORKERS as u64 + u64::from(worker < n % WORKERS as u64);
                            (0..share).for_each(|_| _ = busy(nanos));
                        });
                    }
                });
                Ok(())
            }))
        })
        .run();
}

fn all(done: usize, n: u64) -> Result<(), String> {
    if done as u64 == n { Ok(()) } else { Err(format!("{done} of {n} tasks have a result")) }
}

/// Bytes that go to a worker and come back.
fn in_and_out(suite: &mut Suite, bytes: usize) {
    suite
        .contest("pool", "bytes there and back", Place::Free)
        .at(Axis::Payload, bytes as u64)
        .at_most(2_000)
        .with(Kind::Ours, "proc-pool", move || {
            let pool = ours()?;
            Ok(called(move |n| {
                for _ in 0..n {
                    let bytes = ByteBuf::from(vec![7; bytes]);
                    let length = bytes.len();
                    assert_eq!(pool.apply((bytes,), same).map_err(text)?.len(), length);
                }
                Ok(())
            }))
        })
        .with(Kind::Threads, "rayon", move || {
            let pool = rayons()?;
            Ok(called(move |n| {
                for _ in 0..n {
                    let bytes = ByteBuf::from(vec![7; bytes]);
                    black_box(pool.install(|| same(bytes)));
                }
                Ok(())
            }))
        })
        .with(Kind::Peer, "procspawn", move || {
            let pool = procspawn::Pool::new(WORKERS).map_err(text)?;
            Ok(called(move |n| {
                for _ in 0..n {
                    let answer = pool.spawn(ByteBuf::from(vec![7; bytes]), same).join();
                    assert_eq!(answer.map_err(text)?.len(), bytes);
                }
                Ok(())
            }))
        })
        .with(Kind::Python, "multiprocessing.Pool", move || {
            python::subject(&["pool_bytes", &bytes.to_string()])
        })
        .with(Kind::Limit, "memcpy there and back", move || {
            let (mut here, mut there) = (payload(bytes), vec![0; bytes]);
            Ok(called(move |n| {
                for _ in 0..n {
                    black_box(&mut there).copy_from_slice(black_box(&here));
                    black_box(&mut here).copy_from_slice(black_box(&there));
                }
                Ok(())
            }))
        })
        .run();
}

/// The memory that a worker has for itself, with its share of what it shares.
fn idle(suite: &mut Suite) {
    suite
        .contest("pool", "idle worker", Place::Free)
        .unit(Unit::Bytes)
        .with(Kind::Ours, "proc-pool", || {
            let before = children();
            let pool = Arc::new(ours()?);
            let workers: Vec<u32> =
                children().into_iter().filter(|pid| !before.contains(pid)).collect();
            Ok(memory(move || {
                black_box(&pool);
                workers.clone()
            }))
        })
        .with(Kind::Peer, "procspawn", || {
            let before = children();
            let pool = procspawn::Pool::new(WORKERS).map_err(text)?;
            pool.spawn(1, square).join().map_err(text)?;
            let workers: Vec<u32> =
                children().into_iter().filter(|pid| !before.contains(pid)).collect();
            Ok(memory(move || {
                black_box(&pool);
                workers.clone()
            }))
        })
        .with(Kind::Python, "multiprocessing.Pool", || python::reading(&["pool_memory"]))
        .run();
}

/// The processes that this one has started.
fn children() -> Vec<u32> {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|pids| pids.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

fn memory(workers: impl Fn() -> Vec<u32> + 'static) -> Box<dyn Subject> {
    measuring(Amount::Once, move |_| {
        let shares: Vec<f64> = workers().into_iter().filter_map(share).collect();
        let median = Spread::of(&shares).ok_or("no worker to look at")?.median;
        Ok(Turn { nanos: 0.0, value: median, also: BTreeMap::new() })
    })
}

/// The proportional share of memory of a process, in bytes.
fn share(pid: u32) -> Option<f64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024.0)
}
