//! Where a filter of system calls forbids what the fork server needs, another way is taken, and told.
#![allow(clippy::unwrap_used, reason = "only tests use it")]
#![allow(unsafe_code, reason = "installs a filter of system calls")]

use proc_spawn::{Builder, StartMethod, spawn};

/// Has the kernel refuse one system call, to this process and all below it.
fn forbid(call: libc::c_long, error: i32) {
    let statement = |code: u32, k: u32, jt: u8, jf: u8| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let number = 0; // Where the call's number is in the data that the filter sees.
    let mut filter = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, number, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, u32::try_from(call).unwrap(), 0, 1),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_ERRNO | error.cast_unsigned(),
            0,
            0,
        ),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_mut_ptr() };
    // SAFETY: it takes numbers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let mode = libc::SECCOMP_MODE_FILTER;
    // SAFETY: the program is filled, and read during the call.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) }, 0);
}

/// Says how processes are made when the call is refused, the first and the second.
fn methods(call: libc::c_long, error: i32) -> (Option<bool>, Option<bool>) {
    let process = spawn((call, error), |call, error| {
        forbid(call, error);
        let start = || {
            let builder = Builder::new().method(StartMethod::ForkServer).env("MARK", "here");
            let process = builder.spawn((4,), |x| (x + 1, std::env::var("MARK").unwrap())).unwrap();
            let copied = process.method().map(|method| method == StartMethod::ForkServer);
            assert_eq!(process.join().unwrap(), (5, "here".to_string()));
            copied
        };
        (start(), start())
    });
    process.unwrap().join().unwrap()
}

#[test]
fn without_clone3_there_is_clone() {
    assert_eq!(methods(libc::SYS_clone3, libc::ENOSYS), (Some(true), Some(true)));
}

#[test]
fn without_the_robust_list_processes_are_spawned() {
    assert_eq!(methods(libc::SYS_get_robust_list, libc::EPERM), (Some(false), Some(false)));
}

#[test]
fn without_the_cheap_look_for_threads_there_is_the_dear_one() {
    assert_eq!(methods(libc::SYS_unshare, libc::EPERM), (Some(true), Some(true)));
}
