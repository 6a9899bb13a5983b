//! Four tasks for a pool of three processes, without waiting for any.

use multiproc::Pool;

fn function(index: u32) {
    println!("Start process: {index}");
    pace::sleep(3);
    println!("End process {index}");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Called once in each process. They are to be as slow to start as Python's, so that we can see
    // that nobody waits for them.
    let pool = Pool::builder().workers(3).initializer((1,), pace::sleep).build()?;
    for index in 0..4 {
        // The handle that it returns would tell how the task ended.
        pool.apply_async((index,), function)?;
    }
    println!("Started processes");
    pool.close();
    pool.join()?;
    println!("Subprocess done.");
    Ok(())
}
