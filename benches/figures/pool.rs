//! The pool, beside CPython's.

use crate::table::{fewer, row, seconds};
use multiproc::Pool;
use std::process::{Command, Stdio};

const PYTHON: &str = "
import sys, time
from multiprocessing import Pool
def square(x): return x * x
if __name__ == '__main__':
    with Pool(2) as pool:
        pool.map(square, range(100))
        for line in sys.stdin:
            tasks, chunk = line.split()
            chunk = int(chunk) or None
            start = time.perf_counter()
            pool.map(square, range(int(tasks)), chunksize=chunk)
            print(time.perf_counter() - start, flush=True)
";

pub(crate) fn rows() {
    use std::io::{BufRead, BufReader, Write};
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("pool.py");
    std::fs::write(&script, PYTHON).unwrap();
    let python =
        Command::new("python3").arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let Ok(mut python) = python else {
        println!("| pool: skipped, no python3 to compare with |");
        return;
    };
    let mut ask = python.stdin.take().unwrap();
    let mut answers = BufReader::new(python.stdout.take().unwrap()).lines();
    let pool = Pool::builder().workers(2).build().unwrap();
    let tasks = fewer(100_000);
    for (what, chunk) in
        [("pool.map of 100,000 tiny tasks, ms", 0), ("pool.map of 100,000, one by one, ms", 1)]
    {
        row(
            what,
            1e3,
            "CPython's Pool",
            || {
                seconds(|| {
                    let squares = match chunk {
                        0 => pool.map(0..tasks, |x| x * x),
                        chunk => pool.map_in_chunks(0..tasks, chunk, |x| x * x),
                    };
                    assert_eq!(squares.unwrap().len() as u64, tasks);
                })
            },
            || {
                writeln!(ask, "{tasks} {chunk}").unwrap();
                answers.next().unwrap().unwrap().parse().unwrap()
            },
        );
    }
    drop(ask);
    python.wait().unwrap();
}
