//! Kills processes at every instruction, and at random, and looks what they leave behind.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line program talks to the one who called it"
)]
#![allow(clippy::unwrap_used, reason = "a test, run by hand and in CI")]

mod duel;
mod explore;
mod fault;
mod fuzz;
mod hostile;
mod latency;
mod pairs;
mod row;
mod scenes;
mod stage;
mod storm;

use clap::{Parser, Subcommand};
use std::error::Error;
use std::process::ExitCode;

/// What can go wrong, as a sentence for the one who called.
type Failure = Box<dyn Error>;

/// Kills processes at every instruction, and at random, and looks what they leave behind.
#[derive(Parser)]
#[command(name = "cargo xtask crash", args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    explore: explore::Arguments,
}

#[derive(Subcommand)]
enum Command {
    /// Kills at random, all the time, and counts what was done to the last message
    Storm(storm::Arguments),
    /// Kills at random around one mutex, with a sleeper and one who barges in
    Kills(duel::Arguments),
    /// Measures the time from the SIGKILL of a holder to the next owner
    Latency(latency::Arguments),
    /// Flips every bit of every control word under processes that use it
    Hostile(hostile::Arguments),
    /// Writes random bytes over queues, and reads what is there then
    Fuzz(fuzz::Arguments),
    /// One row of the table, alone
    #[command(hide = true)]
    Row(explore::RowArguments),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        None => explore::run(&cli.explore),
        Some(Command::Storm(arguments)) => storm::run(&arguments),
        Some(Command::Kills(arguments)) => duel::run(&arguments),
        Some(Command::Latency(arguments)) => latency::run(&arguments),
        Some(Command::Hostile(arguments)) => hostile::run(&arguments),
        Some(Command::Fuzz(arguments)) => fuzz::run(&arguments),
        Some(Command::Row(arguments)) => explore::run_row(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("crash: {failure}");
            ExitCode::FAILURE
        }
    }
}
