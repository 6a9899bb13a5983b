//! SHA-256 of every file under a folder, by as many processes as there are CPUs.
//!
//! Takes the folder as its argument. Without one it takes cargo's downloaded sources, or this
//! repository.

use indicatif::ProgressBar;
use multiproc::{Pool, TaskError};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use walkdir::WalkDir;

/// Of the default folder: enough to measure, and done in seconds. A given one is read as it is.
const MOST_FILES: usize = 10_000;
const MOST_BYTES: u64 = 200 << 20;

/// How many files go into one task: a small file alone would not be worth its way.
const FILES_PER_TASK: usize = 32;

/// How often one process and the pool take turns, unless that takes long: the medians count.
const ROUNDS: usize = 5;

/// A file's digest, or why it could not be read: that is no reason to stop.
type Outcome = Result<[u8; 32], String>;

fn sha256(path: &OsStr) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            length => hash.update(&buffer[..length]),
        }
    }
}

fn digests(paths: &[OsString]) -> Vec<Outcome> {
    paths.iter().map(|path| sha256(path).map_err(|error| error.to_string())).collect()
}

/// Runs in the pool. Says which task it did, and where, as tasks are done in any order.
// `OsString` and not `PathBuf`: serde takes paths only if they are UTF-8.
fn work((task, paths): (usize, Vec<OsString>)) -> (usize, u32, Vec<Outcome>) {
    (task, std::process::id(), digests(&paths))
}

/// Has the pool read all files, and returns the outcomes in the order of the files.
fn pass(
    pool: &Pool,
    files: &[OsString],
    bar: &ProgressBar,
    by_process: &mut BTreeMap<u32, usize>,
) -> Result<Vec<Outcome>, TaskError> {
    let tasks = files.chunks(FILES_PER_TASK).map(<[_]>::to_vec).enumerate();
    let mut done = BTreeMap::new();
    for result in pool.imap_unordered(tasks, work) {
        let (task, pid, outcomes) = result?;
        bar.inc(outcomes.len() as u64);
        *by_process.entry(pid).or_default() += outcomes.len();
        done.insert(task, outcomes);
    }
    Ok(done.into_values().flatten().collect())
}

fn find_files(folder: &Path, limited: bool) -> (Vec<OsString>, u64) {
    let (mut files, mut bytes) = (Vec::new(), 0);
    for entry in WalkDir::new(folder).sort_by_file_name() {
        match entry.and_then(|entry| Ok((entry.metadata()?.len(), entry))) {
            Ok((_, entry)) if !entry.file_type().is_file() => {}
            Ok((length, entry)) => {
                if limited && (files.len() == MOST_FILES || bytes + length > MOST_BYTES) {
                    break;
                }
                bytes += length;
                files.push(entry.into_path().into_os_string());
            }
            Err(error) => eprintln!("Not read: {error}"),
        }
    }
    (files, bytes)
}

fn default_folder() -> PathBuf {
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let sources = cargo.map(|cargo| cargo.join("registry/src")).filter(|folder| folder.is_dir());
    sources.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
}

fn main() -> Result<(), Box<dyn Error>> {
    let given = pace::args().next().map(PathBuf::from);
    let limited = given.is_none();
    let folder = given.unwrap_or_else(default_folder);
    let (files, bytes) = find_files(&folder, limited);
    if files.is_empty() {
        return Err(format!("no files found under {}", folder.display()).into());
    }
    let rounds = if bytes > MOST_BYTES { 1 } else { ROUNDS };
    // Hidden where there is no terminal.
    let bar = ProgressBar::new(((1 + 2 * rounds) * files.len()) as u64);

    // Nobody looks at the time of this pass: all others find the files in memory.
    let expected = digests(&files);
    bar.inc(files.len() as u64);

    let pool = Pool::new()?;
    let (mut alone, mut together) = (Vec::new(), Vec::new());
    let mut by_process: BTreeMap<u32, usize> = BTreeMap::new();
    for _ in 0..rounds {
        let start = Instant::now();
        digests(&files);
        alone.push(start.elapsed());
        bar.inc(files.len() as u64);

        let start = Instant::now();
        let found = pass(&pool, &files, &bar, &mut by_process)?;
        together.push(start.elapsed());
        if let Some(file) = (0..files.len()).find(|&file| found.get(file) != expected.get(file)) {
            let path = files[file].display();
            return Err(format!("{path}: the pool found another digest; has it changed?").into());
        }
    }
    bar.finish_and_clear();

    let mut unread = 0;
    for (path, outcome) in files.iter().zip(&expected) {
        if let Err(error) = outcome {
            eprintln!("Not read: {}: {error}", path.display());
            unread += 1;
        }
    }
    let rate = |mut times: Vec<Duration>| {
        times.sort();
        files.len() as f64 / times[rounds / 2].as_secs_f64()
    };
    let (alone, together) = (rate(alone), rate(together));
    println!("Folder: {}", folder.display());
    println!("Files: {} of {:.1} MB, {unread} unreadable", files.len(), bytes as f64 / 1e6);
    println!("1 process: {alone:.0} files/s");
    println!("{} workers: {together:.0} files/s, with the same digests", pool.workers());
    for (pid, files) in by_process {
        println!("Process {pid} read {files} files in {rounds} rounds");
    }
    println!("Speed-up: {:.2}", together / alone);
    Ok(())
}
