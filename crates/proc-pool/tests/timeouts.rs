//! Tasks that take too long, and tasks that are cancelled: ended with their worker, and nobody else.

#![allow(clippy::unwrap_used, reason = "a test")]

use proc_pool::{Options, Pool, SubmitError, TaskError};
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::{until, watchdog};

const WAIT: Duration = Duration::from_secs(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn pool(workers: usize) -> Pool {
    Pool::builder().workers(workers).build().unwrap()
}

#[test]
fn a_late_task_is_ended_and_its_neighbour_is_not() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let neighbour = pool
        .apply_async((), || {
            sleep(ms(250));
            std::process::id()
        })
        .unwrap();
    let start = Instant::now();
    let brief = Options::new().timeout(ms(80));
    let late = pool.with(&brief).apply((), || sleep(WAIT));
    assert_eq!(late, Err(TaskError::TimedOut(ms(80))));
    assert!(start.elapsed() >= ms(80));
    let pid = neighbour.get().unwrap();
    assert!(pool.stats().workers.iter().any(|worker| worker.pid == pid));
    until(WAIT, "the replacement", || pool.stats().workers.iter().filter(|w| w.ready).count() == 2);
}

#[test]
fn the_clock_starts_when_the_worker_begins() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let each = Options::new().timeout(ms(400));
    let nap = |n: u32| {
        sleep(ms(150));
        n
    };
    let handles: Vec<_> =
        (0..4).map(|n| pool.with(&each).apply_async((n,), nap).unwrap()).collect();
    for (n, handle) in (0..).zip(handles) {
        assert_eq!(handle.get(), Ok(n), "600 ms in all, 150 ms each");
    }
}

#[test]
fn a_task_that_ignores_sigterm_is_killed_after_the_grace() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).grace(ms(100)).build().unwrap();
    let stubborn = || {
        let mut set = nix::sys::signal::SigSet::empty();
        set.add(nix::sys::signal::Signal::SIGTERM);
        set.thread_block().unwrap();
        sleep(WAIT);
    };
    let start = Instant::now();
    let brief = Options::new().timeout(ms(50));
    assert_eq!(pool.with(&brief).apply((), stubborn), Err(TaskError::TimedOut(ms(50))));
    assert!(start.elapsed() >= ms(150));
    assert_eq!(pool.apply((1,), |x: i32| x).unwrap(), 1);
}

#[test]
fn a_result_that_overtakes_the_end_counts() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).grace(WAIT).build().unwrap();
    let polite = || {
        let mut set = nix::sys::signal::SigSet::empty();
        set.add(nix::sys::signal::Signal::SIGTERM);
        set.thread_block().unwrap();
        set.wait().unwrap(); // A task may clean up when it is asked to end, and answer.
        7
    };
    let brief = Options::new().timeout(ms(50));
    assert_eq!(pool.with(&brief).apply((), polite), Ok(7));
    assert_eq!(pool.apply((1,), |x: i32| x).unwrap(), 1);
}

#[test]
fn a_late_task_is_tried_again_as_often_as_it_may() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let (tx, rx) = shm_queue::bounded::<u32>(8).unwrap();
    let twice = Options::new().timeout(ms(50)).retries(2);
    let slow = |tx: shm_queue::Sender<u32>| {
        tx.send(std::process::id()).unwrap();
        sleep(WAIT);
    };
    assert_eq!(pool.with(&twice).apply((tx.clone(),), slow), Err(TaskError::TimedOut(ms(50))));
    drop((tx, pool));
    let mut pids: Vec<_> = rx.iter().collect();
    pids.dedup();
    assert_eq!(pids.len(), 3, "once and two retries, each in a worker of its own");
}

