//! Results of tasks, through handles.

use multiproc::Pool;

fn function(index: u32) -> u32 {
    println!("Start process: {index}");
    pace::sleep(3);
    println!("End process {index}");
    index
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().workers(3).build()?;
    for index in 0..4 {
        let result = pool.apply_async((index,), function)?;
        // Waits. If the task panicked or its process was killed, the error says so.
        println!("{}", result.get()?);
    }
    println!("Started processes");
    pool.close();
    pool.join()?;
    println!("Subprocess done.");
    Ok(())
}
