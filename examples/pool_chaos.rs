//! Workers are killed while they work, and every result arrives all the same.
//!
//! It kills some itself. In a terminal it shows how far it is and which processes work: kill more of
//! them by hand.

use indicatif::{ProgressBar, ProgressStyle};
use multiproc::Pool;
use multiproc::pool::Options;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const TASKS: u64 = 400;

fn work(number: u64) -> u64 {
    std::thread::sleep(Duration::from_millis(4));
    number * number
}

/// Kills a worker now and then, until the bar is full; returns how many.
fn storm(pool: &Pool, bar: &ProgressBar) -> std::io::Result<u32> {
    let mut kills = 0;
    while bar.position() < TASKS {
        std::thread::sleep(Duration::from_millis(60));
        let workers = pool.stats().workers;
        let pids: Vec<String> = workers.iter().map(|worker| worker.pid.to_string()).collect();
        bar.set_message(pids.join(" "));
        if let Some(pid) = pids.get(kills as usize % 3) {
            // What a user would type.
            Command::new("sh").args(["-c", &format!("kill -KILL {pid} 2> /dev/null")]).status()?;
            kills += 1;
        }
    }
    Ok(kills)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = Arc::new(Pool::builder().workers(3).build()?);
    let bar = ProgressBar::new(TASKS);
    bar.set_style(ProgressStyle::with_template("{wide_bar} {pos}/{len}, workers: {msg}")?);
    let killer = {
        let (pool, bar) = (Arc::clone(&pool), bar.clone());
        std::thread::spawn(move || storm(&pool, &bar))
    };
    let there = bar.clone();
    // A task whose worker died may be begun again, as it changes nothing but its own result.
    let options = Options::new()
        .chunk_size(1)
        .retries(50)
        .progress(move |at| there.set_position(at.done as u64));
    let results = pool.with(&options).map(0..TASKS, work)?;
    bar.finish_and_clear();
    let kills = killer.join().map_err(|_| "the storm panicked")??;
    let right = (0..TASKS).zip(&results).filter(|(number, square)| number * number == **square);
    println!("{} of {TASKS} results are right", right.count());
    let stats = pool.stats();
    println!("{kills} kills, {} workers lost, {} tasks begun again", stats.died, stats.retried);
    Ok(())
}
