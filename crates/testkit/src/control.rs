//! A control: something broken on purpose, which must be found.

use crate::explore::message;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    static IN_CONTROL: Cell<bool> = const { Cell::new(false) };
}

/// Runs an exploration of something broken, and panics unless it panics with `what` in its message.
///
/// It is explored at every instruction, whatever `KILL_STRIDE` says: a fault may lie open between two
/// instructions only, and a control that overlooks it proves nothing.
///
/// # Panics
///
/// When the exploration does not panic, or does with another message.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::Ordering::SeqCst;
/// use testkit::{Limits, SharedPage, assert_caught, kill_at_every_instruction};
///
/// let halves = |page: &SharedPage| {
///     page[0].store(1, SeqCst);
///     page[1].store(1, SeqCst);
/// };
/// let explore = || {
///     kill_at_every_instruction(Limits::default(), || SharedPage::new(2), halves, |page, _| {
///         assert_eq!(page[0].load(SeqCst), page[1].load(SeqCst), "a half-change");
///     })
/// };
/// assert_caught(explore, "a half-change");
/// ```
#[track_caller]
pub fn assert_caught<T>(explore: impl FnOnce() -> T, what: &str) {
    IN_CONTROL.set(true);
    let explored = catch_unwind(AssertUnwindSafe(explore));
    IN_CONTROL.set(false);
    let Err(payload) = explored else { panic!("it passes, and must be caught: {what}") };
    let text = message(&*payload).unwrap_or("a panic without a message");
    assert!(text.contains(what), "it is caught, but not for \"{what}\": {text}");
}

/// Says whether this thread explores a control.
pub(crate) fn in_control() -> bool {
    IN_CONTROL.get()
}
