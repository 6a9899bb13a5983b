//! Loads the plugin that is named by its argument, and says how it may start processes.

use std::ffi::CString;

fn main() {
    let path = CString::new(std::env::args().nth(1).unwrap()).unwrap();
    // SAFETY: the plugin's constructors are those of Rust libraries.
    let plugin = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
    assert!(!plugin.is_null(), "it cannot be loaded");
    // SAFETY: the plugin stays loaded.
    let function = unsafe { libc::dlsym(plugin, c"refused_as".as_ptr()) };
    assert!(!function.is_null(), "it has no such function");
    // SAFETY: the function of that name has this type.
    let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(function) };
    assert_eq!(function(), 1, "not refused as a start from a shared object");
    println!("ok");
}
