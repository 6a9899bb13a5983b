//! What a process used is known once it has ended, whatever became of it.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

use proc_spawn::{Usage, spawn};
use std::time::{Duration, Instant};

fn work(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn cpu_time_and_memory_also_of_one_that_was_killed() {
    let (worked, idle): (Usage, Usage) = {
        let process = spawn((), || {
            let begin = Instant::now();
            // Counted by the CPU's clock, as the machine may be busy with others.
            while rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime).tv_nsec
                < 100_000_000
                && begin.elapsed() < Duration::from_secs(60)
            {
                work(Duration::from_millis(1));
            }
            std::hint::black_box(vec![1u8; 64 << 20]).len()
        })
        .unwrap();
        assert_eq!(process.usage(), None);
        let (result, usage) = process.join_with_usage();
        assert_eq!(result.unwrap(), 64 << 20);
        let sleeper = spawn((), || std::thread::sleep(Duration::from_secs(600))).unwrap();
        sleeper.kill().unwrap();
        let _ = sleeper.wait();
        (usage.unwrap(), sleeper.usage().unwrap())
    };
    assert!(worked.cpu() >= Duration::from_millis(100), "{worked}");
    assert_eq!(worked.cpu(), worked.user() + worked.system());
    assert!(worked.max_rss_bytes() > 64 << 20, "{worked}");
    assert!(idle.cpu() < worked.cpu() && idle.max_rss_bytes() > 0, "{idle}");
}
