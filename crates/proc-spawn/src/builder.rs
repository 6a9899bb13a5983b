//! How a process is started: with a function and its arguments, with a task, or by a fork.
#![allow(unsafe_code, reason = "passes on what fork asks of its callers")]

use crate::args::Args;
use crate::call::{self, Call};
use crate::error::SpawnError;
use crate::process::Process;
use crate::start::{self, Plan, StartMethod, fork};
use crate::stdio::Stdio;
use crate::task::{Task, short_name};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Starts a process that calls `f` with `args`, and returns its handle.
///
/// The arguments come first, as their types are what makes the function's type known: closure
/// parameters need no annotation. `f` is a function or a closure that captures nothing; what it is
/// to know goes through the arguments, which serde encodes. Handles of this family (locks, queues,
/// pipes) may be among them, at any depth.
///
/// Never waits for the new process, whatever the size of the arguments; by the
/// [fork server](StartMethod::ForkServer) the first start waits for that, and for what it preloads. The new process is ended
/// when this one dies, and waited for when this one exits; see [`Builder`] for other wishes.
///
/// # Errors
///
/// [`SpawnError`]; no process is left behind then.
///
/// ```
/// use proc_spawn::spawn;
///
/// fn area(width: f64, height: f64) -> f64 {
///     width * height
/// }
///
/// let named = spawn((2.0, 3.5), area)?;
/// let closure = spawn((vec![1u64, 2, 3],), |numbers| numbers.iter().sum::<u64>())?;
/// assert_eq!(named.join()?, 7.0);
/// assert_eq!(closure.join()?, 6);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[doc(alias = "Process")]
#[doc(alias = "fork")]
pub fn spawn<A, R>(args: A, f: A::Fn<R>) -> Result<Process<R>, SpawnError>
where
    A: Args,
    R: Serialize + DeserializeOwned + 'static,
{
    Builder::new().spawn(args, f)
}

/// Starts a process that runs `task`, and returns its handle.
///
/// As [`spawn`](crate::spawn()) otherwise. The example is at [`Task`].
///
/// # Errors
///
/// [`SpawnError`]; no process is left behind then.
pub fn start<T: Task>(task: T) -> Result<Process<T::Output>, SpawnError> {
    Builder::new().start(task)
}

/// Wishes for a process that is to be started.
///
/// Limits, niceness, CPUs and working directory hold before its function is called. When the kernel refuses one of
/// them, the start fails with [`SpawnError::Setting`]; so a start with such wishes waits for the new process's word,
/// which takes about a millisecond.
///
/// ```
/// use proc_spawn::{Builder, current_process};
///
/// let process = Builder::new()
///     .name("greeter")
///     .daemon(true)
///     .spawn(("Bob".to_string(),), |whom| format!("{} greets {whom}", current_process().name()))?;
/// assert_eq!(process.join()?, "greeter greets Bob");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder starts nothing until `spawn` or `start` is called"]
pub struct Builder {
    plan: Plan,
}

