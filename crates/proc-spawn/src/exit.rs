//! What becomes of the children when this process exits in an orderly way.
//!
//! Runs when `main` returns or panics, and on `std::process::exit` from any thread. When the
//! process dies in another way nothing of it runs; then the tie ends the children.
#![allow(unsafe_code, reason = "registers a function with the C library")]

use crate::child::{self, This};
use crate::registry::{self, Child, wait_for};
use crate::start::server;
use crate::tree;
use multiproc_core::deadline::Deadline;
use rustix::event::{PollFd, PollFlags};
use rustix::process::Signal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};
use std::time::Duration;

/// How long a daemon may take to follow SIGTERM before it is killed.
const GRACE: Duration = Duration::from_secs(2);

/// Registers the hook, the first time.
pub(crate) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the function takes nothing and does not unwind. If it cannot be registered (no
        // memory), the children end with us, by the tie.
        unsafe { libc::atexit(at_exit) };
    });
}

/// Ends the daemons, then waits for the others.
///
/// No thread-local with a destructor may be used in here: those of the exiting thread are gone.
extern "C" fn at_exit() {
    look_after_children();
}

/// Whether an exit ends all that hangs below this process. Set before user code runs: no ordering.
static WITH_TREE: AtomicBool = AtomicBool::new(false);

/// Says whether an orderly exit of this process ends all that it has started.
pub(crate) fn take_tree_along(with_tree: bool) {
    if with_tree {
        register();
    }
    WITH_TREE.store(with_tree, Ordering::Relaxed);
}

/// Whether the exit of this process has begun. Relaxed: set before the lock of the list of children is taken to look
/// at it, and read after that to enter one, so one of the two sees the other.
static BEGUN: AtomicBool = AtomicBool::new(false);

/// Says whether nobody would look after a process that is started now.
pub(crate) fn has_begun() -> bool {
    BEGUN.load(Ordering::Relaxed)
}

/// As [`at_exit`], for a process that leaves without exit handlers.
pub(crate) fn look_after_children() {
    BEGUN.store(true, Ordering::Relaxed);
    let grace = Deadline::after(GRACE);
    let mut told = false;
    for daemon in attached().iter().filter(|child| child.is_daemon()) {
        daemon.dismiss();
    }
    // In a child whose parent dies meanwhile, nobody is interested in our children any more.
    let parent = child::this().filter(|this| this.is_tied());
    loop {
        let children = attached();
        let daemons = children.iter().any(|child| child.is_daemon());
        if children.is_empty() {
            server::end();
            if WITH_TREE.load(Ordering::Relaxed) {
                tree::kill_below(std::process::id());
            }
            return;
        }
        // Asked once: a daemon that is not killed below must not be waited for without end.
        let late = grace.has_passed();
        if daemons && late {
            // Also those that another thread started in the meantime.
            for daemon in children.iter().filter(|child| child.is_daemon()) {
                let _ = daemon.signal("kill", Signal::KILL);
            }
        }
        let mut fds: Vec<_> = children
            .iter()
            .map(|child| PollFd::from_borrowed_fd(child.pidfd(), PollFlags::IN))
            .collect();
        if let Some(parent) = parent {
            // Only the hang-up, which is always reported.
            fds.push(PollFd::from_borrowed_fd(parent.control(), PollFlags::empty()));
        }
        if late && !told {
            told = true;
            tell(&children);
        }
        let _ = wait_for(&mut fds, if late { Deadline::NEVER } else { grace });
        if parent.is_some_and(|parent| !This::parent_is_alive(parent)) {
            // Not by `exit`, in which we are: as the tie would have done a moment earlier.
            let _ = rustix::process::kill_process(rustix::process::getpid(), Signal::KILL);
        }
    }
}

/// Says on standard error what an exit waits for: nobody else would find out why a program does not end.
fn tell(children: &[Arc<Child>]) {
    // Daemons have just been killed.
    let lasting = children.iter().filter(|child| !child.is_daemon());
    let names: Vec<_> =
        lasting.map(|child| format!("'{}' ({})", child.name(), child.pid())).collect();
    if names.is_empty() {
        return;
    }
    let line = format!(
        "process {} has ended, and waits for its children that are no daemons: {}\n",
        std::process::id(),
        names.join(", ")
    );
    // Not through std's handle, whose lock may be held for ever by a thread that is no more.
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}

fn attached() -> Vec<Arc<Child>> {
    let mut children = registry::living();
    children.retain(|child| !child.is_detached());
    children
}
