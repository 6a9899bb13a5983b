//! What a process has started ends with it, programs and orphans included, when that was asked for.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

mod support;

use proc_spawn::{Builder, Process, StartMethod, Tree, spawn};
use std::process::{Command, Stdio};
use std::time::Duration;
use support::{Handle, Watched};

#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum End {
    Killed,
    Exits,
    Crashes,
}

/// Starts a program in a session of its own, whose parent ends at once; the program tells its pid.
fn start_orphan(pids: &Handle) {
    let script = "setsid sh -c 'echo $$; exec sleep 600' &";
    let stdout = Stdio::from(pids.file());
    let done = Command::new("sh").args(["-c", script]).stdout(stdout).status().unwrap();
    assert!(done.success());
}

fn root(pids: Handle, release: Handle, end: End) {
    start_orphan(&pids);
    // And one that is a child still.
    let mut child = Command::new("sh");
    child.args(["-c", "echo $$; exec sleep 600"]).stdout(Stdio::from(pids.file()));
    drop(child.spawn().unwrap());
    drop(pids);
    release.read_to_end();
    if end == End::Crashes {
        std::process::abort();
    }
}

/// Returns the root, its two programs, and what releases it.
fn family(builder: &Builder, end: End) -> (Process<()>, Vec<Watched>, Handle) {
    let (reader, writer) = Handle::pipe();
    let (wait, release) = Handle::pipe();
    let process = builder.spawn((writer, wait, end), root).unwrap();
    let pids = || Watched::new(reader.read_line().parse().unwrap());
    let programs = vec![pids(), pids()];
    (process, programs, release)
}

fn ends_with_its_root(builder: &Builder, end: End) -> Option<Tree> {
    let (process, programs, release) = family(builder, end);
    assert!(programs.iter().all(|program| !program.has_ended()));
    if end == End::Killed {
        process.kill().unwrap();
    }
    drop(release);
    let status = process.wait();
    match end {
        End::Killed => assert_eq!(status.signal(), Some(libc::SIGKILL)),
        End::Exits => assert!(status.success()),
        End::Crashes => assert_eq!(status.signal(), Some(libc::SIGABRT)),
    }
    programs.iter().for_each(Watched::wait);
    process.tree()
}

#[test]
fn by_whatever_is_there() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    for method in [StartMethod::Spawn, StartMethod::ForkServer] {
        let builder = Builder::new().kill_tree(true).method(method);
        let tree = ends_with_its_root(&builder, End::Killed);
        assert!(tree.is_some());
        assert_eq!(ends_with_its_root(&builder, End::Exits), tree);
        if tree == Some(Tree::Group) {
            assert_eq!(ends_with_its_root(&builder, End::Crashes), tree);
        }
    }
    assert_eq!(groups_left(), 0);
}

#[test]
fn a_tree_within_a_tree() {
    let (reader, writer) = Handle::pipe();
    let builder = Builder::new().kill_tree(true);
    let outer = builder.spawn((writer,), |writer| {
        let inner = Builder::new().kill_tree(true).spawn((writer,), |writer| {
            writer.write("born\n");
            std::thread::sleep(Duration::from_secs(600));
        });
        inner.unwrap().join().unwrap();
    });
    let outer = outer.unwrap();
    assert_eq!(reader.read_line(), "born");
    outer.kill().unwrap();
    let _ = outer.wait();
    assert_eq!(reader.read_to_end(), "");
    drop(outer);
    assert_eq!(groups_left(), 0);
}

/// Returns how many of this process's groups are left.
fn groups_left() -> usize {
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let ours = groups.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let left = |mount| {
        let name = format!("proc-spawn-{}-", std::process::id());
        let entries = std::fs::read_dir(format!("{mount}{ours}")).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&name)).count()
    };
    left("/sys/fs/cgroup") + left("/sys/fs/cgroup/unified")
}

/// Becomes a user without rights, who can make no group; without root there were none before.
fn give_up_rights() {
    if nix::unistd::setuid(nix::unistd::Uid::from_raw(65534)).is_ok() {
        // Or our children could not look at us.
        let dumpable = rustix::process::DumpableBehavior::Dumpable;
        rustix::process::set_dumpable_behavior(dumpable).unwrap();
    }
}

#[test]
fn at_the_exit_of_a_daemon_s_owner() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let (reader, writer) = Handle::pipe();
    let (wait, _release) = Handle::pipe();
    let (go, gone) = Handle::pipe();
    let owner = spawn((writer, wait, go), |pids, wait, go| {
        give_up_rights();
        let builder = Builder::new().daemon(true).may_have_children(true).kill_tree(true);
        let daemon = builder.spawn((pids, wait, End::Killed), root).unwrap();
        go.read_to_end();
        daemon.tree() == Some(Tree::Subreaper)
    });
    let programs: Vec<_> =
        (0..2).map(|_| Watched::new(reader.read_line().parse().unwrap())).collect();
    drop(gone);
    assert!(owner.unwrap().join().unwrap());
    programs.iter().for_each(Watched::wait);
}

#[test]
fn by_the_process_itself_where_no_group_can_be_made() {
    let _watchdog = testkit::watchdog(Duration::from_secs(120));
    let process = spawn((), || {
        give_up_rights();
        let builder = Builder::new().kill_tree(true);
        let killed = ends_with_its_root(&builder, End::Killed);
        (killed == ends_with_its_root(&builder, End::Exits), killed == Some(Tree::Subreaper))
    });
    assert_eq!(process.unwrap().join().unwrap(), (true, true));
}

#[test]
fn not_without_being_asked() {
    let (process, programs, release) = family(&Builder::new(), End::Exits);
    assert_eq!(process.tree(), None);
    drop(release);
    process.join().unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert!(programs.iter().all(|program| !program.has_ended()));
    // Left to nobody: ended here by name of nothing but their pids.
    programs.iter().for_each(Watched::kill);
}

#[test]
fn a_fork_of_a_parent_has_no_say_over_its_parent_s_groups() {
    let alive = spawn((), || {
        let (process, programs, release) = family(&Builder::new().kill_tree(true), End::Exits);
        // SAFETY: nothing here is shared or bound to a process.
        #[allow(unsafe_code, reason = "fork is unsafe")]
        let fork = unsafe { proc_spawn::fork(|| ()) };
        fork.unwrap().join().unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let alive = process.is_alive() && programs.iter().all(|program| !program.has_ended());
        drop(release);
        process.join().unwrap();
        programs.iter().for_each(Watched::wait);
        alive
    });
    assert!(alive.unwrap().join().unwrap());
}