impl Builder {
    /// Makes a builder for a process with a default name, waited for at exit.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the process: in its panic messages, in errors, in
    /// [`current_process`](crate::current_process()).
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.plan.name = Some(name.into());
        self
    }

    /// Makes it a daemon: a process that is ended when this one exits, instead of waited for.
    ///
    /// At exit daemons are sent SIGTERM, and SIGKILL if they are there after two more seconds. A
    /// daemon may start no processes, unless [it may](Builder::may_have_children). Daemon or not, a process is killed when its parent is.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.plan.daemon = daemon;
        self
    }

    /// Says whether it may start processes although it is a daemon.
    ///
    /// Python forbids that, as a daemon that is terminated leaves its children alone; here they are killed with it.
    /// An exit of its own accord waits for children that are no daemons, as everybody's does.
    pub fn may_have_children(mut self, may: bool) -> Self {
        self.plan.fertile = may;
        self
    }

    /// Lets it live on, whatever becomes of this process.
    ///
    /// It is then neither ended nor waited for at exit, daemon or not, and is not killed with its
    /// parent. While this process runs it can be joined as any other. Starting it takes longer, as
    /// the start waits until the new process can do without this one.
    #[doc(alias = "detach")]
    pub fn detached(mut self, detached: bool) -> Self {
        self.plan.detached = detached;
        self
    }

    /// Says whether the process is killed when this one dies, which is the default.
    ///
    /// One that is not lives on when this one is killed; at an orderly exit of this one it is still waited for, or
    /// ended if it is a daemon. Starting it takes longer, as with [`detached`](Builder::detached).
    pub fn die_with_parent(mut self, die: bool) -> Self {
        self.plan.untied = !die;
        self
    }

    /// Says whether all that it starts ends with it: also programs that it executes, which no tie reaches.
    ///
    /// By a control group where this process may make one, otherwise in a weaker way; [`Process::tree`] says which,
    /// and [`Tree`](crate::Tree) what that means. When this process is killed itself, programs that its children have
    /// executed live on.
    ///
    /// ```
    /// use proc_spawn::Builder;
    /// use std::process::Command;
    ///
    /// let process = Builder::new().kill_tree(true).spawn((), || {
    ///     Command::new("sleep").arg("600").status().expect("there is a sleep").success()
    /// })?;
    /// process.kill()?; // and `sleep` with it
    /// println!("by {:?}", process.tree());
    /// # let _ = process.wait();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "cgroup")]
    pub fn kill_tree(mut self, kill: bool) -> Self {
        self.plan.tree = kill;
        self
    }

    /// Makes it the leader of a new session: without a terminal, and not reached by its Ctrl-C.
    pub fn setsid(mut self, setsid: bool) -> Self {
        self.plan.settings.session = setsid;
        self
    }

    /// Sets a variable of its environment. It inherits the others.
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.plan.environment.change(name.into(), Some(value.into()));
        self
    }

    /// Takes a variable out of its environment.
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.plan.environment.change(name.into(), None);
        self
    }

    /// Takes all variables out of its environment, those included that were set here before.
    pub fn env_clear(mut self) -> Self {
        self.plan.environment.clear();
        self
    }

    /// Sets its working directory; a relative one is seen from that of this process.
    #[doc(alias = "cwd")]
    pub fn current_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.plan.settings.directory = Some(directory.into().into_os_string());
        self
    }

    /// Sets where its standard input comes from: by default `/dev/null`, as in Python.
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.plan.streams.0[0] = stdin.into();
        self
    }

    /// Sets where its standard output goes: by default where that of this process goes.
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Self {
        self.plan.streams.0[1] = stdout.into();
        self
    }

    /// Sets where its standard error goes: by default where that of this process goes.
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.plan.streams.0[2] = stderr.into();
        self
    }

    /// Limits its address space, in bytes, program and libraries included.
    ///
    /// An allocation beyond it fails, in Rust mostly with an abort, which [`join`](Process::join) tells as
    /// [`OutOfMemory`](crate::JoinError::OutOfMemory). Each process that it starts itself may have as much again.
    #[doc(alias = "RLIMIT_AS")]
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.plan.settings.limits.memory = Some(bytes);
        self
    }

    /// Limits its CPU time, that of all its threads together.
    ///
    /// It is then ended with SIGXCPU, and if it ignores that, within two more seconds of CPU time with SIGKILL.
    /// [`join`](Process::join) says [`TimedOut`](crate::JoinError::TimedOut).
    #[doc(alias = "RLIMIT_CPU")]
    pub fn cpu_time(mut self, time: Duration) -> Self {
        self.plan.settings.limits.cpu = Some(time);
        self
    }

    /// Limits how long it may run, from when its function is called.
    ///
    /// It is then ended with SIGVTALRM, and if it ignores that, a second later with SIGKILL; by the kernel, whatever
    /// becomes of this process. [`join`](Process::join) says [`TimedOut`](crate::JoinError::TimedOut).
    #[doc(alias = "timeout")]
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.plan.settings.limits.time = Some(time);
        self
    }

    /// Limits the number of its descriptors.
    ///
    /// The kernel counts with them those that its user, unless that is root, has on their way in messages that nobody has
    /// received, of all processes. A result with handles, or of more than about 100 kB, cannot be sent beyond that: it
    /// is then lost, after two seconds, and [`join`](Process::join) says [`Decode`](crate::JoinError::Decode).
    #[doc(alias = "RLIMIT_NOFILE")]
    pub fn open_files(mut self, count: u64) -> Self {
        self.plan.settings.limits.files = Some(count);
        self
    }

    /// Limits the length to which it may write a file, in bytes; a write beyond it ends it with SIGXFSZ.
    ///
    /// Memory that is shared counts as a file: [captured](crate::Captured) output in all its length, a lock or a queue
    /// that it makes, and a result of more than 96 KiB, which then is a [`Decode`](crate::JoinError::Decode) error.
    #[doc(alias = "RLIMIT_FSIZE")]
    pub fn file_size_bytes(mut self, bytes: u64) -> Self {
        self.plan.settings.limits.file_size = Some(bytes);
        self
    }

    /// Limits the length of its core dump, in bytes; 0 for none.
    #[doc(alias = "RLIMIT_CORE")]
    pub fn core_size_bytes(mut self, bytes: u64) -> Self {
        self.plan.settings.limits.core = Some(bytes);
        self
    }

    /// Sets its niceness, from -20 (goes first, needs rights) to 19 (stands back).
    pub fn nice(mut self, nice: i32) -> Self {
        self.plan.settings.nice = Some(nice);
        self
    }

    /// Chooses the CPUs that it may use, by their numbers.
    #[doc(alias = "sched_setaffinity")]
    pub fn affinity(mut self, cpus: impl IntoIterator<Item = u32>) -> Self {
        self.plan.settings.cpus = Some(cpus.into_iter().collect());
        self
    }

    /// Chooses how the process is made; without it, as [`set_start_method`](crate::set_start_method()) says.
    pub fn method(mut self, method: StartMethod) -> Self {
        self.plan.method = Some(method);
        self
    }

    /// Starts a process that calls `f` with `args`; see [`spawn`](crate::spawn()).
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; no process is left behind then.
    pub fn spawn<A, R>(&self, args: A, f: A::Fn<R>) -> Result<Process<R>, SpawnError>
    where
        A: Args,
        R: Serialize + DeserializeOwned + 'static,
    {
        self.begin::<A, R>("Process", &args, f)
    }

    /// Starts a process that runs `task`; see [`start`](crate::start()).
    ///
    /// # Errors
    ///
    /// [`SpawnError`]; no process is left behind then.
    pub fn start<T: Task>(&self, task: T) -> Result<Process<T::Output>, SpawnError> {
        self.begin::<(T,), T::Output>(short_name::<T>(), &(task,), T::run)
    }

    /// Starts a process that is a copy of this one and calls `f`; see [`fork`](crate::fork()).
    ///
    /// # Errors
    ///
    /// As [`fork`](crate::fork()).
    ///
    /// # Safety
    ///
    /// As [`fork`](crate::fork()).
    pub unsafe fn fork<R, F>(&self, f: F) -> Result<Process<R>, SpawnError>
    where
        F: FnOnce() -> R,
        R: Serialize + DeserializeOwned,
    {
        fork::check_threads()?;
        // SAFETY: the caller's, and there are no other threads.
        unsafe { fork::start(&self.plan, f) }
    }

    /// Forks also when this process has other threads; see [`fork_with_threads`](crate::fork_with_threads()).
    ///
    /// # Errors
    ///
    /// As [`fork_with_threads`](crate::fork_with_threads()).
    ///
    /// # Safety
    ///
    /// As [`fork_with_threads`](crate::fork_with_threads()).
    pub unsafe fn fork_with_threads<R, F>(&self, f: F) -> Result<Process<R>, SpawnError>
    where
        F: FnOnce() -> R,
        R: Serialize + DeserializeOwned,
    {
        // SAFETY: the caller's.
        unsafe { fork::start(&self.plan, f) }
    }

    fn begin<A, R>(&self, kind: &str, args: &A, f: A::Fn<R>) -> Result<Process<R>, SpawnError>
    where
        A: Args,
        R: Serialize + DeserializeOwned + 'static,
    {
        start::check_place()?;
        let call = Call::apply::<A, R>(f)?;
        let args = call::encode(args).map_err(|error| SpawnError::Encode(error.to_string()))?;
        let (child, ends) = start::start(&self.plan, kind, call, args)?;
        Ok(Process::new(child, ends))
    }
}
