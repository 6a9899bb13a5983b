//! Tells the parent when this process aborts because an allocation failed.
//!
//! The standard library aborts then, as it does for other reasons, and its hook for the case is unstable.
//! So a handler of SIGABRT looks who called: when `handle_alloc_error` is among the callers, or when
//! memory is limited and the kernel gives none any more, the parent is told so in one empty message.
#![allow(unsafe_code, reason = "signal handlers, and the unwinder that every Rust program has")]

use super::stack::set_action;
use crate::child;
use rustix::process::{Resource, getrlimit};
use std::alloc::{Layout, handle_alloc_error};
use std::ffi::{c_int, c_void};
use std::ptr;

/// So much must be there for a process that is not short of memory, when the compiler has inlined the
/// function that is looked for.
const LITTLE: usize = 1 << 20;
/// Callers are looked for no further up.
const MOST_FRAMES: u32 = 64;

unsafe extern "C" {
    fn _Unwind_Backtrace(
        step: extern "C" fn(*mut c_void, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
    fn _Unwind_FindEnclosingFunction(address: *mut c_void) -> *mut c_void;
}

/// Has the parent told of it.
pub(super) fn report_failed_allocation() {
    set_action(libc::SIGABRT, on_abort as *const () as usize);
}

extern "C" fn on_abort(signal: c_int, _info: *mut libc::siginfo_t, _context: *mut c_void) {
    if was_called_by_alloc_error() || is_short_of_memory() {
        child::report_failed_allocation();
    }
    set_action(signal, libc::SIG_DFL);
    // SAFETY: allowed in a handler. It arrives when the handler returns.
    unsafe { libc::raise(signal) };
}

/// Says whether the standard library gave up on an allocation.
fn was_called_by_alloc_error() -> bool {
    let mut search =
        Search { wanted: handle_alloc_error as fn(Layout) -> ! as usize, seen: 0, found: false };
    // SAFETY: the callback gets our search, which lives until the call returns. The unwinder allocates
    // nothing, and holds no lock here that the aborting thread could have.
    unsafe { _Unwind_Backtrace(look, (&raw mut search).cast()) };
    search.found
}

struct Search {
    wanted: usize,
    seen: u32,
    found: bool,
}

extern "C" fn look(context: *mut c_void, search: *mut c_void) -> c_int {
    // SAFETY: `was_called_by_alloc_error` passes its search, and nobody else uses it meanwhile.
    let search = unsafe { &mut *search.cast::<Search>() };
    // SAFETY: the unwinder passes its context.
    let after_call = unsafe { _Unwind_GetIP(context) };
    // SAFETY: it looks an address up, whatever it is.
    let function = unsafe {
        _Unwind_FindEnclosingFunction(ptr::without_provenance_mut(after_call.wrapping_sub(1)))
    };
    search.found |= function.addr() == search.wanted;
    search.seen += 1;
    // 5 is "end of stack" and stops the walk; 0 is "no reason".
    if search.found || search.seen == MOST_FRAMES { 5 } else { 0 }
}

/// Says whether memory is limited, and used up.
fn is_short_of_memory() -> bool {
    if getrlimit(Resource::As).current.is_none() {
        return false;
    }
    let (access, kind) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping anywhere touches nobody's memory.
    let memory = unsafe { libc::mmap(ptr::null_mut(), LITTLE, access, kind, -1, 0) };
    if memory == libc::MAP_FAILED {
        return true;
    }
    // SAFETY: just mapped, and not used.
    unsafe { libc::munmap(memory, LITTLE) };
    false
}
