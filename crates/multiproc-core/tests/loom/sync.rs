//! The library's atomic, in front of loom's: as large as it must be, known to loom by its address.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use loom::sync::atomic::AtomicU32 as Real;
use loom::sync::atomic::Ordering;
use loom::sync::atomic::Ordering::{Relaxed, SeqCst};

use crate::word::Word;

// Those of the run under way; loom runs its threads on one of the system's.
thread_local! {
    static WORDS: RefCell<HashMap<usize, Rc<Real>>> = RefCell::default();
    static RELAXED: Cell<bool> = const { Cell::new(false) };
}

/// For the test that must fail: all orderings are `Relaxed`.
pub(crate) fn relaxed(test: impl FnOnce()) {
    RELAXED.set(true);
    test();
}

fn ordering(order: Ordering) -> Ordering {
    if RELAXED.get() { Relaxed } else { order }
}

/// The word's first value. What becomes of it is loom's to know.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct AtomicU32(u32);

/// Forgets the words of the last run, and makes those of a free lock.
pub(crate) fn make(lock: &Word) {
    let at = core::ptr::from_ref(lock).addr();
    let made = [at, at + 4].map(|at| (at, Rc::new(Real::new(0))));
    WORDS.with_borrow_mut(|words| *words = HashMap::from(made));
}

impl AtomicU32 {
    pub(crate) const fn new(value: u32) -> Self {
        Self(value)
    }

    pub(crate) fn as_ptr(&self) -> *mut u32 {
        (&raw const self.0).cast_mut()
    }

    fn real(&self) -> Rc<Real> {
        WORDS.with_borrow(|words| Rc::clone(&words[&self.as_ptr().addr()]))
    }

    pub(crate) fn load(&self, order: Ordering) -> u32 {
        self.real().load(ordering(order))
    }

    pub(crate) fn store(&self, value: u32, order: Ordering) {
        self.real().store(value, ordering(order));
    }

    pub(crate) fn compare_exchange(
        &self,
        seen: u32,
        next: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.real().compare_exchange(seen, next, ordering(success), failure)
    }

    pub(crate) fn compare_exchange_weak(
        &self,
        seen: u32,
        next: u32,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u32, u32> {
        self.real().compare_exchange_weak(seen, next, ordering(success), failure)
    }

    pub(crate) fn fetch_or(&self, bits: u32, order: Ordering) -> u32 {
        self.real().fetch_or(bits, ordering(order))
    }

    pub(crate) fn fetch_and(&self, bits: u32, order: Ordering) -> u32 {
        self.real().fetch_and(bits, ordering(order))
    }

    pub(crate) fn add(&self, value: u32) {
        self.real().fetch_add(value, SeqCst);
    }
}
