//! Workers killed in each state of a task, workers killed at random, and the process that has the pool.
//!
//! `POOL_KILLS` is how many kills each state gets, `POOL_CHAOS` how many tasks the map in the storm has,
//! `POOL_PARENTS` how many processes with pools are killed.

#![allow(clippy::unwrap_used, reason = "a test")]

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proc_pool::{Handle, Options, Pool, TaskError};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;
use testkit::{until, watchdog};

const WAIT: Duration = Duration::from_secs(250);

fn count(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |count| count.parse().unwrap())
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn die() {
    kill(Pid::this(), Signal::SIGKILL).unwrap();
}

fn kill_worker(pid: u32) {
    // It may be gone already.
    let _ = kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL);
}

/// When the worker of a task is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum When {
    Never,
    Decoding,
    Running,
    Encoding,
    /// By a thread that the task leaves behind, at about the time of the answer.
    Answering,
}

/// An argument in whose decoding the worker can be killed.
struct Argument(When, u32);

/// A result in whose encoding it can be.
struct Answer(When, u32);

impl Serialize for Argument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0, self.1).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Argument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (when, number) = Deserialize::deserialize(deserializer)?;
        if when == When::Decoding {
            die();
        }
        Ok(Self(when, number))
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == When::Encoding {
            die();
        }
        (self.0, self.1).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Answer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (when, number) = Deserialize::deserialize(deserializer)?;
        Ok(Self(when, number))
    }
}

fn work(Argument(when, number): Argument, done: shm_queue::Sender<u32>) -> Answer {
    done.send(number).unwrap();
    match when {
        When::Running => die(),
        When::Answering => drop(std::thread::spawn(die)),
        When::Never | When::Decoding | When::Encoding => {}
    }
    Answer(when, number)
}

/// Kills a worker in this state again and again, with a healthy task before and after each victim.
fn storm(state: When) {
    let _dog = watchdog(WAIT);
    let kills = count("POOL_KILLS", 40);
    let pool = Pool::builder().workers(2).build().unwrap();
    let (tx, rx) = shm_queue::bounded::<u32>(4 * kills as usize).unwrap();
    let mut handles: Vec<(When, u32, Handle<Answer>)> = Vec::new();
    for number in 0..3 * kills {
        let when = if number % 3 == 1 { state } else { When::Never };
        let task = (Argument(when, number), tx.clone());
        handles.push((when, number, pool.apply_async(task, work).unwrap()));
    }
    let mut died = 0;
    for (when, number, handle) in handles {
        match handle.get() {
            Ok(Answer(_, answer)) => {
                assert_eq!(answer, number);
                assert!(matches!(when, When::Never | When::Answering), "{when:?}");
            }
            Err(TaskError::WorkerDied(how)) => {
                // A thread that a task left behind may hit the next one.
                assert!(when != When::Never || state == When::Answering, "{number}: {how}");
                assert_eq!((how.signal(), how.attempt()), (Some(9), 1));
                died += 1;
            }
            Err(error) => panic!("{error}"),
        }
    }
    if state != When::Answering {
        assert_eq!(died, kills);
        assert_eq!(pool.apply((1,), |x: i32| x), Ok(1));
    }
    drop((tx, pool));
    let begun: Vec<u32> = rx.iter().collect();
    let once: HashSet<_> = begun.iter().collect();
    assert_eq!(once.len(), begun.len(), "none was done twice");
}

#[test]
fn killed_while_it_decodes_the_argument() {
    storm(When::Decoding);
}

#[test]
fn killed_while_it_runs() {
    storm(When::Running);
}

#[test]
fn killed_while_it_encodes_the_result() {
    storm(When::Encoding);
}

#[test]
fn killed_while_it_answers() {
    storm(When::Answering);
}

#[test]
fn killed_while_idle_or_starting() {
    let _dog = watchdog(WAIT);
    let pool = Pool::builder().workers(2).build().unwrap();
    for round in 0..count("POOL_KILLS", 40) {
        // Some are in the middle of their start, others have just become ready.
        pool.stats().workers.iter().for_each(|worker| kill_worker(worker.pid));
        if round % 2 == 0 {
            sleep(Duration::from_micros(u64::from(round) * 37 % 3000));
        }
        assert_eq!(pool.apply((round,), |x| x), Ok(round));
    }
}

#[test]
fn a_map_in_a_storm_of_kills_has_all_results_right() {
    let _dog = watchdog(WAIT);
    let tasks = u64::from(count("POOL_CHAOS", 20_000));
    let pool = Pool::builder().workers(2).build().unwrap();
    let stop = AtomicBool::new(false);
    let busy = |x: u64| {
        let start = std::time::Instant::now();
        while start.elapsed() < Duration::from_micros(100) {
            std::hint::spin_loop();
        }
        x * 3
    };
    let (results, kills) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let (mut kills, mut random) = (0u32, 1u64);
            while !stop.load(Ordering::Relaxed) {
                sleep(ms(20));
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let workers = pool.stats().workers;
                if let Some(worker) = workers.get((random >> 33) as usize % workers.len().max(1)) {
                    kill_worker(worker.pid);
                    kills += 1;
                }
            }
            kills
        });
        let options = Options::new().chunk_size(10).retries(100);
        let results = pool.with(&options).map(0..tasks, busy);
        stop.store(true, Ordering::Relaxed);
        (results, killer.join().unwrap())
    });
    assert_eq!(results.unwrap(), (0..tasks).map(|x| x * 3).collect::<Vec<_>>());
    assert!(kills > 5, "{kills} kills");
    assert!(pool.stats().died > 0);
}

#[test]
fn no_worker_outlives_the_process_that_has_the_pool() {
    let _dog = watchdog(WAIT);
    for round in 0..count("POOL_PARENTS", 12) {
        let (tx, rx) = shm_queue::bounded::<u32>(8).unwrap();
        let owner = proc_spawn::spawn((tx, round), |tx, round| {
            let pool = Pool::builder().workers(2).build().unwrap();
            pool.stats().workers.iter().for_each(|worker| tx.send(worker.pid).unwrap());
            if round % 3 == 0 {
                pool.map_in_chunks(0..1000, 1, |_: i32| sleep(ms(600_000))).unwrap();
            }
            sleep(ms(600_000));
        })
        .unwrap();
        let workers = [rx.recv().unwrap(), rx.recv().unwrap()];
        // Workers are starting in some rounds, idle or busy in others.
        sleep(Duration::from_micros(u64::from(round % 7) * 400));
        owner.kill().unwrap();
        let _ = owner.wait();
        for pid in workers {
            until(WAIT, "a worker's end", || {
                let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
                // A zombie waits only for whoever adopted it.
                stat.map_or(true, |stat| stat.contains(") Z "))
            });
        }
    }
}
