//! A C function that crashes on some inputs: the results of all others arrive.

#![allow(unsafe_code, reason = "calls a C function with what it cannot take")]

use multiproc::{Pool, TaskError};
use std::ffi::{CString, c_char};

unsafe extern "C" {
    /// Of the C library, which believes whatever it is given.
    fn strlen(text: *const c_char) -> usize;
}

/// A binding that forgets to check: `None` becomes a null pointer.
fn length(text: Option<String>) -> usize {
    let text = text.and_then(|text| CString::new(text).ok());
    let pointer = text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    // SAFETY: there is none. This is what a bug in a library looks like from outside.
    unsafe { strlen(pointer) }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words = ["fork", "spawn", "", "semaphore", "", "pipe", "barrier"];
    let inputs = words.map(|word| (!word.is_empty()).then(|| word.to_string()));
    let pool = Pool::builder().workers(2).build()?;
    let results = pool.imap(inputs.clone(), length);
    for (input, result) in inputs.into_iter().zip(results) {
        match result {
            Ok(length) => println!("{}: {length} letters", input.unwrap_or_default()),
            Err(TaskError::WorkerDied(died)) => println!("nothing: {}", died.status()),
            Err(other) => return Err(other.into()),
        }
    }
    println!("Workers replaced: {}", pool.stats().died);
    Ok(())
}
