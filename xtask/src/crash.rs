//! `cargo xtask crash`: kills processes at every instruction, and at random.

use crate::{Failure, workspace};
use clap::Args;

/// What the command takes: all of it is for the program that does the work.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What `cargo xtask crash help` tells
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Kills at random and measures: what users run. The table instead is of the code that the tests run,
/// with its assertions.
const AS_RELEASED: [&str; 3] = ["storm", "kills", "latency"];

/// Builds `crates/crash` and runs it.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--package", "multiproc-crash"]);
    if arguments.rest.iter().any(|word| AS_RELEASED.contains(&word.as_str())) {
        command.arg("--release");
    }
    let status = command.arg("--").args(&arguments.rest).status()?;
    if status.success() { Ok(()) } else { Err(format!("crash: {status}").into()) }
}
