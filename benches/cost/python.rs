//! CPython's `multiprocessing`, asked over its standard input.

use multiproc_benches::{Amount, Subject, Turn, measuring};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

const SCRIPT: &str = include_str!("python.py");

/// Longer than anything that is asked of it.
const PATIENCE: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };

/// A Python that does rounds of one thing.
struct Python {
    child: Child,
    ask: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    // Removed with this, after the child has ended: it imports the script again for its own children.
    _folder: tempfile::TempDir,
}

/// Makes a subject of what the script does with these words.
pub(crate) fn subject(words: &[&str]) -> Result<Box<dyn Subject>, String> {
    asked(Amount::Count, words)
}

/// The same of what the script reads, which is no time: each turn once.
pub(crate) fn reading(words: &[&str]) -> Result<Box<dyn Subject>, String> {
    asked(Amount::Once, words)
}

fn asked(amount: Amount, words: &[&str]) -> Result<Box<dyn Subject>, String> {
    let mut python = Python::start(words)?;
    python.answer()?;
    Ok(measuring(amount, move |n| python.turn(n)))
}

impl Python {
    fn start(words: &[&str]) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let script = folder.path().join("ipc_cost.py");
        std::fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
        let mut child = Command::new("python3")
            .arg(&script)
            .args(words)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("no python3: {error}"))?;
        let (ask, answers) = (child.stdin.take(), child.stdout.take());
        let answers = BufReader::new(answers.ok_or("no answers")?);
        Ok(Self { child, ask, answers, _folder: folder })
    }

    fn answer(&mut self) -> Result<String, String> {
        let mut readable = [PollFd::new(self.answers.get_ref(), PollFlags::IN)];
        match poll(&mut readable, Some(&PATIENCE)) {
            Ok(0) => return Err("Python hangs".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) => Err("Python has ended".to_owned()),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Has it do `n`; it answers with seconds, and with other figures in nanoseconds by name.
    fn turn(&mut self, n: u64) -> Result<Turn, String> {
        let ask = self.ask.as_mut().ok_or("Python has ended")?;
        writeln!(ask, "{n}").map_err(|error| error.to_string())?;
        let answer = self.answer()?;
        let mut words = answer.split(' ');
        let number = |word: Option<&str>| -> Result<f64, String> {
            word.unwrap_or("").parse().map_err(|_| format!("Python says {answer}"))
        };
        let nanos = number(words.next())? * 1e9;
        let mut turn = Turn { nanos, value: nanos / n as f64, also: BTreeMap::new() };
        while let Some(name) = words.next() {
            match (name, number(words.next())?) {
                ("p50", p50) => {
                    turn.also.insert("mean".to_owned(), turn.value);
                    turn.value = p50;
                }
                (name, value) => _ = turn.also.insert(name.to_owned(), value),
            }
        }
        Ok(turn)
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Said, and not by closing: forks of this process may have the same end open.
        if let Some(mut ask) = self.ask.take() {
            let _ = writeln!(ask, "0");
        }
        let start = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if start.elapsed() > Duration::from_secs(3) {
                let _ = self.child.kill();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
