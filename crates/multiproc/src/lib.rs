//! Python's `multiprocessing` for Rust on Linux: processes, locks, semaphores, queues, pipes, pools.
//!
//! ```
//! use multiproc::{Mutex, spawn};
//!
//! let total = Mutex::new(0u64)?;
//! let children: Vec<_> = (1..=3u64)
//!     .map(|n| spawn((n, total.clone()), |n, total| *total.lock().unwrap() += n))
//!     .collect::<Result<_, _>>()?;
//! for child in children {
//!     child.join()?;
//! }
//! assert_eq!(*total.lock().unwrap(), 6);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing that a process does, dying included, can hang or corrupt the others. Each module is a crate of
//! its own, which can be used alone, and its page says what is left when a process is killed in the middle:
//!
//! | module | crate | holds |
//! |---|---|---|
//! | [`process`] | `proc-spawn` | [`spawn`], [`start`], [`Task`], [`Process`] |
//! | [`lock`] | `proc-lock` | [`Mutex`], [`RwLock`], [`Condvar`], [`Event`], [`Barrier`] and others |
//! | [`semaphore`] | `proc-semaphore` | [`Semaphore`], [`BoundedSemaphore`], [`PermitPool`] |
//! | [`queue`] | `shm-queue` | [`queue::bounded`] and its kin, leases, blocks |
//! | [`pipe`] | `duplex-pipe` | [`pipe::duplex`], [`pipe::simplex`] |
//! | [`pool`] | `proc-pool` | [`Pool`], [`ThreadPool`], [`pool::Options`], [`pool::Handle`] |
//!
//! # Coming from Python
//!
//! | Python | here | |
//! |---|---|---|
//! | `Process(target=f, args=(a, b))`, `p.start()` | [`spawn((a, b), f)`](spawn) | starts at once; arguments come first, as their types are what makes `f`'s type known |
//! | `class P(Process)`, `def run(self)` | [`Task`], [`start(P { .. })`](start) | the fields go along |
//! | `name=`, `p.daemon = True` | [`Builder::name`], [`Builder::daemon`] | set before the start, where they belong |
//! | `p.pid`, `p.name`, `p.is_alive()` | [`Process::pid`], [`Process::name`], [`Process::is_alive`] | |
//! | `p.join()` | [`Process::join`] | gives the function's result, or how the process ended |
//! | `p.join(timeout)` | [`Process::join_timeout`] | says whether it came to it |
//! | `p.exitcode` | [`Process::exit_status`], [`ExitStatus::exitcode`] | |
//! | `p.terminate()`, `p.kill()` | [`Process::terminate`], [`Process::kill`] | and the others go on, whatever it was doing |
//! | `os.kill(p.pid, signal.SIGINT)` | [`Process::interrupt`] | |
//! | `p.sentinel` | [`Process`] is [`AsFd`](std::os::fd::AsFd) | a pidfd |
//! | `connection.wait([p.sentinel, ...])` | [`wait_first`], [`wait_first_timeout`] | |
//! | `set_start_method('spawn')`, `get_context(...)` | [`set_start_method`], [`Builder::method`] | spawn is the default |
//! | `'forkserver'`, `set_forkserver_preload([...])` | [`StartMethod::ForkServer`], [`forkserver::preload`] | functions instead of modules |
//! | `'fork'` | [`fork`] | unsafe, and refused where threads run |
//! | `resource.setrlimit` in the target | [`Builder::memory_bytes`], [`Builder::cpu_time`] and others | [`Process::join`] says which limit was reached |
//! | `current_process()`, `parent_process()` | [`current_process`], [`parent_process`] | |
//! | `active_children()`, `cpu_count()` | [`active_children`], [`cpu_count`] | the CPUs that this process may use, by affinity and cgroup |
//! | `if __name__ == '__main__':` | nothing | `main` does not run in the children |
//! | `Lock()` | [`Mutex::new(())`](Mutex::new) | or with the data inside that it protects |
//! | `lock.acquire()`, `lock.release()`, `with lock:` | [`Mutex::lock`], dropping the [`MutexGuard`] | the guard cannot be forgotten, and the death of a holder is told |
//! | `lock.acquire(False)`, `lock.acquire(timeout=t)` | [`Mutex::try_lock`], [`Mutex::lock_timeout`] | |
//! | `RLock()` | [`ReentrantMutex`](lock::ReentrantMutex) | |
//! | `Condition()`, `wait_for`, `notify`, `notify_all` | [`Condvar`]: `wait_while`, `notify_one`, `notify_all` | always with the condition, which is looked at again; goes with any [`Mutex`] |
//! | `Event()`: `set`, `clear`, `wait`, `is_set` | [`Event`]: the same | |
//! | `Barrier(n)`: `wait`, `abort`, `reset` | [`Barrier`]: the same | breaks at once when one of those is killed |
//! | `Value('d', 0.0)`, `v.value`, `v.get_lock()` | [`Shared<f64>`](lock::Shared), or [`Mutex<f64>`](Mutex) | |
//! | `Array('i', n)` | [`SharedSlice<i32>`](lock::SharedSlice) | |
//! | `Semaphore(n)`, `BoundedSemaphore(n)` | [`Semaphore::new`], [`BoundedSemaphore::new`] | |
//! | `s.acquire()`, `s.release()`, `s.get_value()` | [`Semaphore::acquire`], [`Semaphore::release`], [`Semaphore::value`] | `release` may be refused: too many permits |
//! | `Queue(n)` | [`queue::bounded`], [`queue::bounded_values`], [`queue::bounded_bytes`] | numbers and plain structs, serde values ([`queue::ValueSender`]), bytes; always bounded; two ends, so that the end of the stream shows |
//! | `q.put(x)`, `q.get()` | `tx.send(x)`, `rx.recv()` | on return the message is visible to all: no feeder thread |
//! | `q.put_nowait(x)`, `q.get_nowait()` | `tx.try_send(x)`, `rx.try_recv()` | |
//! | `q.put(x, timeout=t)`, `q.get(timeout=t)` | `tx.send_timeout(x, t)`, `rx.recv_timeout(t)` | |
//! | `JoinableQueue()`: `task_done`, `join` | `rx.task_done()`, `tx.join()`; better [`queue::bounded_leased`] | a lease comes back when its holder is killed, where Python's `join` waits for ever |
//! | `Full`, `Empty` | `TrySendError::Full`, `TryRecvError::Empty` | the message comes back |
//! | `q.qsize()`, `q.empty()`, `q.full()` | `len()`, `is_empty()`, `is_full()` | |
//! | `Pipe()`, `Pipe(duplex=False)` | [`pipe::duplex`], [`pipe::simplex`] | |
//! | `c.send(x)`, `c.recv()`, `c.poll(t)` | `send(&x)`, `recv()`, `poll(t)` | |
//! | `c.send_bytes(b)`, `c.recv_bytes_into(buf)` | `send`, `recv_into` of a `pipe::duplex::<[u8]>()` | |
//! | `EOFError`, `BrokenPipeError` | `RecvError::Disconnected`, `SendError::BrokenPipe` | |
//! | `Pool(processes=n)` | [`Pool::builder().workers(n).build()`](Pool::builder), [`Pool::new`] | |
//! | `initializer=`, `initargs=` | [`pool::Builder::initializer`] | one that fails is an error of `build` |
//! | globals that it sets | [`Pool::with_state`] | tasks get `&mut` of what it makes |
//! | `maxtasksperchild=n` | [`pool::Builder::max_tasks_per_worker`] | also by memory and age |
//! | `pool.apply(f, (a,))` | [`Pool::apply((a,), f)`](Pool::apply) | |
//! | `pool.apply_async(f, (a,))` | [`Pool::apply_async`] | |
//! | `callback=`, `error_callback=` | [`Pool::apply_async_then`] | one closure, which gets a `Result` |
//! | nothing, or `future.cancel()` | [`pool::Handle::cancel`], [`pool::Options::timeout`] | end a task that runs, with its worker |
//! | `concurrent.futures`: `as_completed`, `wait(.., FIRST_COMPLETED)` | [`pool::as_completed`], [`pool::wait_first`] | |
//! | `multiprocessing.dummy`, `ThreadPool` | [`ThreadPool`] | the same calls |
//! | `r.get()`, `r.get(t)`, `r.wait()` | [`pool::Handle`]: `get`, `get_timeout`, `wait` | |
//! | `r.ready()`, `r.successful()` | `ready`, `successful` | `None` instead of an exception |
//! | `pool.map(f, items, chunksize)` | [`Pool::map(items, f)`](Pool::map), [`Pool::map_in_chunks`] | |
//! | `map_async`, `starmap`, `starmap_async` | [`Pool::map_async`], [`Pool::starmap`], [`Pool::starmap_async`] | items of `starmap` are tuples |
//! | `pool.imap`, `pool.imap_unordered` | [`Pool::imap`], [`Pool::imap_unordered`] | the input is drawn only a little ahead |
//! | `pool.close()`, `pool.terminate()`, `pool.join()` | the same | `terminate` answers every handle; dropping a pool terminates it |
//!
//! Exceptions become errors: what a task or process raised by panicking comes back as [`PanicInfo`], with
//! message and place.

