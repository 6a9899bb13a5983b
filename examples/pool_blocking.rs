//! Four tasks for a pool, each waited for before the next.

use multiproc::Pool;

fn function(index: u32) {
    println!("Start process: {index}");
    pace::sleep(3);
    println!("End process {index}");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder().workers(3).build()?;
    for index in 0..4 {
        pool.apply((index,), function)?;
    }
    println!("Started processes");
    pool.close();
    pool.join()?;
    println!("Subprocess done.");
    Ok(())
}
