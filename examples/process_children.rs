//! Which processes are running, and on how many CPUs.

use multiproc::{SpawnError, active_children, cpu_count, spawn};

fn process(number: u32) {
    pace::sleep(number);
    println!("Process: {number}");
}

fn main() -> Result<(), SpawnError> {
    for number in 0..5 {
        spawn((number,), process)?;
    }
    // Those that this process may use: its affinity and its container's quota count.
    println!("CPU number:{}", cpu_count());
    for child in active_children() {
        println!("Child process name: {} id: {}", child.name(), child.pid());
    }
    println!("Process Ended");
    Ok(())
}