#![forbid(unsafe_code)]

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

pub mod process {
    //! Functions in processes of their own.
    //!
    //! ```
    //! let sum = multiproc::process::spawn((1, 2), |a: i32, b: i32| a + b)?;
    //! assert_eq!(sum.join()?, 3);
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```
    #[doc(no_inline)]
    pub use proc_spawn::*;
}

pub mod lock {
    //! Locks that tell when their holder was killed.
    //!
    //! ```
    //! let lock = multiproc::lock::Mutex::new([0u8; 4])?;
    //! lock.lock().unwrap()[2] = 1;
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```
    #[doc(no_inline)]
    pub use proc_lock::*;
}

pub mod semaphore {
    //! Counting semaphores, and permits with an owner.
    //!
    //! ```
    //! let slots = multiproc::semaphore::Semaphore::new(3)?;
    //! slots.acquire();
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```
    #[doc(no_inline)]
    pub use proc_semaphore::*;
}

pub mod queue {
    //! Bounded queues in shared memory.
    //!
    //! ```
    //! let (tx, rx) = multiproc::queue::bounded::<u64>(10)?;
    //! tx.send(7)?;
    //! assert_eq!(rx.recv()?, 7);
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```
    #[doc(no_inline)]
    pub use shm_queue::*;
}

pub mod pipe {
    //! Message pipes.
    //!
    //! ```
    //! let (a, b) = multiproc::pipe::duplex::<String>()?;
    //! a.send(&"ping".to_string())?;
    //! assert_eq!(b.recv()?, "ping");
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```
    #[doc(no_inline)]
    pub use duplex_pipe::*;
}

pub mod pool {
    //! Pools of worker processes.
    //!
    //! ```
    //! let pool = multiproc::pool::Pool::new()?;
    //! assert_eq!(pool.map([1, 2, 3], |x: i32| x * 10)?, [10, 20, 30]);
    //! # Ok::<(), Box<dyn std::error::Error>>(())
    //! ```
    #[doc(no_inline)]
    pub use proc_pool::*;
}

#[doc(no_inline)]
pub use proc_lock::{Barrier, Condvar, Event, Mutex, MutexGuard, RwLock};
#[doc(no_inline)]
pub use proc_pool::{Pool, TaskError, ThreadPool};
#[doc(no_inline)]
pub use proc_semaphore::{BoundedSemaphore, PermitPool, Semaphore};
#[doc(no_inline)]
pub use proc_spawn::{
    Builder, Captured, ExitStatus, JoinError, Limit, PanicInfo, Process, SpawnError, StartMethod,
    Stdio, Task, Usage, active_children, cpu_count, current_process, fork, fork_with_threads,
    forkserver, init, join_all, parent_process, set_start_method, spawn, start, start_method,
    wait_first, wait_first_timeout,
};
