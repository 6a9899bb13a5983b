//! The constructor that catches a started process before the program's `main`.
//!
//! A new process is the same program, executed again with one environment variable and a socket as
//! descriptor 0. The loader calls constructors before `main`; ours looks for the variable, which
//! costs an ordinary start of the program a scan of its environment, and nothing more. When it is
//! there, the constructor does not return: whatever goes wrong, `main` does not run. A program that
//! starts a process of itself there would otherwise never stop doing so.
#![allow(unsafe_code, reason = "runs before main, on the C runtime's own structures")]

mod abort;
mod apply;
mod c;
mod copy;
mod serve;
pub(crate) mod server;
mod stack;
#[cfg(test)]
mod tests;

pub(crate) use apply::Place;
pub(crate) use c::{is_privileged, leave, unblock_signals};
pub(crate) use copy::is_only_thread;
pub(crate) use serve::settle;

use std::ffi::{CStr, c_char, c_int};
use std::sync::atomic::{AtomicBool, Ordering};

/// The variable that makes a process ours. The version keeps two copies of this crate in one
/// program from taking each other's.
pub(crate) const VARIABLE: &CStr = {
    const NAME: &str = concat!(
        "__PROC_SPAWN_",
        env!("CARGO_PKG_VERSION_MAJOR"),
        "_",
        env!("CARGO_PKG_VERSION_MINOR"),
        "_",
        env!("CARGO_PKG_VERSION_PATCH"),
        "\0"
    );
    match CStr::from_bytes_with_nul(NAME.as_bytes()) {
        Ok(name) => name,
        Err(_) => panic!("the name ends with its only nul"),
    }
};

/// Its value: a version, and the descriptor of the socket.
pub(crate) const VALUE: &str = "1:0";
/// Its value when the C library could not close the parent's descriptors before the exec.
pub(crate) const VALUE_CLOSE: &str = "1:0:close";

type Constructor = extern "C" fn(c_int, *const *const c_char, *const *const c_char);

#[used]
#[unsafe(link_section = ".init_array")]
static CONSTRUCTOR: Constructor = constructor;

/// Whether a process of this program would be caught: set before `main`, read by every start.
static READY: AtomicBool = AtomicBool::new(false);

unsafe extern "C" {
    static environ: *const *const c_char;
}

// The bounds of the program's own constructors, null in a shared object. Weak, because a linker
// defines them in programs only; hidden, so that they are this object's own.
std::arch::global_asm!(
    ".pushsection .data.rel.ro.proc_spawn_bounds,\"aw\",@progbits",
    ".p2align 3",
    ".weak __init_array_start",
    ".hidden __init_array_start",
    ".weak __init_array_end",
    ".hidden __init_array_end",
    concat!(".globl proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_bounds"),
    concat!(".hidden proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_bounds"),
    concat!("proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_bounds:"),
    ".8byte __init_array_start",
    ".8byte __init_array_end",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = concat!("proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_bounds")]
    static BOUNDS: [*const Option<Constructor>; 2];
}

extern "C" fn constructor(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) {
    // Relaxed: written before there is a second thread.
    READY.store(true, Ordering::Relaxed);
    if let Some(value) = boot_value() {
        serve::begin(value, || run_later_constructors(argc, argv, envp));
    }
}

/// Catches a started process in programs in which the constructor does not run.
///
/// It is needed when [`spawn`](crate::spawn()) says [`NoBootHook`](crate::SpawnError::NoBootHook),
/// and then has to be the first thing that `main` does: in a started process it does not return,
/// and what is before it runs there too. Elsewhere it does nothing.
#[doc(alias = "freeze_support")]
pub fn init() {
    // Relaxed: whoever starts processes from another thread has started that thread after this.
    READY.store(true, Ordering::Relaxed);
    if let Some(value) = boot_value() {
        serve::begin(value, || ());
    }
}

/// Says whether a process of this program would be caught before `main`.
pub(crate) fn is_ready() -> bool {
    // Relaxed: see the stores.
    READY.load(Ordering::Relaxed)
}

/// Returns the value of our variable, without allocating.
fn boot_value() -> Option<&'static CStr> {
    // SAFETY: the C library set it before it called constructors, and no other thread changes it
    // now; `init` is documented to come first in `main`.
    let mut entry = unsafe { environ };
    if entry.is_null() {
        return None;
    }
    loop {
        // SAFETY: `environ` is an array that a null ends, and we have not passed it.
        let text = unsafe { *entry };
        if text.is_null() {
            return None;
        }
        // SAFETY: each element is a string that a nul ends.
        let text = unsafe { CStr::from_ptr(text) };
        if let Some(value) = text.to_bytes().strip_prefix(VARIABLE.to_bytes())
            && value.first() == Some(&b'=')
        {
            let skip = VARIABLE.to_bytes().len() + 1;
            return CStr::from_bytes_with_nul(&text.to_bytes_with_nul()[skip..]).ok();
        }
        // SAFETY: the element was not null, so there is a next one.
        entry = unsafe { entry.add(1) };
    }
}

/// Calls the program's constructors that come after ours, which will not return to their caller.
fn run_later_constructors(argc: c_int, argv: *const *const c_char, envp: *const *const c_char) {
    // SAFETY: two words that the linker filled; never written.
    let [mut at, end] = unsafe { BOUNDS };
    let mut behind_ours = false;
    while at < end {
        // SAFETY: inside the array of constructors, whose elements are pointers or null.
        let slot = unsafe { at.read() };
        // SAFETY: `at` is before the end.
        at = unsafe { at.add(1) };
        // Some linkers leave all-ones in a slot that is not to be called.
        let Some(later) = slot.filter(|slot| *slot as usize != usize::MAX) else { continue };
        if behind_ours {
            later(argc, argv, envp);
        }
        behind_ours |= later as usize == constructor as Constructor as usize;
    }
}