#[test]
fn a_task_that_dies_is_tried_again_until_it_does_not() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let (tx, rx) = shm_queue::bounded::<u32>(8).unwrap();
    (1..=3).for_each(|n| tx.send(n).unwrap());
    let die_thrice = |rx: shm_queue::Receiver<u32>| {
        if rx.try_recv().is_ok() {
            std::process::abort();
        }
        "done".to_owned()
    };
    let retries = Options::new().retries(3);
    assert_eq!(pool.with(&retries).apply((rx,), die_thrice).unwrap(), "done");
    assert_eq!(pool.stats().retried, 3);
}

#[test]
fn a_poisonous_task_is_given_up_with_retries_left() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).poison_limit(2).build().unwrap();
    let many = Options::new().retries(1000);
    let error = pool.with(&many).apply((), || -> () { std::process::abort() }).unwrap_err();
    assert_eq!(error.worker_died().unwrap().attempt(), 2);
}

#[test]
fn a_waiting_task_is_cancelled_without_harm_to_anybody() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let running = pool.apply_async((100u64,), |n| sleep(ms(n))).unwrap();
    let waiting = pool.apply_async((1,), |x: i32| x).unwrap();
    let behind = pool.apply_async((2,), |x: i32| x).unwrap();
    let pid = pool.stats().workers[0].pid;
    assert!(waiting.cancel());
    assert_eq!(waiting.get(), Err(TaskError::Cancelled));
    running.get().unwrap();
    assert_eq!(behind.get(), Ok(2));
    assert_eq!(pool.apply((), std::process::id).unwrap(), pid);
}

#[test]
fn a_running_task_is_cancelled_with_its_worker() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let (tx, rx) = shm_queue::bounded::<u32>(1).unwrap();
    let endless = pool
        .apply_async((tx,), |tx| {
            tx.send(std::process::id()).unwrap();
            sleep(WAIT);
        })
        .unwrap();
    let neighbour = pool
        .apply_async((), || {
            sleep(ms(150));
            5
        })
        .unwrap();
    let pid = rx.recv().unwrap();
    assert!(endless.cancel());
    assert_eq!(endless.get(), Err(TaskError::Cancelled));
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "gone when it is answered");
    assert_eq!(neighbour.get(), Ok(5));
    let done = pool.apply_async((1,), |x: i32| x).unwrap();
    done.wait();
    assert!(!done.cancel());
    assert_eq!(done.get(), Ok(1));
}

#[test]
fn cancelling_a_map_cancels_what_is_not_done() {
    let _dog = watchdog(WAIT);
    let pool = pool(2);
    let slow =
        pool.with(&Options::new().chunk_size(1)).map_async(0..50, |_: i32| sleep(WAIT)).unwrap();
    assert!(slow.cancel());
    assert_eq!(slow.get(), Err(TaskError::Cancelled));
    assert_eq!(pool.map(0..4, |x: i32| x).unwrap(), [0, 1, 2, 3]);
}

#[test]
fn options_that_make_no_sense_are_refused_by_the_call_and_say_what_would() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    let wrong = [
        (Options::new().chunk_size(0), "at least 1 item"),
        (Options::new().timeout(Duration::ZERO), "1 ns or more"),
        (Options::new().ahead(0), "less than 1"),
    ];
    for (options, text) in wrong {
        let error = pool.with(&options).map(0..3, |x: i32| x).unwrap_err();
        let TaskError::Submit(SubmitError::Options(why)) = &error else { panic!("{error}") };
        assert!(why.contains(text), "{why}");
        assert_eq!(pool.with(&options).imap(0..3, |x: i32| x).next(), Some(Err(error)));
    }
    let builders = [
        (Pool::builder().workers(0), "at least one worker"),
        (Pool::builder().max_tasks_per_worker(0), "at least 1"),
        (Pool::builder().start_tries(0), "the first one is a try"),
        (Pool::builder().poison_limit(0), "once at least"),
        (Pool::builder().memory_limit(1 << 20), "the memory limit is 1048576 bytes, and"),
        (Pool::builder().open_files(3), "a worker needs 16"),
        (Pool::builder().workers(1 << 40), "1099511627776 workers need 5497558138896 descriptors"),
        (Pool::builder().max_depth(0), "max_depth is 0: 1 would be enough"),
        (
            Pool::builder().initializer((), || -> () { std::process::exit(3) }),
            "its initializer did not return",
        ),
        (Pool::builder().cpu_limit(Duration::ZERO), "needs some"),
    ];
    for (builder, text) in builders {
        let error = builder.build().unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        assert!(why.contains(text), "{why}");
    }
    assert_eq!(pool.resize(0).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(pool.map(0..3, |x: i32| x).unwrap(), [0, 1, 2], "the pool is as it was");
}

