//! The processes below one, found through `/proc`.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashSet;
use std::fs;
use std::os::fd::BorrowedFd;

/// After so many rounds something multiplies faster than it is killed.
const MOST_ROUNDS: u32 = 1000;

/// Kills a process and all below it. It must be a subreaper, and not reaped.
pub(crate) fn kill(root: u32, pidfd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    // Stopped it neither ends, which would set its tree free, nor starts more.
    pidfd_send_signal(pidfd, Signal::STOP)?;
    kill_below(root);
    pidfd_send_signal(pidfd, Signal::KILL)
}

/// Kills all below a process, and asks it to end. It must be a subreaper, and not reaped.
pub(crate) fn terminate(root: u32, pidfd: BorrowedFd<'_>) -> rustix::io::Result<()> {
    pidfd_send_signal(pidfd, Signal::STOP)?;
    kill_below(root);
    pidfd_send_signal(pidfd, Signal::TERM)?;
    pidfd_send_signal(pidfd, Signal::CONT)
}

/// Kills all below a process that inherits orphans.
pub(crate) fn kill_below(root: u32) {
    for _ in 0..MOST_ROUNDS {
        let mut family = HashSet::from([root]);
        let mut generation = vec![root];
        let mut killed = false;
        while let Some(parent) = generation.pop() {
            for child in children(parent) {
                if family.insert(child) {
                    killed |= kill_one(child, &family);
                    generation.push(child);
                }
            }
        }
        if !killed {
            return;
        }
        // Orphans hang on the root a moment later.
        std::thread::yield_now();
    }
}

/// Kills a process whose parent is of the family; `false` when there is nothing to kill.
fn kill_one(pid: u32, family: &HashSet<u32>) -> bool {
    let Some(id) = Pid::from_raw(pid.cast_signed()) else { return false };
    let Ok(pidfd) = pidfd_open(id, PidfdFlags::empty()) else { return false };
    // After the pidfd was opened: if the number belongs to somebody else by now, so does the pidfd.
    match parent(pid) {
        Some(parent) if family.contains(&parent) => pidfd_send_signal(pidfd, Signal::KILL).is_ok(),
        _ => false,
    }
}

/// Returns the parent of a process that is no zombie.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(parent)
}

/// Returns the children of all threads of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let lists =
        threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    lists
        .flat_map(|list| list.split(' ').filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect()
}
