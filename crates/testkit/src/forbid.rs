//! A kernel, or a filter, that knows a system call not.

#![allow(unsafe_code, reason = "prctl(2) with a filter, which no dependency of ours has")]

/// Has the kernel refuse this system call to the process from now on, with `EPERM`: in a [`fork`](crate::fork), for
/// it cannot be taken back.
///
/// # Panics
///
/// When the kernel takes no filters.
pub fn forbid(system_call: libc::c_long) {
    let number = u32::try_from(system_call).expect("the number of a system call");
    let filter = [
        // Load the number of the system call; if it is that one, return EPERM; else allow it.
        libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 },
        libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: number },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x0005_0000 | libc::EPERM.unsigned_abs() },
        libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: 0x7fff_0000 },
    ];
    let program = libc::sock_fprog { len: 4, filter: filter.as_ptr().cast_mut() };
    // SAFETY: no pointers.
    assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
    let (set, mode) = (libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER);
    // SAFETY: the kernel copies the program, which is whole.
    assert_eq!(unsafe { libc::prctl(set, mode, &raw const program) }, 0);
}
