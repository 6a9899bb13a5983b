//! All that a process has started, ended with it.
//!
//! Two ways, the first where the kernel lets us:
//!
//! - **A control group** of the process's own, made below ours. Whatever it starts is in it and cannot leave. When
//!   the process has ended, or is killed through its handle, one write kills all that is in it.
//! - **A subreaper**: the process inherits the orphans of its tree, so that the tree stays connected while it lives. To
//!   kill it is to stop it, to kill what hangs on it until nothing is left, and then itself. At an orderly
//!   exit it does so itself.

mod walk;

pub(crate) use walk::{kill as kill_below_and, kill_below, terminate as terminate_with};

use crate::cgroup::{Group, Version};
use rustix::fs::{Mode, OFlags, open};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How the processes are known that end with a process that was started with
/// [`kill_tree`](crate::Builder::kill_tree).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Tree {
    /// They are in a control group of their own: all end when the process is killed through its handle, and otherwise
    /// when its end, in whatever way, is seen by this process: in a wait or a join, by a later start, at the exit.
    Group,
    /// They hang below the process: all end when it is killed through its handle, is ended as a daemon, or exits by
    /// itself.
    /// When it ends in another way (it crashes, or is killed by somebody else, or by the signal of
    /// [`terminate`](crate::Process::terminate)), programs that it started live on.
    ///
    /// Orphans that it inherits stay zombies when they end, until it ends itself: whose they are is not known, so
    /// nobody waits for them. A process that runs long and leaves many (as `sh -c "program &"` does) fills the table of
    /// processes.
    Subreaper,
}

const PREFIX: &str = "proc-spawn-";
/// How often, a millisecond apart, an attempt is made to remove a group whose members are dying.
const ATTEMPTS: u32 = 50;

/// A control group for one process and what it starts.
#[derive(Debug)]
pub(crate) struct Own {
    folder: PathBuf,
    /// A process that was forked off this one has a copy of this, and no say.
    owner: u32,
}

impl Own {
    /// Makes one, below the group of this process; also returns the file by which a process enters.
    pub(crate) fn make() -> io::Result<(Self, OwnedFd)> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let groups = Group::of_this_process(Path::new("/"), "");
        let ours = groups.iter().find(|group| group.version == Version::Two);
        let ours = ours.and_then(Group::own).ok_or(io::ErrorKind::NotFound)?;
        sweep(ours);
        // Relaxed: a counter.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let folder = ours.join(format!("{PREFIX}{}-{number}", std::process::id()));
        fs::create_dir(&folder)?;
        // Removed again when anything is missing.
        let own = Self { folder, owner: std::process::id() };
        let write = OFlags::WRONLY | OFlags::CLOEXEC;
        open(own.folder.join("cgroup.kill"), write, Mode::empty())?;
        let entrance = open(own.folder.join("cgroup.procs"), write, Mode::empty())?;
        Ok((own, entrance))
    }

    /// Kills whoever is in it. Never blocks.
    pub(crate) fn kill(&self) -> io::Result<()> {
        fs::write(self.folder.join("cgroup.kill"), "1")
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if self.owner != std::process::id() {
            return;
        }
        for _ in 0..ATTEMPTS {
            // Those of processes in it, which were killed with it.
            remove_below(&self.folder, &|_| true);
            match fs::remove_dir(&self.folder) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    let _ = self.kill();
                    std::thread::sleep(Duration::from_millis(1));
                }
                _ => return,
            }
        }
    }
}

/// Removes empty groups that processes have left which were killed.
fn sweep(ours: &Path) {
    remove_below(ours, &|owner| !Path::new("/proc").join(owner).exists());
}

/// Removes the empty groups below `folder`, the deepest first, whose owner's pid is `gone`.
fn remove_below(folder: &Path, gone: &dyn Fn(&str) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next());
        if owner.is_some_and(gone) {
            remove_below(&entry.path(), gone);
            // Fails for one that is not empty.
            let _ = fs::remove_dir(entry.path());
        }
    }
}
