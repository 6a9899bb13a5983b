//! Start functions in processes of their own, with typed results and typed deaths.
//!
//! ```
//! use proc_spawn::spawn;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let workers: Vec<_> = (1..=3u64)
//!         .map(|n| spawn((n, "cubed".to_string()), |n, word| format!("{n} {word}: {}", n.pow(3))))
//!         .collect::<Result<_, _>>()?;
//!     for worker in workers {
//!         println!("{}", worker.join()?);
//!     }
//!     Ok(())
//! }
//! ```
//!
//! That is all: no line at the top of `main`, no attribute, no macro. A new process is this
//! program, executed again and caught before its `main` by a constructor of this crate; it is sent
//! the name of the function and the arguments, and sends back what the function returns. It shares
//! no memory with its parent, so it can crash, leak, be limited and be killed alone.
//!
//! - **What runs**: functions and closures that capture nothing, of up to twelve parameters
//!   ([`spawn()`]), or a value with a `run` method ([`Task`]); by [`fork()`] any closure.
//! - **What travels**: whatever serde can write and read, in both directions and of any size, and
//!   the handles of this family of crates (`duplex-pipe`, `shm-queue`, `proc-lock`,
//!   `proc-semaphore`). Large byte buffers are fastest as `String` or with `serde_bytes`: serde
//!   takes a `Vec<u8>` byte by byte.
//! - **How it ends**: [`Process::join`] returns the function's result, or a [`JoinError`] that has
//!   the panic with message and place, the exit code, the signal, or the limit that was reached; and
//!   [`Process::usage`] says what it took.
//! - **What it may have**: a [`Builder`] limits memory, CPU time, running time, files; it sets environment,
//!   directory, niceness, CPUs; it leads the standard streams to files and pipes, or [captures](Captured) them.
//! - **How it is made**: by executing the program again, by a [fork server](StartMethod::ForkServer) for a quarter
//!   of the latency, or by [`fork()`].
//!
//! # Who outlives whom
//!
//! | | a process | a [daemon](Builder::daemon) | a [detached](Builder::detached) one | one that does not [die with its parent](Builder::die_with_parent) |
//! | --- | --- | --- | --- | --- |
//! | its parent exits in order (also by panic or `exit`) | is waited for | is ended | lives on | is waited for |
//! | its parent is killed | is killed | is killed | lives on | lives on |
//! | its handle is dropped | lives on | lives on | lives on | lives on |
//! | may start processes itself | yes | [if allowed](Builder::may_have_children) | yes | yes |
//!
//! The kernel does the killing, at once and at any depth. Three limits: a program that a process puts
//! in its own place (`exec`) or starts itself (`std::process::Command`) is not tied to the parent, and
//! a copy of the parent that was made by a bare `fork` counts as the parent.
//!
//! An exit that waits for a child for more than two seconds says so on standard error. `process::exit`
//! runs no destructors: a child that waits for the end of a queue or pipe of which this process has an
//! end then waits for ever, and the exit for it. Drop the end before, return from `main`, or make the
//! child a daemon.
//!
//! # What a started process has
//!
//! Unless the [`Builder`] says otherwise:
//!
//! - The arguments, environment, working directory, limits and process group of its parent, so
//!   Ctrl-C in a terminal reaches both; from a fork server, some as they were
//!   [when that was started](StartMethod::ForkServer). No signal is blocked.
//! - `/dev/null` as standard input, its parent's standard output and error, one socket, and the
//!   descriptors of the handles that it was sent; nothing else that its parent had open (but a
//!   [fork](fork()) has all of it).
//! - Its own standard output: nothing that a test runner captures in the parent.
//!
//! It leaves through `exit` (a fork without exit handlers): standard output is flushed, exit handlers run, threads that its
//! function left running end with it. It never reaches `main`: when it cannot start it says so in
//! one line on standard error and exits with code 71.
//!
//! # When a process is killed
//!
//! Parent and child share no memory, but a socket: an order or a report in it is one packet, which is there whole
//! or not at all, and nothing has to be repaired.
//!
//! | state of a process | moved on by | the child is killed: [`join`](Process::join) gives | the parent is killed: the child |
//! |---|---|---|---|
//! | made | the parent, which sends function and arguments | [`JoinError::Signaled`] | finds nobody, and leaves before `main` and its function |
//! | running | the child, which sends result or panic | [`JoinError::Signaled`] | is killed by the kernel, or lives on, see [above](#who-outlives-whom) |
//! | has reported, and is leaving | the child, which exits | what it reported, whole | the same |
//! | ended | [`join`](Process::join), a later start, the parent's end | | is gone, and leaves no zombie |
//!
//! A [fork server](StartMethod::ForkServer) that is killed ends none of those that it made, and the next start begins
//! another.
//!
//! Who sets our environment variable without being a parent, or garbles the message that says what to run, gets a
//! line on standard error and exit code 71, and never `main`. The commands that say so:
//!
//! ```text
//! START_COUNT=10000 cargo test --release -p proc-spawn --test forgotten
//! MUTATIONS=100000 cargo test --release -p proc-spawn --lib garbled
//! cargo test -p proc-spawn --test parent_killed --test child_killed --test hostile
//! ```
//!
//! The first starts 10,000 processes, by each of two methods, forgets half of them, and finds no zombie, descriptor or
//! mapping left: 21.5 seconds at the last run. The second sends 100,000 mutated start messages: 163 seconds, no
//! signal, no hang, none reached `main`.
//!
//! # Where it works
//!
//! Linux with `/proc`, in programs, tests, doc tests, benches and examples alike, with threads
//! running or not; linked statically or dynamically, with `panic = "abort"` too. It refuses to
//! start anything ([`SpawnError`]) in set-uid programs (a program that has given up root's rights itself
//! must make itself dumpable again, or its children end with code 71), from within a shared object such as a
//! Python extension, and in a program that was started through the loader (`ld.so ./program`).

mod affinity;
mod args;
mod boot;
mod builder;
pub mod call;
mod capture;
mod cgroup;
mod child;
mod cpus;
mod descriptor;
mod drain;
mod error;
mod exit;
pub mod forkserver;
mod image;
mod info;
mod limit;
mod many;
mod message;
mod page;
mod panics;
mod process;
mod registry;
mod settings;
mod start;
mod status;
mod stdio;
mod task;
mod tie;
mod tree;
mod usage;

pub use args::{Args, FnPointer};
pub use boot::init;
pub use builder::{Builder, spawn, start};
pub use capture::Captured;
pub use cpus::cpu_count;
pub use error::{Error, JoinError, SpawnError};
pub use info::{
    ActiveChild, ParentProcess, ProcessInfo, active_children, current_process, parent_process,
};
pub use limit::Limit;
pub use many::{join_all, wait_first, wait_first_timeout};
pub use panics::{Location, PanicInfo};
pub use process::Process;
pub use start::fork::{fork, fork_with_threads};
pub use start::{StartMethod, set_start_method, start_method};
pub use status::ExitStatus;
pub use stdio::Stdio;
pub use task::Task;
pub use tree::Tree;
pub use usage::Usage;
