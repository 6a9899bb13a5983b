//! The machine line: without it a figure says nothing.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::process::Command;

/// Where and when a run was made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// The day, `YYYY-MM-DD`.
    pub date: String,
    /// The processor's name.
    pub cpu: String,
    /// How many CPUs this process may use.
    pub cpus: usize,
    /// Whether there is a hypervisor below.
    pub is_virtual: bool,
    /// The kernel's release.
    pub kernel: String,
    /// The compiler.
    pub rustc: String,
    /// The commit, with a `+` if the tree differs from it.
    pub commit: String,
    /// The load of the last minute when the run began: above about 0.3, others were at work.
    pub load: f64,
    /// Whether only a quick look was taken.
    pub quick: bool,
    /// How far apart the cores were when the run began, in nanoseconds.
    #[serde(default)]
    pub distance: Option<f64>,
}

impl Machine {
    /// Looks around.
    #[must_use]
    pub fn here(quick: bool) -> Self {
        let cpuinfo = read("/proc/cpuinfo");
        let field = |name: &str| {
            let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let changed = !output("git", &["status", "--porcelain", "-uno"]).is_empty();
        let commit = output("git", &["rev-parse", "--short=7", "HEAD"]);
        Self {
            date: output("date", &["+%F"]),
            cpu: field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cpus: multiproc::cpu_count().get(),
            is_virtual: field("flags").is_some_and(|flags| flags.contains(" hypervisor")),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: output("rustc", &["--version"]),
            commit: if changed { commit + "+" } else { commit },
            load: read("/proc/loadavg").split(' ').next().map_or(0.0, |x| x.parse().unwrap_or(0.0)),
            quick,
            distance: None,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cpus, kernel, rustc, commit, date, load, .. } = self;
        let kind = if self.is_virtual { "virtual CPUs" } else { "CPUs" };
        let rustc = rustc.split(' ').take(2).collect::<Vec<_>>().join(" ");
        write!(f, "{cpu}, {cpus} {kind}, Linux {kernel}, {rustc}, commit {commit}, {date}")?;
        write!(f, ", load {load:.1} before")
    }
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// What a program says on its standard output; nothing where it is not there.
fn output(program: &str, args: &[&str]) -> String {
    let said = Command::new(program).args(args).output();
    said.map(|said| String::from_utf8_lossy(&said.stdout).trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_a_kernel_and_a_cpu() {
        let here = Machine::here(true);
        assert!(here.cpus >= 1 && !here.kernel.is_empty() && !here.cpu.is_empty(), "{here:?}");
        assert_eq!(here.date.len(), "2026-01-01".len(), "{here:?}");
        assert!(here.to_string().contains(&here.kernel));
    }
}
