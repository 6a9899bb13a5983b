//! Default names count the starts of each process, as in Python; names that are given are kept.

use proc_spawn::{Builder, active_children, current_process, parent_process, spawn};
use std::time::Duration;

// One test: the names count the starts of the whole program.
#[test]
fn names_and_relatives() {
    let main = current_process();
    assert_eq!(
        (main.name(), main.pid(), main.is_daemon()),
        ("MainProcess", std::process::id(), false)
    );
    assert!(parent_process().is_none());

    let first = spawn((), || {
        let nested: Vec<_> = (0..2)
            .map(|_| spawn((), || current_process().name().to_string()).unwrap())
            .map(|process| process.join().unwrap())
            .collect();
        let parent = parent_process().unwrap();
        (nested, parent.name().to_string(), parent.pid(), parent.is_alive())
    })
    .unwrap();
    assert_eq!(first.name(), "Process-1");
    let (nested, parent, pid, alive) = first.join().unwrap();
    assert_eq!(nested, ["Process-1:1", "Process-1:2"]);
    assert_eq!((parent.as_str(), pid, alive), ("MainProcess", std::process::id(), true));

    let greeter = Builder::new().name("greeter").daemon(true);
    let info = || {
        let this = current_process();
        (this.name().to_string(), this.pid(), this.is_daemon())
    };
    let process = greeter.spawn((), info).unwrap();
    let pid = process.pid();
    assert!(process.is_daemon() && process.name() == "greeter");
    assert_eq!(process.join().unwrap(), ("greeter".to_string(), pid, true));
    // The named one has counted.
    let third = spawn((), || std::thread::sleep(Duration::from_secs(600))).unwrap();
    assert_eq!(third.name(), "Process-3");

    let fourth = spawn((), || std::thread::sleep(Duration::from_secs(600))).unwrap();
    let children = active_children();
    let names: Vec<_> = children.iter().map(|child| child.name()).collect();
    assert_eq!(names, ["Process-3", "Process-4"]);
    assert!(children[1].pid() == fourth.pid() && children[1].is_alive());
    assert!(!children[1].is_daemon());
    children[0].terminate().unwrap();
    children[1].kill().unwrap();
    assert_eq!(third.wait().signal(), Some(libc::SIGTERM));
    assert_eq!(fourth.wait().signal(), Some(libc::SIGKILL));
    assert!(!children[0].is_alive());
    assert!(active_children().is_empty());
}
