//! How a process is started: with a function and its arguments, or with a task.

use crate::args::Args;
use crate::call::{self, Call};
use crate::error::SpawnError;
use crate::process::Process;
use crate::start::{self, Plan, StartMethod};
use crate::task::{Task, short_name};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Starts a process that calls `f` with `args`, and returns its handle.
///
/// The arguments come first, as their types are what makes the function's type known: closure
/// parameters need no annotation. `f` is a function or a closure that captures nothing; what it is
/// to know goes through the arguments, which serde encodes. Handles of this family (locks, queues,
/// pipes) may be among them, at any depth.
///
/// Never waits for the new process, whatever the size of the arguments. The new process is ended
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
    /// daemon may start no processes. Daemon or not, a process is killed when its parent is.
    pub fn daemon(mut self, daemon: bool) -> Self {
        self.plan.daemon = daemon;
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

    /// Chooses how the process is made.
    pub fn method(mut self, method: StartMethod) -> Self {
        self.plan.method = method;
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

    fn begin<A, R>(&self, kind: &str, args: &A, f: A::Fn<R>) -> Result<Process<R>, SpawnError>
    where
        A: Args,
        R: Serialize + DeserializeOwned + 'static,
    {
        start::check_place()?;
        let call = Call::apply::<A, R>(f)?;
        let args = call::encode(args).map_err(|error| SpawnError::Encode(error.to_string()))?;
        start::start(&self.plan, kind, call, args).map(Process::new)
    }
}
