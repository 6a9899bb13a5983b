//! The processes that come from this one, also those whose parents have ended.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, set_child_subreaper, waitpid};
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

/// A process, as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) name: String,
    /// `R`unning, `S`leeping, `Z`ombie, ...
    pub(crate) state: char,
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({}, state {})", self.pid, self.name, self.state)
    }
}

/// Makes this process the parent of its descendants' orphans, so that none gets out of sight.
pub(crate) fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Returns the descendants of a process, zombies included.
pub(crate) fn descendants(ancestor: u32) -> io::Result<Vec<Member>> {
    let mut others: Vec<Member> = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            // A process that has just been reaped has no file any more.
            let stat = fs::read_to_string(format!("/proc/{}/stat", name.display()));
            others.extend(stat.ok().as_deref().and_then(parse));
        }
    }
    let mut family = BTreeSet::from([ancestor]);
    let mut found = Vec::new();
    loop {
        let (children, rest): (Vec<_>, Vec<_>) =
            others.into_iter().partition(|member| family.contains(&member.parent));
        if children.is_empty() {
            return Ok(found);
        }
        family.extend(children.iter().map(|child| child.pid));
        found.extend(children);
        others = rest;
    }
}

/// Reads a line of `/proc/PID/stat`: `pid (name) state parent ...`, where the name may be anything.
fn parse(stat: &str) -> Option<Member> {
    let (pid, rest) = stat.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Member { pid: pid.parse().ok()?, parent, name: name.to_string(), state })
}

/// Kills the descendants of this process and reaps them, until none is left.
pub(crate) fn end_descendants() -> io::Result<()> {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(10) {
        let left = descendants(std::process::id())?;
        if left.is_empty() {
            return Ok(());
        }
        for member in &left {
            let Some(pid) = i32::try_from(member.pid).ok().and_then(Pid::from_raw) else {
                continue;
            };
            // It may have ended meanwhile; nobody else reaps it, so the number is still its own.
            let _ = kill_process(pid, Signal::KILL);
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(io::Error::other("processes of an example cannot be ended"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_contain_what_it_likes() {
        let member = parse("12 (a) b (c) S 7 12 12 0").unwrap();
        assert_eq!(member, Member { pid: 12, parent: 7, name: "a) b (c".into(), state: 'S' });
        assert_eq!(parse("12 (a"), None);
    }

    #[test]
    fn a_grandchild_is_a_descendant() {
        let mut child =
            std::process::Command::new("sh").args(["-c", "sleep 60 & wait"]).spawn().unwrap();
        let names = || -> Vec<String> {
            descendants(child.id()).unwrap().into_iter().map(|member| member.name).collect()
        };
        while names() != ["sleep"] {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(descendants(std::process::id()).unwrap().iter().any(|m| m.pid == child.id()));
        for member in descendants(child.id()).unwrap() {
            let pid = Pid::from_raw(i32::try_from(member.pid).unwrap()).unwrap();
            kill_process(pid, Signal::KILL).unwrap();
        }
        child.wait().unwrap();
    }
}
