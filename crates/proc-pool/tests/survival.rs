//! The survival matrix: what has brought other pools down. In each row exactly the task that is affected
//! fails, with an error that says why; its neighbour, what waits and what comes after are done.

#![allow(unsafe_code, reason = "crashes on purpose")]
#![allow(clippy::unwrap_used, reason = "a test")]

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use proc_pool::{Handle, Options, Pool, TaskError};
use proc_spawn::ExitStatus;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::thread::sleep;
use std::time::Duration;
use testkit::watchdog;

const WAIT: Duration = Duration::from_secs(60);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A pool with a task that runs, one that is about to suffer, and one that waits.
struct Row {
    pool: Pool,
    neighbour: Handle<u64>,
    waiting: Option<Handle<u64>>,
}

impl Row {
    fn new() -> Self {
        Self::of(Pool::builder().workers(2).build().unwrap())
    }

    fn of(pool: Pool) -> Self {
        let nap = |n| {
            sleep(ms(60));
            n
        };
        let neighbour = pool.apply_async((1,), nap).unwrap();
        Self { pool, neighbour, waiting: None }
    }

    /// Hands the victim over, and something that waits behind it.
    fn suffers<A, R>(&mut self, args: A, f: A::Fn<R>) -> Handle<R>
    where
        A: proc_spawn::Args + Send,
        A::Fn<R>: Send,
        R: Serialize + serde::de::DeserializeOwned + Send + 'static,
    {
        let victim = self.pool.apply_async(args, f).unwrap();
        self.waiting = Some(self.pool.apply_async((2,), |n| n).unwrap());
        victim
    }

    /// All but the victim are as if nothing had happened.
    fn goes_on(self) {
        assert_eq!(self.neighbour.get().unwrap(), 1);
        assert_eq!(self.waiting.unwrap().get().unwrap(), 2);
        assert_eq!(self.pool.map(0..6, |x: i32| x * 2).unwrap(), [0, 2, 4, 6, 8, 10]);
    }
}

fn signal_of<R>(result: Result<R, TaskError>) -> Option<i32> {
    let error = result.err().unwrap();
    let died = error.worker_died().unwrap_or_else(|| panic!("{error}"));
    assert_eq!(died.attempt(), 1);
    died.signal()
}

fn kill_oneself(signal: Signal) {
    kill(Pid::this(), signal).unwrap();
}

#[test]
fn worker_killed_in_its_task() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((), || kill_oneself(Signal::SIGKILL));
    assert_eq!(signal_of(victim.get()), Some(9));
    row.goes_on();
}

#[test]
fn worker_crashes_in_foreign_code() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((), || {
        // SAFETY: it is not: that is what happens in a library that was written in C.
        unsafe { std::ptr::null_mut::<u8>().write_volatile(1) };
    });
    assert_eq!(signal_of(victim.get()), Some(11));
    row.goes_on();
}

#[test]
fn worker_exits_with_0_in_a_task() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((), || -> () { std::process::exit(0) });
    let error = victim.get().unwrap_err();
    assert_eq!(error.worker_died().unwrap().status(), ExitStatus::Code(0));
    row.goes_on();
}

#[test]
fn a_thread_that_the_task_started_crashes() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((), || {
        std::thread::spawn(|| std::process::abort());
        sleep(WAIT);
    });
    assert_eq!(signal_of(victim.get()), Some(6));
    row.goes_on();
}

#[test]
fn a_thread_that_the_task_started_panics() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((), || {
        std::thread::spawn(|| panic!("not in the task")).join().unwrap_err();
        5
    });
    assert_eq!(victim.get().unwrap(), 5, "a thread's panic is its own");
    row.goes_on();
}

#[test]
fn worker_stopped_in_a_task() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).grace(ms(30)).build().unwrap();
    let mut row = Row::of(pool);
    // Nothing says that it will not go on one day: it is the timeout that ends it.
    let brief = Options::new().timeout(ms(100));
    let victim = row.pool.with(&brief).apply_async((), || kill_oneself(Signal::SIGSTOP)).unwrap();
    row.waiting = Some(row.pool.apply_async((2,), |n| n).unwrap());
    assert_eq!(victim.get(), Err(TaskError::TimedOut(ms(100))));
    row.goes_on();
}

