//! Starting a process.

use crate::table::{fewer, row, seconds};
use std::process::{Command, Stdio};

pub(crate) fn rows() {
    let dir = tempfile::tempdir().unwrap();
    let (source, program) = (dir.path().join("empty.rs"), dir.path().join("empty"));
    std::fs::write(&source, "fn main() {}").unwrap();
    let built = Command::new("rustc").arg("-O").arg(&source).arg("-o").arg(&program).status();
    if !built.is_ok_and(|status| status.success()) {
        println!("| start: skipped, no rustc to build an empty program with |");
        return;
    }
    let n = fewer(2_000) / 10;
    row(
        "start + join, us",
        1e6 / n as f64,
        "posix_spawn of an empty one",
        || seconds(|| (0..n).for_each(|x| drop(multiproc::spawn((x,), |x| x + 1).unwrap().join()))),
        || {
            seconds(|| {
                (0..n).for_each(|_| {
                    Command::new(&program).stdin(Stdio::null()).status().unwrap();
                });
            })
        },
    );
}
