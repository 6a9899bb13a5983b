//! What a process is to have and to be limited to, before its function runs.

use crate::stdio::Redirect;
use serde::{Deserialize, Serialize};
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// The wishes that the new process fulfils itself. They travel in its start message.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Empty where the new process was executed with its environment.
    pub(crate) environment: Environment,
    /// Which of the descriptors that were sent is the directory to begin with; none where it is inherited.
    pub(crate) base: Option<u32>,
    pub(crate) directory: Option<OsString>,
    pub(crate) redirects: [Redirect; 3],
    pub(crate) session: bool,
    pub(crate) tree: Option<Root>,
    pub(crate) nice: Option<i32>,
    pub(crate) cpus: Option<Vec<u32>>,
    pub(crate) limits: Limits,
}

/// How the process holds what it starts together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Root {
    /// It enters a control group, by writing to this one of the descriptors that were sent.
    Group(u32),
    Subreaper,
}

/// What the process may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) memory: Option<u64>,
    pub(crate) cpu: Option<Duration>,
    pub(crate) time: Option<Duration>,
    pub(crate) files: Option<u64>,
    pub(crate) file_size: Option<u64>,
    pub(crate) core: Option<u64>,
}

/// One wish, as errors name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Setting {
    Environment,
    Directory,
    Streams,
    Session,
    Tree,
    Nice,
    Affinity,
    Memory,
    CpuTime,
    WallTime,
    OpenFiles,
    FileSize,
    CoreSize,
}

impl Setting {
    /// Returns what was tried, for "failed to ... process 'x'".
    pub(crate) fn operation(self) -> &'static str {
        match self {
            Self::Environment => "set the environment of",
            Self::Directory => "set the working directory of",
            Self::Streams => "redirect the standard streams of",
            Self::Session => "make a session for",
            Self::Tree => "hold together what is started by",
            Self::Nice => "set the niceness of",
            Self::Affinity => "choose the CPUs of",
            Self::Memory => "limit the memory of",
            Self::CpuTime => "limit the CPU time of",
            Self::WallTime => "limit the time of",
            Self::OpenFiles => "limit the open files of",
            Self::FileSize => "limit the size of files of",
            Self::CoreSize => "limit the core dumps of",
        }
    }
}

/// Why a wish could not be fulfilled, as the new process tells it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unset {
    pub(crate) setting: Setting,
    /// The kernel's error number, or 0 with a text.
    pub(crate) errno: i32,
    pub(crate) text: String,
}

impl Unset {
    /// Says that the kernel refused.
    pub(crate) fn by_kernel(setting: Setting, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        let errno = error.raw_os_error().unwrap_or(0);
        let text = if errno == 0 { error.to_string() } else { String::new() };
        Self { setting, errno, text }
    }

    /// Says what is wrong with the wish itself.
    pub(crate) fn because(setting: Setting, text: String) -> Self {
        Self { setting, errno: 0, text }
    }

    pub(crate) fn into_io(self) -> io::Error {
        match self.errno {
            0 => io::Error::new(io::ErrorKind::InvalidInput, self.text),
            errno => io::Error::from_raw_os_error(errno),
        }
    }
}

impl Settings {
    /// Says whether the kernel may refuse any of it, so that the start waits for the new process's word.
    pub(crate) fn may_fail(&self) -> bool {
        let Self {
            environment: _,
            base: _,
            directory,
            redirects: _,
            session,
            tree,
            nice,
            cpus,
            limits,
        } = self;
        let none = Limits::default();
        directory.is_some()
            || *session
            || tree.is_some()
            || nice.is_some()
            || cpus.is_some()
            || *limits != none
    }
}

/// Changes of the environment, in the order in which they were asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Environment {
    clear: bool,
    changes: Vec<(OsString, Option<OsString>)>,
}

impl Environment {
    pub(crate) fn clear(&mut self) {
        self.clear = true;
        self.changes.clear();
    }

    pub(crate) fn change(&mut self, name: OsString, value: Option<OsString>) {
        self.changes.push((name, value));
    }

    pub(crate) fn is_unchanged(&self) -> bool {
        !self.clear && self.changes.is_empty()
    }

    /// Says what no environment can hold.
    pub(crate) fn check(&self) -> Result<(), Unset> {
        let has = |text: &OsStr, byte: u8| text.as_bytes().contains(&byte);
        for (name, value) in &self.changes {
            if name.is_empty() || has(name, b'=') || has(name, 0) {
                let text = format!("{name:?} is no name of a variable");
                return Err(Unset::because(Setting::Environment, text));
            }
            if value.as_ref().is_some_and(|value| has(value, 0)) {
                let text = format!("the value of {name:?} contains a nul");
                return Err(Unset::because(Setting::Environment, text));
            }
        }
        Ok(())
    }

    /// Returns an environment with the changes made, as `name=value`.
    pub(crate) fn strings(
        &self,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> impl Iterator<Item = CString> {
        self.applied_to(environment).into_iter().filter_map(|(name, value)| {
            CString::new([name.as_bytes(), b"=", value.as_bytes()].concat()).ok()
        })
    }

    /// Returns an environment with the changes made.
    pub(crate) fn applied_to(
        &self,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Vec<(OsString, OsString)> {
        let mut result: Vec<_> = if self.clear { Vec::new() } else { environment.collect() };
        for (name, value) in &self.changes {
            let at = result.iter().position(|(other, _)| other == name);
            match (at, value) {
                (Some(at), Some(value)) => result[at].1.clone_from(value),
                (Some(at), None) => drop(result.remove(at)),
                (None, Some(value)) => result.push((name.clone(), value.clone())),
                (None, None) => {}
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    #[test]
    fn changes_are_made_in_their_order() {
        let mut changes = Environment::default();
        changes.change("A".into(), Some("2".into()));
        changes.change("B".into(), None);
        changes.change("C".into(), Some("3".into()));
        let old = pairs(&[("A", "1"), ("B", "1")]);
        assert_eq!(changes.applied_to(old.clone().into_iter()), pairs(&[("A", "2"), ("C", "3")]));
        changes.clear();
        changes.change("D".into(), Some("4".into()));
        assert_eq!(changes.applied_to(old.into_iter()), pairs(&[("D", "4")]));
    }

    #[test]
    fn names_that_no_environment_can_hold_are_told() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0")] {
            let mut changes = Environment::default();
            changes.change(name.into(), Some(value.into()));
            assert!(changes.check().is_err(), "{name:?} {value:?}");
        }
    }

    #[test]
    fn only_what_the_kernel_may_refuse_is_waited_for() {
        let mut settings = Settings::default();
        settings.redirects[1] = Redirect::Null;
        settings.environment.clear();
        assert!(!settings.may_fail());
        settings.limits.core = Some(0);
        assert!(settings.may_fail());
    }
}
