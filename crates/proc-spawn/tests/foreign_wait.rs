//! Where somebody else takes the children's status, results arrive all the same.

use proc_spawn::{ExitStatus, active_children, spawn};

#[test]
fn a_program_that_ignores_sigchld_gets_results_and_unknown_statuses() {
    let _watchdog = testkit::watchdog(std::time::Duration::from_secs(120));
    let parent = spawn((), || {
        // SAFETY: ignoring a signal runs no code.
        #[allow(unsafe_code, reason = "no safe wrapper")]
        unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_IGN)
        };
        for number in 0..20u32 {
            let process = spawn((number,), |number| number * 2).unwrap();
            assert_eq!(process.wait(), ExitStatus::Unknown);
            assert_eq!(process.join().unwrap(), number * 2);
        }
        active_children().len()
    })
    .unwrap();
    assert_eq!(parent.join().unwrap(), 0);
}

#[test]
fn a_wait_for_any_child_takes_the_status_and_not_the_result() {
    let _watchdog = testkit::watchdog(std::time::Duration::from_secs(120));
    let parent = spawn((), || {
        let process = spawn((), || "here".to_string()).unwrap();
        let taken = nix::sys::wait::wait().unwrap().pid().unwrap().as_raw();
        assert_eq!(taken.cast_unsigned(), process.pid());
        assert!(!process.is_alive());
        assert_eq!(process.exit_status(), Some(ExitStatus::Unknown));
        process.kill().unwrap();
        process.join().unwrap()
    })
    .unwrap();
    assert_eq!(parent.join().unwrap(), "here");
}
