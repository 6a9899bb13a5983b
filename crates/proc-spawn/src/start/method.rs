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
    /// Faster, and as safe, as the server never has a second thread. The new process is a child of this one like any
    /// other, and outlives a server that is killed; the next start begins another. It has the current environment,
    /// working directory, standard output and standard error of this process, but the resource limits, signal
    /// dispositions, umask and niceness that this one had when it first used the server. What
    /// [`forkserver::preload`](crate::forkserver::preload()) made is in its memory. The seeds of hash maps
    /// that were made there are the same in all of them.
    ///
    /// A server that is stopped (SIGSTOP) holds up starts until it is continued.
    ///
    /// Where the kernel or the C library does not allow it (musl, some filters of system calls) the process is
    /// spawned instead; [`Process::method`](crate::Process::method) tells.
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
