//! Where this process's control groups are.

use std::fs;
use std::path::{Path, PathBuf};

/// The two shapes of the kernel's interface, which may be mounted side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

/// A group of this process, as it is seen in the file system.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) version: Version,
    /// Its folder and those above it, the highest first.
    pub(crate) levels: Vec<PathBuf>,
}

impl Group {
    /// Returns the groups of this process that may hold files of `controller`, under a file system's root.
    pub(crate) fn of_this_process(root: &Path, controller: &str) -> Vec<Self> {
        let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
        let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let named = |list: &str| list.split(',').any(|name| name == controller);
        let found = groups.lines().filter_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (controllers, path) = (fields.next()?, fields.next()?);
            let version = match controllers {
                "" => Version::Two,
                list if named(list) => Version::One,
                _ => return None,
            };
            let mut mounts = mounts.lines();
            let mount = mounts.find_map(|line| Mount::parse(line, version, controller))?;
            Some(Self { version, levels: levels(root, &mount, path) })
        });
        found.collect()
    }

    /// Returns the folder of the group itself.
    pub(crate) fn own(&self) -> Option<&PathBuf> {
        self.levels.last()
    }
}

/// A mounted hierarchy: which group is seen where.
struct Mount<'a> {
    group: &'a str,
    at: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str, version: Version, controller: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let mut kind = kind.split(' ');
        let matches = match (kind.next()?, version) {
            ("cgroup2", Version::Two) => true,
            ("cgroup", Version::One) => kind.nth(1)?.split(',').any(|option| option == controller),
            _ => false,
        };
        let mut place = place.split(' ').skip(3);
        matches.then_some(Self { group: place.next()?, at: place.next()? })
    }
}

fn levels(root: &Path, mount: &Mount<'_>, path: &str) -> Vec<PathBuf> {
    let mut group = root.join(mount.at.trim_start_matches('/'));
    // A group outside of what is mounted here is not visible; its ancestors may be.
    let below = path.strip_prefix(mount.group.trim_end_matches('/')).unwrap_or("");
    let mut levels = vec![group.clone()];
    for part in below.split('/').filter(|part| !part.is_empty() && *part != "..") {
        group.push(part);
        levels.push(group.clone());
    }
    levels
}
