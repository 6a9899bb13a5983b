//! The mappings of this process, so that none is made twice.

#![allow(unsafe_code, reason = "registers handlers for fork")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::Segment;

/// The mappings by device and inode.
pub(super) type Known = BTreeMap<(u64, u64), Weak<Segment>>;

static KNOWN: Mutex<Known> = Mutex::new(BTreeMap::new());

thread_local! {
    // Held by the thread that forks, from before the fork until after it.
    static HELD: RefCell<Option<MutexGuard<'static, Known>>> = const { RefCell::new(None) };
}

/// Returns all mappings of this process.
///
/// Nobody forks while they are locked: the child would have the lock and not the thread that frees it.
pub(super) fn known() -> MutexGuard<'static, Known> {
    // No `Once`: a child that is forked while another thread is inside one waits for it for ever. To
    // be registered twice does no harm.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.load(Ordering::Relaxed) {
        // SAFETY: the handlers lock and unlock a mutex of this process, and touch a thread-local of
        // the forking thread, which is also the one that the child has.
        unsafe { libc::pthread_atfork(Some(hold), Some(let_go), Some(let_go)) };
        REGISTERED.store(true, Ordering::Relaxed);
    }
    lock()
}

fn lock() -> MutexGuard<'static, Known> {
    KNOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

extern "C" fn hold() {
    // A thread that is ending, and forks all the same, has no place for the guard.
    let _ = HELD.try_with(|held| {
        held.borrow_mut().get_or_insert_with(lock);
    });
}

extern "C" fn let_go() {
    let _ = HELD.try_with(RefCell::take);
}
