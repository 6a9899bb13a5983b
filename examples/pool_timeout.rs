//! Tasks that take too long are really ended, and so is one that nobody wants any more.

use multiproc::pool::Options;
use multiproc::{Pool, TaskError};

/// Stands for work that sometimes hangs.
fn work(seconds: u32) -> u32 {
    pace::sleep(seconds);
    std::process::id()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().workers(2).build()?;
    let at_most_three = Options::new().timeout(pace::seconds(3));
    for (seconds, result) in [1, 60, 2, 90, 1].into_iter().zip(
        // In the order of the input; the clock of each starts when its worker does.
        pool.with(&at_most_three).imap([1, 60, 2, 90, 1], work),
    ) {
        match result {
            Ok(pid) => println!("{seconds} s: done by process {pid}"),
            Err(TaskError::TimedOut(_)) => println!("{seconds} s: ended after 3 s"),
            Err(other) => return Err(other.into()),
        }
    }
    let unwanted = pool.apply_async((120,), work)?;
    pace::sleep(1);
    println!("Cancelled: {}", unwanted.cancel());
    match unwanted.get() {
        Err(TaskError::Cancelled) => println!("120 s: ended when nobody wanted it"),
        other => return Err(format!("unexpected: {other:?}").into()),
    }
    Ok(())
}