#[test]
fn the_memory_that_an_error_calls_enough_is() {
    let _dog = watchdog(WAIT);
    // In a process that has less than this one with its threads.
    let advised = || {
        let build = |bytes| Pool::builder().workers(1).memory_limit(bytes).build();
        let error = build(1 << 20).unwrap_err();
        let why = std::error::Error::source(&error).unwrap().to_string();
        let enough = why.split("bytes, and ").nth(1).unwrap().split(' ').next().unwrap();
        build(enough.parse().unwrap()).unwrap().apply((7,), |x: i32| x).unwrap()
    };
    assert_eq!(proc_spawn::spawn((), advised).unwrap().join().unwrap(), 7);
}

#[test]
fn cancelling_a_task_that_is_being_ended_for_its_timeout_spares_its_retries() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).grace(ms(400)).build().unwrap();
    let (tx, rx) = shm_queue::bounded::<u32>(8).unwrap();
    let stubborn = |tx: shm_queue::Sender<u32>| {
        let mut set = nix::sys::signal::SigSet::empty();
        set.add(nix::sys::signal::Signal::SIGTERM);
        set.thread_block().unwrap();
        tx.send(std::process::id()).unwrap();
        sleep(WAIT);
    };
    let again = Options::new().timeout(ms(50)).retries(5);
    let task = pool.with(&again).apply_async((tx,), stubborn).unwrap();
    rx.recv().unwrap();
    sleep(ms(150)); // It has been asked to end, and does not.
    assert!(task.cancel());
    assert_eq!(task.get(), Err(TaskError::Cancelled));
}

#[test]
fn a_timeout_holds_for_what_a_stopped_worker_was_given_before_it_began() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).build().unwrap();
    pool.apply((), || ()).unwrap();
    let pid = i32::try_from(pool.stats().workers[0].pid).unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGSTOP)
        .unwrap();
    let brief = Options::new().timeout(ms(100));
    // It was touched by nobody: another worker does it.
    assert_eq!(pool.with(&brief).apply((7,), |x: i32| x), Ok(7));
}

#[test]
fn a_grace_without_end_is_none() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(1).grace(Duration::MAX).build().unwrap();
    let endless = pool.apply_async((), || sleep(WAIT)).unwrap();
    sleep(ms(50));
    assert!(endless.cancel());
    assert_eq!(endless.get(), Err(TaskError::Cancelled));
    assert_eq!(pool.apply((7,), |x: i32| x), Ok(7));
}

#[test]
fn cancelling_a_task_that_is_just_being_answered_harms_no_other() {
    let _dog = watchdog(WAIT);
    let pool = pool(1);
    // Tasks this small are given to the worker ahead of time.
    pool.map_in_chunks(0..20_000, 1, |x: u64| x).unwrap();
    for round in 0..400u64 {
        let tiny = |x: u64| (0..x % 97 * 40).fold(x, |a, b| std::hint::black_box(a ^ b) ^ b);
        let handles: Vec<_> =
            (0..8).map(|x| pool.apply_async((round + x,), tiny).unwrap()).collect();
        (0..round % 50 * 20).for_each(|_| std::hint::spin_loop());
        handles[3].cancel();
        for (place, handle) in handles.into_iter().enumerate() {
            let result = handle.get();
            assert!(place == 3 || result.is_ok(), "round {round}, task {place}: {result:?}");
        }
    }
}
