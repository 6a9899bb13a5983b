//! The ways to make a process, and which of them is taken.

use std::sync::atomic::{AtomicBool, Ordering};

/// How a new process is made.
///
/// | | what a start and a join cost | in a process of 1 GiB | what is run | needs |
/// |---|---|---|---|---|
/// | [`Spawn`](Self::Spawn) | about a millisecond | the same | `fn`, closures without captures | nothing |
/// | [`ForkServer`](Self::ForkServer) | a quarter of that | the same | the same | see there |
/// | [`fork`](crate::fork()) | less still | tens of milliseconds | any `FnOnce` | a process with one thread |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartMethod {
    /// Executes the program again; a constructor catches the new process before `main`.
    ///
    /// The new process shares nothing with this one but what it is sent: no memory, no locks held
    /// by other threads, no descriptors beside standard output and standard error.
    #[default]
    Spawn,
    /// Has the new process copied from a small server, which was executed once and waits in that constructor.
    ///
    /// Faster, and no memory or lock of this process gets into it: the server never has a second thread. The new
    /// process is a child of this one like any other, and outlives a server that is killed; the next start begins
    /// another. What [`forkserver::preload`](crate::forkserver::preload()) made is in its memory.
    ///
    /// What it has of this process:
    ///
    /// - As it is at each start: working directory, standard output and standard error, the CPUs of the thread that
    ///   starts it.
    /// - Also as it is, but a change of it costs the next start a new server (three times what a copy costs, and the
    ///   preloads once more): the environment, and what the starting thread may do, that is users, groups,
    ///   capabilities, `no_new_privs`, filters of system calls, namespaces (user, mount, network, PID) and the root
    ///   directory. For a variable that differs from process to process there is [`Builder::env`](crate::Builder::env),
    ///   which costs nothing.
    /// - As it was when the server was started, in the thread that did it: resource limits, signal dispositions,
    ///   umask, niceness and scheduling, session and process group, control group, other namespaces, and what the
    ///   kernel tells nobody: Landlock rules, labels of a security module. Who changes one of these calls
    ///   [`forkserver::stop`](crate::forkserver::stop()) afterwards.
    ///
    /// A start waits for the server, and those of other threads with it: the first one until that has started and
    /// has called the preloads, any while the server is stopped (SIGSTOP).
    ///
    /// Where the kernel or the C library does not allow it (musl, some filters of system calls) the process is
    /// spawned instead, and calls the preloads itself; [`Process::method`](crate::Process::method) tells.
    ForkServer,
}

/// Whether the fork server is the default. One flag of this process: no ordering.
static SERVER: AtomicBool = AtomicBool::new(false);

/// Sets how processes are made that are started without a word about it, from now on, in this process.
///
/// ```
/// use proc_spawn::{StartMethod, set_start_method, spawn};
///
/// set_start_method(StartMethod::ForkServer);
/// assert_eq!(spawn((20, 22), |a: i32, b: i32| a + b)?.join()?, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn set_start_method(method: StartMethod) {
    SERVER.store(method == StartMethod::ForkServer, Ordering::Relaxed);
}

/// Returns how processes are made that are started without a word about it.
#[must_use]
#[doc(alias = "get_start_method")]
pub fn start_method() -> StartMethod {
    if SERVER.load(Ordering::Relaxed) { StartMethod::ForkServer } else { StartMethod::Spawn }
}