#[test]
fn workers_killed_while_idle() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    pool.map(0..4, |x: i32| x).unwrap();
    for worker in pool.stats().workers {
        kill(Pid::from_raw(i32::try_from(worker.pid).unwrap()), Signal::SIGKILL).unwrap();
    }
    let mut row = Row::of(pool);
    let unharmed = row.suffers((3,), |x: i32| x);
    assert_eq!(unharmed.get().unwrap(), 3);
    row.goes_on();
}

#[test]
fn the_initializer_panics() {
    let _dog = watchdog(WAIT);
    let builder = Pool::builder().workers(2).start_tries(3);
    let error = builder.initializer((), || -> () { panic!("no database") }).build().unwrap_err();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("no database"), "{source}");
}

#[test]
fn the_initializer_panics_in_replacements_only() {
    let _dog = watchdog(WAIT);
    let (tx, rx) = shm_queue::bounded::<u8>(1).unwrap();
    tx.send(1).unwrap();
    let pool = Pool::builder()
        .workers(1)
        .start_tries(3)
        .initializer((rx,), |rx| rx.try_recv().unwrap())
        .build()
        .unwrap();
    let first = pool.apply_async((), || kill_oneself(Signal::SIGKILL)).unwrap();
    let waiting = pool.apply_async((), || ()).unwrap();
    assert_eq!(signal_of(first.get()), Some(9));
    assert!(matches!(waiting.get(), Err(TaskError::Submit(proc_pool::SubmitError::Broken(_)))));
}

#[test]
fn a_callback_panics() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.pool.apply_async_then((3,), |x: i32| x, |_| panic!("in the callback"));
    row.waiting = Some(row.pool.apply_async((2,), |n| n).unwrap());
    assert_eq!(victim.unwrap().get().unwrap(), 3);
    row.goes_on();
}

/// Cannot be decoded, or not be encoded.
struct Never(bool);

impl Serialize for Never {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert!(!self.0, "in serialize");
        serializer.serialize_u8(7)
    }
}

impl<'de> Deserialize<'de> for Never {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("never"))
    }
}

#[test]
fn an_argument_that_cannot_be_decoded() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((Never(false),), |_| ());
    assert!(matches!(victim.get(), Err(TaskError::Rejected(_))));
    row.goes_on();
}

#[test]
fn a_result_that_cannot_be_decoded() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((), || Never(false));
    assert!(matches!(victim.get(), Err(TaskError::Result(_))));
    row.goes_on();
}

#[test]
fn a_result_whose_encoding_panics() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let victim = row.suffers((), || Never(true));
    assert!(matches!(victim.get(), Err(TaskError::Panicked(_))));
    row.goes_on();
}

#[test]
fn a_result_too_large_for_the_worker() {
    let _dog = watchdog(WAIT);
    let mut row = Row::of(Pool::builder().workers(2).memory_limit(768 << 20).build().unwrap());
    let victim = row.suffers((), || vec![1u8; 1 << 30]);
    let error = victim.get().unwrap_err();
    let died = error.worker_died().unwrap();
    assert!(died.out_of_memory(), "{error}");
    assert!(died.usage().unwrap().max_rss_bytes() > 0);
    row.goes_on();
}

#[test]
fn a_worker_that_uses_up_its_cpu_time() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).cpu_limit(Duration::from_secs(1)).build().unwrap();
    let mut row = Row::of(pool);
    let victim = row.suffers((), || -> () {
        loop {
            std::hint::spin_loop();
        }
    });
    let error = victim.get().unwrap_err();
    assert_eq!(error.worker_died().unwrap().limit(), Some(proc_spawn::Limit::CpuTime), "{error}");
    row.goes_on();
}

/// In a process of its own, whose limits it may change.
fn alone(f: fn()) {
    let _dog = watchdog(WAIT);
    proc_spawn::spawn((), f).unwrap().join().unwrap();
}

