//! Workers that write over what they share with the pool: the pool goes on, and believes none of it.

#![allow(
    unsafe_code,
    reason = "writes over the worker's own mappings, which is what this is about"
)]
#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Options, Pool, TaskError};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(100);

/// Returns where the files with this name are mapped, behind their headers, and how long that is.
fn mappings(name: &str) -> Vec<(usize, usize)> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let ours = maps.lines().filter(|line| line.contains(&format!("/memfd:{name} ")));
    let range = |line: &str| {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| usize::from_str_radix(at, 16).unwrap());
        (from + 128, to - from - 128)
    };
    ours.map(range).collect()
}

/// Writes 0 over the state of each task that lies in the worker's lane, and that it has not begun.
fn forget_what_is_ready() {
    for (start, _) in mappings("pool lane") {
        // 512 slots of 128 bytes, each of which begins with its state: `ticket << 2 | 1` when ready.
        for state in (0..512).map(|slot| start + 256 + 128 * slot) {
            let state = std::ptr::with_exposed_provenance::<AtomicU64>(state);
            // SAFETY: in a writable mapping of this process; that it is shared is the point.
            let state = unsafe { &*state };
            if state.load(Relaxed) & 3 == 1 {
                state.store(0, Relaxed);
            }
        }
    }
}

/// Fills each mapping of the files with this name, behind their headers, with these bytes.
fn scribble(name: &str, byte: u8) -> usize {
    let mut written = 0;
    for (start, len) in mappings(name) {
        // SAFETY: a writable mapping of this process; that it is shared is the point.
        unsafe {
            std::ptr::write_bytes(std::ptr::with_exposed_provenance_mut::<u8>(start), byte, len)
        };
        written += len;
    }
    written
}

fn goes_on(pool: &Pool) {
    assert_eq!(pool.map_in_chunks(0..50u64, 1, |x| x * x).unwrap()[49], 49 * 49);
    let text = "x".repeat(1 << 18);
    assert_eq!(pool.apply((text,), |text: String| text.len()).unwrap(), 1 << 18);
}

#[test]
fn one_that_fills_its_lane_with_nonsense_is_replaced() {
    let _dog = watchdog(WAIT);
    for byte in [0, 1, 0x55, 0xff] {
        let pool = Pool::builder().workers(2).build().unwrap();
        let outcome = pool.apply((byte,), |byte| scribble("pool lane", byte));
        // It may have hit upon what it had to write.
        match outcome {
            Ok(written) => assert!(written > 0),
            Err(TaskError::WorkerDied(_) | TaskError::Result(_)) => {}
            Err(other) => panic!("{byte}: {other}"),
        }
        goes_on(&pool);
    }
}

#[test]
fn tasks_whose_states_it_has_written_over_are_done_by_another() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    // Tasks this small are given to the worker ahead of time.
    pool.map_in_chunks(0..5_000u64, 1, |x| x).unwrap();
    let brief = Options::new().timeout(Duration::from_millis(300));
    let bad = pool.with(&brief).apply_async((), || {
        std::thread::sleep(Duration::from_millis(20));
        forget_what_is_ready();
    });
    let behind: Vec<_> =
        (0..5u64).map(|x| pool.with(&brief).apply_async((x,), |x| x + 1).unwrap()).collect();
    assert_eq!(bad.unwrap().get(), Ok(()));
    for (x, handle) in (0..).zip(behind) {
        assert_eq!(handle.get(), Ok(x + 1));
    }
    goes_on(&pool);
}

#[test]
fn one_that_writes_over_the_bell_stalls_nobody() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    for byte in [0, 1, 0xff] {
        assert!(pool.apply((byte,), |byte| scribble("pool bell", byte)).unwrap() > 0);
        goes_on(&pool);
    }
    // One that goes on writing while others answer.
    let scribbler = pool
        .apply_async((), || {
            let end = std::time::Instant::now() + Duration::from_millis(500);
            while std::time::Instant::now() < end {
                scribble("pool bell", 0);
            }
        })
        .unwrap();
    while !scribbler.ready() {
        assert_eq!(pool.apply((3,), |x: i32| x + 1).unwrap(), 4);
    }
    scribbler.get().unwrap();
}

#[test]
fn one_that_goes_on_writing_over_the_bell_does_not_hide_the_end_of_a_callback() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    let scribbles = || {
        std::thread::spawn(|| {
            loop {
                scribble("pool bell", 0);
            }
        });
    };
    pool.apply((), scribbles).unwrap();
    for x in 0..10 {
        // While it runs nothing is under way, and whoever waits for it is to be told.
        let nap = |_: Result<&i32, &TaskError>| std::thread::sleep(Duration::from_millis(20));
        assert_eq!(pool.apply_async_then((x,), |x: i32| x, nap).unwrap().get(), Ok(x));
    }
}

#[test]
fn one_that_writes_over_the_arena_garbles_its_own_results_alone() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map_in_chunks(vec!["y".repeat(100_000); 4], 1, |text| text).unwrap();
    for byte in [0, 0xff] {
        // The answer is written after that.
        let text = pool.apply((byte, "z".repeat(50_000)), |byte, text: String| {
            scribble("pool arena", byte);
            text
        });
        assert_eq!(text.unwrap(), "z".repeat(50_000));
        goes_on(&pool);
    }
}
