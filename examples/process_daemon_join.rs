//! Daemons that are joined, one after the other.

use multiproc::{Builder, Task};
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for loops in 2..5 {
        let process = Builder::new().daemon(true).start(Counter { loops })?;
        // Waits, and says so if the process panicked or was killed.
        process.join()?;
    }
    println!("Main process Ended!");
    Ok(())
}
