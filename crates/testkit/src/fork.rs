//! A fork of the test process that runs one closure.

#![allow(unsafe_code, reason = "fork(2), signal dispositions and _exit(2)")]

use crate::child::Child;
use crate::pidfd::Pidfd;
use crate::procfs::has_ended;
use crate::raw_stderr::say;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};
use nix::unistd::{ForkResult, Pid, alarm, getpid, getppid, gettid};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// No child lives longer than this many seconds, whatever becomes of its test.
const LIFETIME: u32 = 120;

/// What a panic in a child exits with: what std's main thread uses, too.
const PANICKED: i32 = 101;

/// Set in the child before anything of its body runs; never set in the test process.
static IN_CHILD: AtomicBool = AtomicBool::new(false);

/// Forks this test process; the child runs `body` and exits, with code 0, or 101 after a panic.
///
/// The child is one thread with the memory of the moment, shared mappings and descriptors. It goes
/// through libc's `fork`, so malloc is usable and `pthread_atfork` hooks have run. Locks that other
/// threads held stay locked for ever: the body keeps away from `println!` and std's other globals. It
/// never runs destructors of the test's values (except what `body` owns) nor exit handlers.
///
/// The child starts with an empty signal mask and default actions for the signals that tests send,
/// dumps no core, is killed by the kernel when the *thread* that called this ends, and by an alarm
/// after 120 seconds. A panic is written to descriptor 2, past libtest's capture.
///
/// # Panics
///
/// When the system has no process or no descriptor left.
///
/// # Examples
///
/// ```
/// use testkit::{Outcome, fork};
///
/// let child = fork(|| assert_eq!(6 * 7, 42));
/// assert_eq!(child.wait(), Outcome::Exited(0));
///
/// let child = fork(|| loop { std::thread::park() });
/// child.kill();
/// assert_eq!(child.wait(), Outcome::Signaled(9));
/// ```
#[track_caller]
pub fn fork(body: impl FnOnce()) -> Child {
    install_panic_hook();
    let forked_at = Location::caller();
    let parent = Parent { process: getpid(), thread: gettid() };
    // SAFETY: the child must not rely on locks that other threads held: `run` takes none of std's,
    // and libc makes its own (malloc's) usable again. What `body` does is on its documented head.
    match unsafe { nix::unistd::fork() } {
        Ok(ForkResult::Child) => run(body, parent),
        Ok(ForkResult::Parent { child }) => match Pidfd::open(child.as_raw()) {
            Ok(pidfd) => Child::new(child.as_raw(), pidfd, forked_at),
            Err(error) => {
                // Not reaped yet, so the pid is still the child's own.
                let _ = nix::sys::signal::kill(child, Signal::SIGKILL);
                let _ = nix::sys::wait::waitpid(child, None);
                panic!("failed to open a pidfd for a forked child: {error}");
            }
        },
        Err(error) => panic!("failed to fork the test process: {error}"),
    }
}

/// Who forked the child.
#[derive(Clone, Copy)]
struct Parent {
    process: Pid,
    thread: Pid,
}

impl Parent {
    /// Says, in the child, whether the thread is still there that its death is bound to. The kernel
    /// still knows a thread for a while after it has notified its children: signal 0 to the thread
    /// would not do.
    fn is_alive(self) -> bool {
        getppid() == self.process && !has_ended(self.process.as_raw(), self.thread.as_raw())
    }
}

/// The child's life.
fn run(body: impl FnOnce(), parent: Parent) -> ! {
    IN_CHILD.store(true, Ordering::Relaxed);
    let code = match prepare(parent) {
        Ok(()) => match catch_unwind(AssertUnwindSafe(body)) {
            Ok(()) => 0,
            Err(payload) => {
                // Its destructor could panic again.
                std::mem::forget(payload);
                PANICKED
            }
        },
        Err(error) => {
            say(&format!("failed to prepare a forked child: {error}\n"));
            PANICKED
        }
    };
    // SAFETY: _exit ends the process at once, and runs nothing of ours.
    unsafe { libc::_exit(code) }
}

fn prepare(parent: Parent) -> nix::Result<()> {
    for which in [
        Signal::SIGALRM,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGCHLD,
    ] {
        // SAFETY: the default action is no handler, so no code of ours runs in signal context.
        unsafe { signal(which, SigHandler::SigDfl) }?;
    }
    SigSet::empty().thread_set_mask()?;
    alarm::set(LIFETIME);
    set_pdeathsig(Signal::SIGKILL)?;
    // The parent may have ended before the line above: nobody would send the signal then.
    if !parent.is_alive() {
        raise(Signal::SIGKILL)?;
    }
    let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
    setrlimit(Resource::RLIMIT_CORE, 0, hard)
}

/// Makes panics of forked children go to descriptor 2 by a plain write: the hook that is there
/// takes the lock of std's stderr or of libtest's capture, and another thread may hold it.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    // Changing the hook while this thread unwinds would abort the process.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if IN_CHILD.load(Ordering::Relaxed) {
                say(&format!("forked child {} {info}\n", getpid()));
            } else {
                previous(info);
            }
        }));
    });
}