/// Makes a pool in a process where files cannot grow: what a full file system says, that of shared memory
/// being one.
fn row_without_room() -> Row {
    // SAFETY: ignoring is no handler.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, 4 << 20, 4 << 20).unwrap();
    Row::new()
}

#[test]
fn no_room_for_a_large_argument() {
    alone(|| {
        let mut row = row_without_room();
        let victim = row.suffers((vec![1u8; 16 << 20],), |v: Vec<u8>| v.len());
        let error = victim.get().unwrap_err();
        assert!(matches!(error, TaskError::Io(_)), "{error}");
        assert_eq!(row.pool.apply((vec![1u8; 1 << 20],), |v: Vec<u8>| v.len()).unwrap(), 1 << 20);
        row.goes_on();
    });
}

#[test]
fn no_room_for_a_large_result() {
    alone(|| {
        let mut row = row_without_room();
        let victim = row.suffers((), || vec![1u8; 16 << 20]);
        let error = victim.get().err().unwrap();
        assert!(matches!(error, TaskError::Result(_)), "{error}");
        assert_eq!(row.pool.apply((), || vec![1u8; 1 << 20]).unwrap().len(), 1 << 20);
        row.goes_on();
    });
}

#[test]
fn no_descriptors_left_for_new_workers_for_a_while() {
    alone(|| {
        let row = Row::new();
        row.pool.map_in_chunks(0..4, 1, |_: i32| sleep(ms(20))).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, 128, 128).unwrap();
        let taken: Vec<_> = std::iter::from_fn(|| std::fs::File::open("/dev/null").ok()).collect();
        let victim = row.pool.apply_async((), || kill_oneself(Signal::SIGKILL)).unwrap();
        assert_eq!(signal_of(victim.get()), Some(9));
        assert_eq!(row.pool.apply((4,), |x: i32| x).unwrap(), 4, "by the other one");
        drop(taken);
        row.pool.map(0..10, |x: i32| x).unwrap();
        testkit::until(WAIT, "a replacement", || row.pool.stats().workers.len() == 2);
    });
}

#[test]
fn the_pool_is_dropped_while_tasks_run() {
    let _dog = watchdog(WAIT);
    let Row { pool, neighbour, .. } = Row::new();
    let endless = pool.apply_async((), || sleep(WAIT)).unwrap();
    let waiting = pool.apply_async((), || ()).unwrap();
    drop(pool);
    for result in [endless.get(), waiting.get()] {
        assert_eq!(result, Err(TaskError::Terminated));
    }
    assert!(neighbour.ready());
}

#[test]
fn a_task_that_kills_its_worker_each_time_does_not_break_the_pool() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    for _ in 0..12 {
        assert_eq!(signal_of(pool.apply((), || kill_oneself(Signal::SIGKILL))), Some(9));
    }
    assert_eq!(pool.apply((2,), |x: i32| x).unwrap(), 2);
}

#[test]
fn ctrl_c_reaches_the_workers() {
    let _dog = watchdog(WAIT);
    let mut row = Row::new();
    let unharmed = row.suffers((), || {
        kill_oneself(Signal::SIGINT);
        5
    });
    assert_eq!(unharmed.get(), Ok(5), "the process with the pool decides");
    row.goes_on();
}

#[test]
fn small_tasks_behind_a_long_one() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    // Tasks this small are given to workers ahead of time.
    pool.map_in_chunks(0..20_000, 1, |x: i32| x).unwrap();
    let small = |x: u32| x;
    let mut handles: Vec<_> = (0..50).map(|x| pool.apply_async((x,), small).unwrap()).collect();
    let long = pool.apply_async((), || sleep(WAIT)).unwrap();
    handles.extend((50..300).map(|x| pool.apply_async((x,), small).unwrap()));
    for (x, handle) in (0..).zip(handles) {
        assert_eq!(handle.get(), Ok(x));
    }
    assert!(!long.ready() && long.cancel());
}
