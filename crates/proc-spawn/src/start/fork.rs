//! `fork`: a process that begins as a copy of this one, in the middle of its function.
#![allow(unsafe_code, reason = "fork")]

use crate::boot;
use crate::builder::Builder;
use crate::call::{self, Encoded, Fault};
use crate::child::{self, UNSENT};
use crate::descriptor::above_standard;
use crate::error::{Error, SpawnError};
use crate::exit;
use crate::image::Image;
use crate::panics;
use crate::process::Process;
use crate::registry;
use crate::settings::Environment;
use crate::start::{self, Plan, Prepared, server, spawn};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::Pid;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::{CString, c_char};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// How long the kernel may count a thread that has been joined.
const COUNTED_STILL: Duration = Duration::from_millis(20);

/// Starts a process that is a copy of this one and calls `f`, which may capture what it likes.
///
/// Nothing is encoded but the result: `f` and all that it refers to are there, in a copy that is made as it is
/// written to. That takes the longer the more memory this process has. The copy never returns from here: it calls
/// `f`, sends the result and ends, without exit handlers or destructors of what this process had on its
/// stack; what `f` has captured by value is dropped here, too, when this returns. Its children, its tie to this
/// process and its name are as with [`spawn`](crate::spawn()); its descriptors are all that this process has open.
///
/// # Errors
///
/// [`SpawnError::Threads`] when this process has other threads, as all tests have; otherwise as
/// [`spawn`](crate::spawn()).
///
/// # Safety
///
/// Memory that is shared with the new process (a mapping, not what this family of crates makes of one) must not be
/// borrowed as `&mut` across the call, and no data may be used in it that is bound to this process: a GPU's context, a
/// connection on which both would speak.
///
/// ```
/// use proc_spawn::{SpawnError, fork};
///
/// let table: Vec<u64> = (0..1000).collect();
/// // SAFETY: nothing here is shared or bound to this process.
/// match unsafe { fork(|| table.iter().sum::<u64>()) } {
///     Ok(process) => assert_eq!(process.join()?, 499_500),
///     Err(SpawnError::Threads) => println!("not here: this process has threads"),
///     Err(error) => return Err(error.into()),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub unsafe fn fork<R, F>(f: F) -> Result<Process<R>, SpawnError>
where
    F: FnOnce() -> R,
    R: Serialize + DeserializeOwned,
{
    // SAFETY: the caller's.
    unsafe { Builder::new().fork(f) }
}

/// Forks as [`fork`](fork()) does, also when this process has other threads.
///
/// The copy has the calling thread alone; whatever the others held stays held in it for ever. Memory allocation,
/// `println!`, handles of this family of crates and quiet panics are known to work with glibc. Known to hang: a mutex
/// that another thread held, changes of the environment, `dlopen`, looking up a host, a panic with a backtrace, a pool
/// of threads.
///
/// Waits while another thread has locked standard output or standard error (`stdout().lock()`), so that the copy has
/// them free: for ever, if that keeps its lock, or has that of standard error and then wants the other.
///
/// # Errors
///
/// As [`fork`](fork()), without `Threads`.
///
/// # Safety
///
/// As [`fork`](fork()); and `f` must use nothing that another thread may have been in the middle of.
pub unsafe fn fork_with_threads<R, F>(f: F) -> Result<Process<R>, SpawnError>
where
    F: FnOnce() -> R,
    R: Serialize + DeserializeOwned,
{
    // SAFETY: the caller's.
    unsafe { Builder::new().fork_with_threads(f) }
}

