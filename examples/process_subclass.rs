//! A process of one's own type, with a field and a `run`.

use multiproc::{SpawnError, Task, start};
use serde::{Deserialize, Serialize};

// serde brings it to the new process.
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
        start(Counter { loops })?;
    }
    Ok(())
}
