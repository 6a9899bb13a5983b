//! Constructors of the program run once in a started process too, before its function.
#![allow(unsafe_code, reason = "a constructor is a function in a section")]

use proc_spawn::spawn;
use std::sync::atomic::{AtomicU32, Ordering};

static EARLY: AtomicU32 = AtomicU32::new(0);
static LATE: AtomicU32 = AtomicU32::new(0);

extern "C" fn early() {
    EARLY.fetch_add(1, Ordering::Relaxed);
}

extern "C" fn late() {
    // Relaxed: there is one thread.
    LATE.fetch_add(1, Ordering::Relaxed);
}

// Numbered ones are sorted before plain ones, among which is the one that catches the process.
#[used]
#[unsafe(link_section = ".init_array.00500")]
static EARLY_CONSTRUCTOR: extern "C" fn() = early;

#[used]
#[unsafe(link_section = ".init_array")]
static LATE_CONSTRUCTOR: extern "C" fn() = late;

fn counts() -> (u32, u32) {
    (EARLY.load(Ordering::Relaxed), LATE.load(Ordering::Relaxed))
}

#[test]
fn each_has_run_once() {
    assert_eq!(counts(), (1, 1));
    assert_eq!(spawn((), counts).unwrap().join().unwrap(), (1, 1));
}
