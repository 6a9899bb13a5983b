//! What five processes write at the same time without a lock.

use multiproc::pipe::{self, PipeReceiver, PipeSender};
use multiproc::{Task, start};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

#[derive(Serialize, Deserialize)]
struct Writer {
    loops: u32,
    // Stands for the terminal, so that the program can count what it shows.
    screen: PipeSender<[u8]>,
}

impl Writer {
    fn show(&self, text: &str) {
        self.screen.send(text.as_bytes()).expect("somebody looks at the screen");
    }
}

impl Task for Writer {
    type Output = ();

    fn run(self) {
        for count in 0..self.loops {
            pace::sleep(0.1);
            // A third of its time each is in the middle of a line: of five, two must meet.
            self.show(&format!("Pid: {} ", std::process::id()));
            pace::sleep(0.025);
            self.show(&format!("LoopCount: {count}"));
            pace::sleep(0.025);
            self.show("\n");
        }
    }
}

/// Shows what comes until the last writer is gone, and counts the lines that are not whole.
fn watch(screen: PipeReceiver<[u8]>) -> Result<String, Box<dyn std::error::Error>> {
    let mut text = Vec::new();
    for piece in screen {
        let piece = piece?;
        io::stdout().write_all(&piece)?;
        text.extend(piece);
    }
    let text = String::from_utf8(text)?;
    let garbled = text.lines().filter(|line| !is_whole(line)).count();
    Ok(format!("{garbled} of {} lines are garbled", text.lines().count()))
}

fn is_whole(line: &str) -> bool {
    let numbers = line.strip_prefix("Pid: ").and_then(|rest| rest.split_once(" LoopCount: "));
    numbers.is_some_and(|(pid, count)| pid.parse::<u32>().is_ok() && count.parse::<u32>().is_ok())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (screen, seen) = pipe::simplex()?;
    for loops in 10..15 {
        start(Writer { loops, screen: screen.clone() })?;
    }
    drop(screen); // Ours too, or `watch` would not end.
    println!("{}", watch(seen)?);
    Ok(())
}
