//! Panics as values: what was said, where, on which thread.

use crate::child;
use serde::{Deserialize, Serialize};
use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::io::Write;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::sync::Once;

/// A panic that happened in another process, or was caught in this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PanicInfo {
    message: String,
    location: Option<Location>,
    thread: Option<String>,
    backtrace: Option<String>,
}

/// Where in the source a panic happened.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Location {
    file: String,
    line: u32,
    column: u32,
}

impl Location {
    /// Returns the file, as the compiler was given it.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Returns the line, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Returns the column, from 1.
    #[must_use]
    pub fn column(&self) -> u32 {
        self.column
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl PanicInfo {
    /// Returns the message; a payload that is no text is described.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the place; `None` when the panic was raised without the panic hook, or the process has set a hook of its
    /// own that does not call the one before.
    #[must_use]
    pub fn location(&self) -> Option<&Location> {
        self.location.as_ref()
    }

    /// Returns the thread's name; `None` on the thread that runs the process's function.
    #[must_use]
    pub fn thread(&self) -> Option<&str> {
        self.thread.as_deref()
    }

    /// Returns the backtrace, if `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asked for one.
    #[must_use]
    pub fn backtrace(&self) -> Option<&str> {
        self.backtrace.as_deref()
    }

    fn from_hook(info: &PanicHookInfo<'_>) -> Self {
        let backtrace = Backtrace::capture();
        Self {
            message: text(info.payload()),
            location: info.location().map(|at| Location {
                file: at.file().to_owned(),
                line: at.line(),
                column: at.column(),
            }),
            thread: std::thread::current().name().map(str::to_owned),
            backtrace: (backtrace.status() == BacktraceStatus::Captured)
                .then(|| backtrace.to_string()),
        }
    }
}

impl fmt::Display for PanicInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.location {
            Some(at) => write!(f, "{}, at {at}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "a panic whose payload is no text".to_owned()
    }
}

thread_local! {
    /// How many `catch`es are running on this thread.
    static CATCHING: Cell<u32> = const { Cell::new(0) };
    /// The panic that the hook saw last on this thread.
    static LAST: RefCell<Option<PanicInfo>> = const { RefCell::new(None) };
}

struct Catching;

impl Catching {
    fn enter() -> Self {
        CATCHING.set(CATCHING.get() + 1);
        Self
    }
}

impl Drop for Catching {
    fn drop(&mut self) {
        CATCHING.set(CATCHING.get() - 1);
    }
}

pub(crate) fn catch<R>(f: impl FnOnce() -> R) -> Result<R, PanicInfo> {
    install();
    let _catching = Catching::enter();
    panic::catch_unwind(AssertUnwindSafe(f)).map_err(|payload| {
        let message = text(&*payload);
        // The payload's own destructor may panic; nothing is left to tell then.
        let _ = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
        // The hook saw another panic if this one was raised without it (`resume_unwind`).
        LAST.take().filter(|last| last.message == message).unwrap_or(PanicInfo {
            message,
            location: None,
            thread: std::thread::current().name().map(str::to_owned),
            backtrace: None,
        })
    })
}

/// Puts our hook before the one that is there, once.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    // Hooks cannot be changed by a thread that is unwinding: a destructor may have called us.
    if std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| on_panic(info, &*previous)));
    });
}

fn on_panic(info: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    let catching = CATCHING.try_with(|catching| catching.get() > 0).unwrap_or(false);
    // Where panics abort, this is the last that anybody hears of the process.
    let last_words = cfg!(panic = "abort");
    let ours = child::this().is_some() && (catching || last_words);
    if !catching && !ours {
        return previous(info);
    }
    let panic = PanicInfo::from_hook(info);
    if ours {
        print(&panic);
        if last_words {
            child::report_before_abort(&panic);
        }
    } else {
        previous(info);
    }
    let _ = LAST.try_with(|last| last.replace(Some(panic)));
}

/// Writes the line that the default hook would write for a thread, for a process.
fn print(panic: &PanicInfo) {
    let Some(child) = child::this() else { return };
    let mut text = format!("process '{}' ({})", child.name(), std::process::id());
    if let Some(thread) = panic.thread() {
        text += &format!(", thread '{thread}',");
    }
    text += " panicked at ";
    if let Some(at) = panic.location() {
        text += &format!("{at}: ");
    }
    text += panic.message();
    text.push('\n');
    if let Some(backtrace) = panic.backtrace() {
        text += backtrace;
    }
    // One write, so that lines of several processes do not mix. Nobody to tell if it fails.
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_has_its_message_place_and_thread() {
        let line = line!() + 1;
        let panic = catch(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(panic.message(), "number 7");
        let at = panic.location().unwrap();
        assert_eq!((at.file(), at.line()), (file!(), line));
        assert_eq!(panic.thread(), std::thread::current().name());
        assert_eq!(panic.to_string(), format!("number 7, at {at}"));
    }

    #[test]
    fn the_place_of_an_earlier_panic_is_not_taken_for_that_of_a_later_one() {
        let panic = catch(|| {
            let _ = panic::catch_unwind(|| panic!("caught by the user"));
            panic::resume_unwind(Box::new("raised without the hook"));
        })
        .unwrap_err();
        assert_eq!(panic.message(), "raised without the hook");
        assert_eq!(panic.location(), None);
    }

    #[test]
    fn a_payload_that_is_no_text_is_described() {
        let panic = catch(|| panic::panic_any(7)).unwrap_err();
        assert!(panic.message().contains("no text"));
        assert!(panic.location().is_some());
    }
}
