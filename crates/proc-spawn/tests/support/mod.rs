//! What several of the tests need: a descriptor that travels, and processes watched by pidfd.
#![allow(dead_code, unreachable_pub, reason = "each test takes what it needs")]
#![allow(clippy::unwrap_used, reason = "only tests use it")]

use multiproc_core::carry;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::Timespec;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

/// A descriptor that travels beside its message.
#[derive(Clone, Debug)]
pub struct Handle(pub Arc<OwnedFd>);

impl Serialize for Handle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        carry::put(&self.0).map_err(ser::Error::custom)?.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Handle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        carry::get(u32::deserialize(deserializer)?).map(Self).map_err(de::Error::custom)
    }
}

impl Handle {
    /// Returns the reading and the writing end of a pipe.
    pub fn pipe() -> (Self, Self) {
        let (reader, writer) = std::io::pipe().unwrap();
        (Self(Arc::new(reader.into())), Self(Arc::new(writer.into())))
    }

    pub fn file(&self) -> File {
        self.0.try_clone().unwrap().into()
    }

    pub fn write(&self, text: &str) {
        self.file().write_all(text.as_bytes()).unwrap();
    }

    /// Reads up to the end of a line.
    pub fn read_line(&self) -> String {
        let (mut file, mut line) = (self.file(), Vec::new());
        loop {
            let mut byte = [0];
            assert_eq!(file.read(&mut byte).unwrap(), 1, "the pipe ended early");
            if byte[0] == b'\n' {
                return String::from_utf8(line).unwrap();
            }
            line.push(byte[0]);
        }
    }

    /// Reads up to the end of the stream, which comes when no writing end is left.
    pub fn read_to_end(&self) -> String {
        let mut text = String::new();
        self.file().read_to_string(&mut text).unwrap();
        text
    }
}

/// A process of which only the pid is known; it need not be a child.
pub struct Watched(OwnedFd);

impl Watched {
    pub fn new(pid: u32) -> Self {
        let pid = Pid::from_raw(pid.cast_signed()).unwrap();
        Self(pidfd_open(pid, PidfdFlags::empty()).unwrap())
    }

    pub fn has_ended(&self) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).unwrap() > 0
    }

    pub fn kill(&self) {
        rustix::process::pidfd_send_signal(&self.0, rustix::process::Signal::KILL).unwrap();
    }

    pub fn wait(&self) {
        let mut fds = [PollFd::from_borrowed_fd(self.0.as_fd(), PollFlags::IN)];
        while poll(&mut fds, None).unwrap_or(0) == 0 {}
    }
}

/// Returns the descriptors of a process, standard ones included, in order.
pub fn descriptors(pid: u32) -> Vec<(u32, String)> {
    let mut fds: Vec<(u32, String)> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|entry| {
            let entry = entry.unwrap();
            let target = std::fs::read_link(entry.path()).ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, target.to_string_lossy().into_owned()))
        })
        // The directory that is being read.
        .filter(|(_, target)| pid != std::process::id() || !target.ends_with("/fd"))
        .collect();
    fds.sort();
    fds
}

/// Says whether a process ignores SIGTERM (bit 14 of its mask of ignored signals).
pub fn has_sigterm_ignored(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 14) != 0
}
