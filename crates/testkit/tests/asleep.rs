//! A process counts as asleep when it waits for somebody in the kernel, and only then.

use std::io::Read;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;
use testkit::{SharedPage, fork, is_asleep, until, watchdog};

const LIMIT: Duration = Duration::from_secs(60);

#[test]
fn a_wait_on_a_futex_or_a_pipe_is_sleep() {
    let _dog = watchdog(LIMIT);
    let parked = fork(|| {
        loop {
            thread::park();
        }
    });
    let (mut reader, _writer) = std::io::pipe().unwrap();
    let reading = fork(move || {
        let _ = reader.read(&mut [0]);
    });
    until(LIMIT, "the futex sleeper", || is_asleep(parked.pid()));
    until(LIMIT, "the pipe reader", || is_asleep(reading.pid()));
}

#[test]
fn running_stopped_napping_and_gone_are_not() {
    let _dog = watchdog(LIMIT);
    let page = SharedPage::new(3);
    let running = fork(|| {
        loop {
            page[0].fetch_add(1, SeqCst);
        }
    });
    let napping = fork(|| {
        page[1].store(1, SeqCst);
        thread::sleep(LIMIT);
    });
    let parked = fork(|| {
        loop {
            thread::park();
        }
    });
    until(LIMIT, "the start of all", || {
        page[0].load(SeqCst) > 0 && page[1].load(SeqCst) == 1 && is_asleep(parked.pid())
    });
    parked.signal(libc::SIGSTOP);
    until(LIMIT, "the stop", || !is_asleep(parked.pid()));
    for _ in 0..50 {
        assert!(!is_asleep(running.pid()));
        assert!(!is_asleep(napping.pid()));
        assert!(!is_asleep(parked.pid()));
        thread::sleep(Duration::from_millis(1));
    }
    let gone = fork(|| {});
    let pid = gone.pid();
    gone.assert_ok();
    assert!(!is_asleep(pid));
}
