//! Five processes, each called with its number.

use multiproc::{SpawnError, spawn};

fn process(number: u32) {
    println!("Process: {number}");
}

fn main() -> Result<(), SpawnError> {
    for number in 0..5 {
        // The arguments come first, in a tuple; then the function that is called with them.
        spawn((number,), process)?;
    }
    // Nobody joins them. The program waits for its processes before it exits.
    Ok(())
}
