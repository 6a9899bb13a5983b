//! Runs the checks as a program. The first line tells if a started process ever came here.

use proc_spawn::{SpawnError, spawn};
use std::path::PathBuf;

fn main() {
    println!("main");
    let argument = std::env::args().nth(1);
    let own = || std::env::current_exe().unwrap();
    match argument.as_deref() {
        Some("deleted") => std::fs::remove_file(own()).unwrap(),
        Some("replaced") => {
            let beside: PathBuf = own().with_extension("other");
            std::fs::write(&beside, "#!/bin/sh\necho another program\n").unwrap();
            std::fs::rename(beside, own()).unwrap();
        }
        Some("privileged") => {
            match spawn((), || ()) {
                Err(SpawnError::SetUid) => println!("refused"),
                other => println!("{other:?}"),
            }
            return;
        }
        _ => {}
    }
    matrix_probe::check_fork();
    matrix_probe::check();
    println!("ok");
}
