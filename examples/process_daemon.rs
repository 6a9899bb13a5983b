//! Daemons: processes that are ended with the one that started them.

use multiproc::{Builder, SpawnError, Task};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Counter {
    loops: u32,
}

impl Task for Counter {
    type Output = ();

    fn run(self) {
        for count in 0..self.loops {
            pace::sleep(1);
            println!("Pid: {} LoopCount: {count}", std::process::id());
        }
    }
}

fn main() -> Result<(), SpawnError> {
    for loops in 2..5 {
        Builder::new().daemon(true).start(Counter { loops })?;
    }
    // No daemon gets as far as its first line.
    println!("Main process Ended!");
    Ok(())
}
