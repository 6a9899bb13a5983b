//! `cargo xtask deps`: counts the crates that each primitive brings along.

use crate::{Failure, workspace};
use std::collections::BTreeSet;

/// The primitives, and how many crates each may bring along by default.
const BUDGETS: [(&str, usize); 6] = [
    ("proc-lock", 10),
    ("proc-semaphore", 10),
    ("shm-queue", 10),
    ("duplex-pipe", 10),
    // These take arguments and results, so serde and postcard come with them.
    ("proc-spawn", 20),
    ("proc-pool", 20),
];

/// Runs the command.
pub(crate) fn run() -> Result<(), Failure> {
    let mut over = Vec::new();
    for (package, most) in BUDGETS {
        // Alone: in the whole workspace, the features of all its packages would count.
        let arguments = ["tree", "--package", package, "--edges", "normal", "--prefix", "none"];
        let done = workspace::cargo().args(arguments).output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
        }
        let crates = others(package, &String::from_utf8(done.stdout)?);
        let names: Vec<&str> = crates.iter().map(String::as_str).collect();
        println!("{package:15} {:2} of at most {most}: {}", names.len(), names.join(", "));
        if names.len() > most {
            over.push(package);
        }
    }
    if over.is_empty() {
        Ok(())
    } else {
        Err(format!("too many dependencies: {}", over.join(", ")).into())
    }
}

/// Returns the crates of a tree beside the one it belongs to, each once: name and version.
fn others(package: &str, tree: &str) -> BTreeSet<String> {
    let words = |line: &str| line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let own = format!("{package} v");
    tree.lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with(&own))
        .map(words)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_crate_counts_once_and_the_package_not_at_all() {
        let tree = "proc-lock v0.1.0 (/work/crates/proc-lock)\nbytemuck v1.25.2\n\
                    multiproc-core v0.1.0 (/work/crates/multiproc-core)\nbytemuck v1.25.2 (*)\n\
                    libc v0.2.1\nlibc v0.3.0\nserde_derive v1.0.2 (proc-macro)\n";
        let crates = others("proc-lock", tree);
        let names = [
            "bytemuck v1.25.2",
            "libc v0.2.1",
            "libc v0.3.0",
            "multiproc-core v0.1.0",
            "serde_derive v1.0.2",
        ];
        assert!(crates.iter().eq(&names), "{crates:?}");
    }
}