/// Says whether this process has one thread, or is about to.
pub(crate) fn check_threads() -> Result<(), SpawnError> {
    let begin = Instant::now();
    while !boot::is_only_thread() {
        if begin.elapsed() > COUNTED_STILL {
            return Err(SpawnError::Threads);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Forks.
///
/// # Safety
///
/// As [`fork_with_threads`].
pub(crate) unsafe fn start<R, F>(plan: &Plan, f: F) -> Result<Process<R>, SpawnError>
where
    F: FnOnce() -> R,
    R: Serialize + DeserializeOwned,
{
    start::check_parent()?;
    registry::reap_forgotten();
    let mut prepared = Prepared::new(plan, "Process", None)?;
    // All that the copy could find half made by a thread that it does not have is made now.
    let environment = Variables::changed(&std::mem::take(&mut prepared.settings.environment));
    panics::install();
    let (_, _) = (call::key(), Image::of_program());
    let failed = |error: io::Error| {
        let object = format!("process '{}'", prepared.identity.name);
        SpawnError::Io(Error::new("fork", object, error))
    };
    let null = open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty());
    let null = null.map_err(|error| failed(error.into()))?;
    let null = above_standard(null).map_err(failed)?;
    exit::register();
    // A start that takes long, as the first of a fork server may, is waited for before others are kept from printing.
    drop(start::alone());
    // What is buffered is this process's to write. Then all locks that the copy needs, so that it has them free; those
    // of the streams first, as a thread may start processes while it has them.
    let mut stdout = io::stdout().lock();
    let _ = stdout.flush();
    let stderr = io::stderr().lock();
    let forking = start::alone();
    let (children, server) = (registry::hold(), server::hold());
    // Whatever fails from here on gives the locks back.
    let (ours, theirs) = start::control_pair().map_err(failed)?;
    // SAFETY: a null pointer means all streams of the C library.
    unsafe { libc::fflush(std::ptr::null_mut()) };
    // SAFETY: the caller's. All that the copy does before `f` is in order with other threads gone: the C library
    // keeps its allocator in order, and the locks above are held by this very thread.
    let pid = unsafe { libc::fork() };
    if pid == 0 {
        drop((stdout, stderr, forking, ours));
        server.disown(null.as_fd());
        children.disown(null.as_fd());
        drop(null);
        // Nothing may unwind into the frames of a function that belongs to the parent.
        let code = catch_unwind(AssertUnwindSafe(|| run(prepared, environment, theirs, f)));
        boot::leave(code.unwrap_or(UNSENT));
    }
    let error = io::Error::last_os_error();
    drop((stdout, stderr, children, server, theirs));
    if pid < 0 {
        return Err(failed(error));
    }
    let Some(pid) = Pid::from_raw(pid) else { return Err(failed(error)) };
    let (pid, pidfd) = spawn::look_after(pid).map_err(failed)?;
    let answer = prepared.answer;
    let (child, ends) = prepared.into_child(pid, pidfd, ours, None);
    let child = registry::add(child);
    drop(forking);
    start::settle(child, answer).map(|child| Process::new(child, ends))
}

/// An environment that was made before a fork.
///
/// In the copy, another thread's call may hold the lock of the standard library or of the C library for ever: there it
/// is only put in its place.
struct Variables {
    strings: Vec<CString>,
    pointers: Vec<*mut c_char>,
}

impl Variables {
    /// Makes the environment of this process with these changes; `None` without changes.
    fn changed(changes: &Environment) -> Option<Self> {
        if changes.is_unchanged() {
            return None;
        }
        let strings: Vec<_> = changes.strings(std::env::vars_os()).collect();
        let pointers = spawn::pointers(&strings);
        Some(Self { strings, pointers })
    }

    /// Makes it that of this process, for good.
    fn put_in_place(self) {
        std::mem::forget(self.strings);
        // SAFETY: there is one thread. The strings and the array, which ends with a null, are never freed.
        unsafe { environ = self.pointers.leak().as_mut_ptr() };
    }
}

unsafe extern "C" {
    static mut environ: *mut *mut c_char;
}

/// The life of the copy; returns its exit code.
fn run<R, F>(prepared: Prepared, environment: Option<Variables>, control: OwnedFd, f: F) -> i32
where
    F: FnOnce() -> R,
    R: Serialize,
{
    start::forget_count();
    if let Some(environment) = environment {
        environment.put_in_place();
    }
    if let Some(parent) = child::this() {
        parent.retire();
    }
    let Prepared { identity, settings, own, ends, answer, .. } = prepared;
    drop(ends);
    let this = boot::settle(identity, control, &settings, &own, answer);
    drop(own);
    // As in every started process: the thread that forked may have blocked some.
    boot::unblock_signals();
    let outcome: Result<Encoded, Fault> = call::catch(|| {
        let result = f();
        call::encode(&result).map_err(Fault::unencodable)
    })
    .unwrap_or_else(|panic| Err(Fault::Panicked(panic)));
    let code = this.conclude(&outcome);
    let _ = io::stdout().flush();
    // SAFETY: a null pointer means all streams of the C library.
    unsafe { libc::fflush(std::ptr::null_mut()) };
    exit::look_after_children();
    code
}
