//! Both fences are real ones here, or, for the test that must fail, none.

use std::cell::Cell;

use loom::sync::atomic::Ordering::SeqCst;
use loom::sync::atomic::fence;

// Loom runs its threads on one of the system's.
thread_local! {
    static WITHOUT: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn without(test: impl FnOnce()) {
    WITHOUT.set(true);
    test();
}

pub(crate) fn light() {
    if !WITHOUT.get() {
        fence(SeqCst);
    }
}

pub(crate) fn heavy() -> bool {
    light();
    true
}
