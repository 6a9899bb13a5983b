//! Where a thread of the user's waits for the pool.

use std::cell::Cell;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::Thread;
use std::time::Instant;

use crate::shared::Shared;

/// A value that others change, and whose change can be waited for.
pub(crate) struct Mailbox<T> {
    value: Mutex<T>,
    changed: Condvar,
    /// The pool that changes it, if it is one: whoever waits takes part in its work.
    pool: OnceLock<Arc<Shared>>,
    /// Threads that wait, and take part.
    waiting: Mutex<Vec<Thread>>,
    process: u32,
}

impl<T> Mailbox<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            value: Mutex::new(value),
            changed: Condvar::new(),
            pool: OnceLock::new(),
            waiting: Mutex::new(Vec::new()),
            process: std::process::id(),
        }
    }

    /// Has whoever waits here take part in the work of that pool, which alone changes the value. Before
    /// anybody waits.
    pub(crate) fn changed_by(&self, pool: Option<Arc<Shared>>) {
        if let Some(pool) = pool {
            self.pool.get_or_init(|| pool);
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Thread>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the value, and wakes those who wait if `change` says so.
    pub(crate) fn change(&self, change: impl FnOnce(&mut T) -> bool) {
        let mut value = self.lock();
        let wake = change(&mut value);
        drop(value);
        if !wake {
            return;
        }
        match self.pool.get() {
            None => self.changed.notify_all(),
            Some(pool) => {
                // Whoever comes later sees the change: it enters itself here before it looks.
                self.waiting().iter().for_each(Thread::unpark);
                pool.pump.nudge();
            }
        }
    }

    /// Sees to it that the value changes without anybody waiting here.
    pub(crate) fn attend(&self) {
        if let Some(pool) = self.pool.get() {
            pool.pump.attend_now();
        }
    }

    /// Takes what is there to be taken of changes.
    pub(crate) fn look(&self) {
        // What is heard in a callback would wait for it to end.
        if is_in_callback() {
            return;
        }
        if let Some(pool) = self.pool.get().filter(|pool| !pool.is_a_copy()) {
            pool.sweep();
        }
    }

    /// Waits until `ready`, or until `end`; the caller looks which.
    ///
    /// Panics where it would wait for ever: in a callback, and in the child of a fork.
    pub(crate) fn wait(
        &self,
        ready: impl Fn(&T) -> bool,
        end: Option<Instant>,
    ) -> MutexGuard<'_, T> {
        let value = self.lock();
        if ready(&value) {
            return value;
        }
        refuse_in_callback();
        assert!(
            self.process == std::process::id(),
            "the task belongs to the process that was forked"
        );
        match self.pool.get() {
            None => self.wait_for_others(value, ready, end),
            Some(pool) => {
                drop(value);
                let _entry = Entry::new(self);
                pool.wait_until(&|| ready(&self.lock()), end);
                self.lock()
            }
        }
    }

    fn wait_for_others<'m>(
        &'m self,
        value: MutexGuard<'m, T>,
        ready: impl Fn(&T) -> bool,
        end: Option<Instant>,
    ) -> MutexGuard<'m, T> {
        let waits = |value: &mut T| !ready(value);
        match end {
            None => self.changed.wait_while(value, waits).unwrap_or_else(PoisonError::into_inner),
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                let waited = self.changed.wait_timeout_while(value, left, waits);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Mailbox<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("value", &self.value).finish_non_exhaustive()
    }
}

/// A thread's entry among those that wait.
struct Entry<'m, T>(&'m Mailbox<T>);

impl<'m, T> Entry<'m, T> {
    fn new(mailbox: &'m Mailbox<T>) -> Self {
        mailbox.waiting().push(std::thread::current());
        Self(mailbox)
    }
}

impl<T> Drop for Entry<'_, T> {
    fn drop(&mut self) {
        let me = std::thread::current().id();
        let mut waiting = self.0.waiting();
        if let Some(place) = waiting.iter().position(|thread| thread.id() == me) {
            waiting.swap_remove(place);
        }
    }
}

thread_local! {
    static IN_CALLBACK: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn is_in_callback() -> bool {
    IN_CALLBACK.get()
}

/// Panics where waiting for a task would wait for ever.
pub(crate) fn refuse_in_callback() {
    assert!(!is_in_callback(), "a callback waits for a task, whose answer waits for the callback");
}

/// Runs what tells an answer, and keeps the thread whatever that does.
pub(crate) fn in_callback(tell: impl FnOnce()) {
    let before = IN_CALLBACK.replace(true);
    std::mem::forget(catch_unwind(AssertUnwindSafe(tell)));
    IN_CALLBACK.set(before);
}
