//! What a fork server takes over once and for all, so that copies of it would lack what has changed since.
//!
//! Above all the rights of its user: a process that gives rights up must not go on having children that still have
//! them.

use crate::forkserver;
use rustix::fs::{Mode, OFlags, open, openat, readlinkat, stat};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};

/// The lines of a thread's status that tell what it may do.
const RIGHTS: [&[u8]; 11] = [
    b"Uid",
    b"Gid",
    b"Groups",
    b"CapInh",
    b"CapPrm",
    b"CapEff",
    b"CapBnd",
    b"CapAmb",
    b"NoNewPrivs",
    b"Seccomp",
    b"Seccomp_filters",
];

/// Its namespaces that separate it from others.
const NAMESPACES: [&str; 4] = ["ns/user", "ns/mnt", "ns/net", "ns/pid_for_children"];

/// Returns a number for it, of the calling thread: environment, preloads, rights.
///
/// # Errors
///
/// What the kernel says when it does not tell: most likely there is no descriptor left.
pub(super) fn number() -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for variable in std::env::vars_os() {
        variable.hash(&mut hasher);
    }
    forkserver::preloads().hash(&mut hasher);
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let thread = open("/proc/thread-self", flags, Mode::empty())?;
    hash_rights(&thread_status(thread.as_fd())?, &mut hasher);
    for namespace in NAMESPACES {
        // One that the kernel does not have stays so.
        readlinkat(&thread, namespace, Vec::new()).ok().hash(&mut hasher);
    }
    stat("/").ok().map(|root| (root.st_dev, root.st_ino)).hash(&mut hasher);
    Ok(hasher.finish())
}

fn thread_status(thread: BorrowedFd<'_>) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut status = Vec::with_capacity(4096);
    File::from(openat(thread, "status", flags, Mode::empty())?).read_to_end(&mut status)?;
    Ok(status)
}

fn hash_rights(status: &[u8], hasher: &mut impl Hasher) {
    for line in status.split(|byte| *byte == b'\n') {
        let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
        if RIGHTS.contains(&name) {
            line.hash(hasher);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(status: &str) -> u64 {
        let mut hasher = DefaultHasher::new();
        hash_rights(status.as_bytes(), &mut hasher);
        hasher.finish()
    }

    #[test]
    fn each_right_counts_and_what_a_thread_did_does_not() {
        let status =
            "Name:\tUid:\nUid:\t1\t1\t1\t1\nGroups:\t5 \nCapEff:\t0\nSeccomp:\t0\nThreads:\t1\n";
        let other = |from, to| hash_of(&status.replace(from, to)) != hash_of(status);
        assert!(other("Uid:\t1\t1", "Uid:\t1\t2"));
        assert!(other("Groups:\t5 ", "Groups:\t"));
        assert!(other("CapEff:\t0", "CapEff:\t1"));
        assert!(other("Seccomp:\t0", "Seccomp:\t2"));
        assert!(!other("Threads:\t1", "Threads:\t2"));
        assert!(!other("Name:\tUid:", "Name:\tGid:"));
    }

    #[test]
    fn this_thread_has_all_of_them() {
        let thread = open("/proc/thread-self", OFlags::PATH, Mode::empty()).unwrap();
        let status = thread_status(thread.as_fd()).unwrap();
        for right in RIGHTS {
            let line = [right, b":"].concat();
            assert!(status.split(|byte| *byte == b'\n').any(|other| other.starts_with(&line)));
        }
        assert_eq!(number().unwrap(), number().unwrap());
    }
}
