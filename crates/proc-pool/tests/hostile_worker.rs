//! Workers that write over what they share with the pool: the pool goes on, and believes none of it.

#![allow(
    unsafe_code,
    reason = "writes over the worker's own mappings, which is what this is about"
)]
#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Pool, TaskError};
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(100);

/// Fills each mapping of the files with this name, behind their headers, with these bytes.
fn scribble(name: &str, byte: u8) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let mut written = 0;
    for line in maps.lines().filter(|line| line.contains(&format!("/memfd:{name} "))) {
        let (from, to) = line.split(' ').next().unwrap().split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| usize::from_str_radix(at, 16).unwrap());
        let (start, len) = (from + 128, to - from - 128);
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
