//! A message instead of a bare SIGSEGV when a process's function overflows its stack.
//!
//! The standard library's handler is set up before `main`, so a started process does not have it.
#![allow(unsafe_code, reason = "signal handlers and their stack")]

use rustix::stdio::stderr;
use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

const SIGNALS: [c_int; 2] = [libc::SIGSEGV, libc::SIGBUS];
/// What the handler itself may need, beside the registers that the kernel saves there.
const HANDLER_STACK: usize = 16 * 1024;

/// How far from the stack pointer an access is still one to the stack: probes touch each page.
const NEAR: usize = 64 * 1024;

/// What is said, leaked. Relaxed would do: written while there is one thread.
static TEXT: AtomicPtr<String> = AtomicPtr::new(ptr::null_mut());

/// Prepares the calling thread, which must be the one that runs the process's function.
pub(super) fn report_overflow(name: &str) {
    // Made now, because nothing can be made in a handler.
    let pid = std::process::id();
    let text = format!("process '{name}' ({pid}) has overflowed its stack\n");
    TEXT.store(Box::leak(Box::new(text)), Ordering::Release);
    // Of a process that this one was copied from: its stack came along. Or the standard library's own.
    if SIGNALS.iter().any(|signal| !is_default(*signal)) {
        return;
    }
    // SAFETY: it reads a word that the kernel passed: how much room the registers take here.
    let registers = unsafe { libc::getauxval(libc::AT_MINSIGSTKSZ) };
    let size = HANDLER_STACK + usize::try_from(registers).unwrap_or(0);
    // Lives as long as the process; the pages are touched by the handler only.
    let memory = Box::leak(Box::<[u8]>::new_uninit_slice(size));
    let stack = libc::stack_t { ss_sp: memory.as_mut_ptr().cast(), ss_flags: 0, ss_size: size };
    // SAFETY: the memory is leaked, and nobody else has it.
    if unsafe { libc::sigaltstack(&raw const stack, ptr::null_mut()) } != 0 {
        return;
    }
    for signal in SIGNALS {
        set_action(signal, on_fault as *const () as usize);
    }
}

fn is_default(signal: c_int) -> bool {
    // SAFETY: all zero is a valid action: the default.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are valid or null.
    let known = unsafe { libc::sigaction(signal, ptr::null(), &raw mut action) };
    known == 0 && action.sa_sigaction == libc::SIG_DFL
}

/// Sets a handler, unless the program (a constructor of it) has set one of its own.
pub(super) fn set_action(signal: c_int, handler: usize) {
    if handler != libc::SIG_DFL && !is_default(signal) {
        return;
    }
    // SAFETY: all zero is a valid action: no mask.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = handler;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler has the type that SA_SIGINFO asks for, or is the default.
    unsafe { libc::sigaction(signal, &raw const action, ptr::null_mut()) };
}

extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a filled structure to a handler set with SA_SIGINFO.
    let info = unsafe { &*info };
    // SAFETY: both signals fill the address.
    let address = unsafe { info.si_addr() }.addr();
    if address.abs_diff(stack_pointer(context)) < NEAR
        // SAFETY: null, or leaked by `report_overflow`, and never written afterwards.
        && let Some(text) = unsafe { TEXT.load(Ordering::Acquire).as_ref() }
    {
        let _ = rustix::io::write(stderr(), text.as_bytes());
    }
    // Returning repeats the access, which now ends the process with this very signal. One that
    // was sent is not repeated, so we send it again: it arrives when the handler returns.
    set_action(signal, libc::SIG_DFL);
    if info.si_code <= 0 {
        // SAFETY: allowed in a handler.
        unsafe { libc::raise(signal) };
    }
}

fn stack_pointer(context: *mut c_void) -> usize {
    // SAFETY: the kernel passes a filled `ucontext_t` to a handler set with SA_SIGINFO.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    #[cfg(target_arch = "x86_64")]
    let pointer = context.uc_mcontext.gregs[libc::REG_RSP as usize].cast_unsigned();
    #[cfg(target_arch = "aarch64")]
    let pointer = context.uc_mcontext.sp;
    usize::try_from(pointer).unwrap_or(0)
}
