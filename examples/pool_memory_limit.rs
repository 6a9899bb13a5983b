//! A limit of memory for each worker: the task that exceeds it fails alone, and says so.

use multiproc::{Pool, TaskError};

/// Fills so many megabytes.
fn fill(megabytes: usize) -> usize {
    let memory = vec![1u8; megabytes << 20];
    memory.iter().map(|byte| usize::from(*byte)).sum::<usize>() >> 20
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().workers(2).memory_limit(512 << 20).keep_output(1 << 16).build()?;
    let sizes = [10, 20, 1000, 30, 2000, 40];
    for (size, result) in sizes.into_iter().zip(pool.imap(sizes, fill)) {
        match result {
            Ok(filled) => println!("{size} MB: filled {filled}"),
            Err(TaskError::WorkerDied(died)) if died.out_of_memory() => {
                let words = died.output().unwrap_or_default().lines().next().unwrap_or_default();
                println!("{size} MB: out of memory, last words: {words}");
            }
            Err(other) => return Err(other.into()),
        }
    }
    Ok(())
}
