//! What the repository does with itself: `cargo xtask help`.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to the one who called it"
)]

mod bench;
mod crash;
mod deps;
mod examples;
mod matrix;
mod tidy;
mod workspace;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::process::ExitCode;

/// What can go wrong, as a sentence for the one who called.
type Failure = Box<dyn Error>;

/// Runs the examples, and checks the repository.
#[derive(Parser)]
#[command(name = "cargo xtask", disable_help_flag = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the tutorial's examples and checks what each of them does
    Examples(examples::Arguments),
    /// Kills and interrupts the examples while they run: nobody may hang, nothing may be left
    Deaths(examples::deaths::Arguments),
    /// Kills processes at every instruction, or at random, and looks what they leave behind
    Crash(crash::Arguments),
    /// Builds a program that starts processes in every way (static, LTO, panic=abort, ...), and runs it
    Matrix,
    /// Measures what IPC costs, beside threads and peers, and makes a report of it
    Bench(bench::Arguments),
    /// Checks what the compiler does not: titles, lint tables, file lengths, licences
    Tidy,
    /// Counts the crates that each primitive brings along
    Deps,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Examples(arguments) => examples::run(&arguments),
        Command::Deaths(arguments) => examples::deaths::run(&arguments),
        Command::Crash(arguments) => crash::run(&arguments),
        Command::Matrix => matrix::run(),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Tidy => tidy::run(),
        Command::Deps => deps::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}
