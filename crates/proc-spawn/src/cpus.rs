//! How many CPUs this process may use.

use crate::cgroup::{Group, Version};
use rustix::thread::sched_getaffinity;
use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;

/// Returns how many CPUs this process may use: how many workers are worth having.
///
/// It is the smaller of the process's CPU affinity and the quota of its cgroups (version 1 or 2,
/// all levels), a part of a CPU counting as one. At least 1. It is looked up at each call, as both
/// may change.
///
/// ```
/// println!("CPU number: {}", proc_spawn::cpu_count());
/// ```
#[must_use]
pub fn cpu_count() -> NonZeroUsize {
    let allowed = affinity().unwrap_or(NonZeroUsize::MIN);
    quota(Path::new("/")).map_or(allowed, |quota| quota.min(allowed))
}

fn affinity() -> Option<NonZeroUsize> {
    match sched_getaffinity(None) {
        Ok(set) => usize::try_from(set.count()).ok().and_then(NonZeroUsize::new),
        // More CPUs than the set can hold.
        Err(_) => std::thread::available_parallelism().ok(),
    }
}

/// Returns the smallest quota on the way from our cgroup to the root, under a file system's root.
fn quota(root: &Path) -> Option<NonZeroUsize> {
    let groups = Group::of_this_process(root, "cpu");
    let levels = groups.iter().flat_map(|group| {
        let version = group.version;
        group.levels.iter().filter_map(move |level| quota_of(level, version))
    });
    levels.min()
}

fn quota_of(group: &Path, version: Version) -> Option<NonZeroUsize> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let (quota, period) = match version {
        Version::Two => {
            let max = read("cpu.max")?;
            let (quota, period) = max.trim().split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
        Version::One => (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?),
    };
    // `max` and -1 are no numbers here: no quota.
    let quota: usize = quota.trim().parse().ok()?;
    let period: usize = period.trim().parse().ok().filter(|period| *period > 0)?;
    NonZeroUsize::new(quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    struct Tree(PathBuf);

    impl Tree {
        fn new(files: &[(&str, &str)]) -> Self {
            use std::sync::atomic::{AtomicU32, Ordering};
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let root = std::env::temp_dir().join(format!("cpus-{}-{number}", std::process::id()));
            for (name, content) in files {
                let path = root.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            Self(root)
        }

        fn quota(&self) -> Option<usize> {
            quota(&self.0).map(NonZeroUsize::get)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const MOUNT_2: (&str, &str) = (
        "proc/self/mountinfo",
        "25 1 0:22 / /proc rw - proc proc rw\n30 25 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
    );

    #[test]
    fn version_2_takes_the_smallest_of_all_levels_and_rounds_up() {
        let files = [
            ("proc/self/cgroup", "0::/a/b\n"),
            MOUNT_2,
            ("sys/fs/cgroup/a/cpu.max", "150000 100000\n"),
            ("sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"),
        ];
        assert_eq!(Tree::new(&files).quota(), Some(2));
    }

    #[test]
    fn no_limit_is_none_and_a_tenth_of_a_cpu_is_one() {
        let max =
            [("proc/self/cgroup", "0::/\n"), MOUNT_2, ("sys/fs/cgroup/cpu.max", "max 100000\n")];
        assert_eq!(Tree::new(&max).quota(), None);
        let tenth =
            [("proc/self/cgroup", "0::/\n"), MOUNT_2, ("sys/fs/cgroup/cpu.max", "10000 100000\n")];
        assert_eq!(Tree::new(&tenth).quota(), Some(1));
        assert_eq!(Tree::new(&[]).quota(), None);
    }

    #[test]
    fn version_1_in_a_container_that_sees_its_group_as_the_root() {
        let files = [
            ("proc/self/cgroup", "4:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/\n"),
            (
                "proc/self/mountinfo",
                "30 25 0:26 /docker/x /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                 31 25 0:27 /docker/x /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n",
            ),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(Tree::new(&files).quota(), Some(3));
        let unlimited = [
            files[0],
            files[1],
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(Tree::new(&unlimited).quota(), None);
    }

    #[test]
    fn this_process_has_no_more_cpus_than_the_kernel_allows_it() {
        let allowed = usize::try_from(sched_getaffinity(None).unwrap().count()).unwrap();
        assert!((1..=allowed).contains(&cpu_count().get()));
    }
}
