//! `posix_spawn` of the program itself.
//!
//! Not through `std::process`: that forks when anything special is asked for, which takes the
//! longer the larger this process is.
#![allow(unsafe_code, reason = "posix_spawn and its attribute objects are C")]

use crate::boot::{VALUE, VALUE_CLOSE, VARIABLE};
use crate::settings::Environment;
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, WaitId, WaitIdOptions, pidfd_open, waitid};
use std::ffi::{CString, OsString, c_char, c_int};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::ptr;

type AddCloseFrom = unsafe extern "C" fn(*mut libc::posix_spawn_file_actions_t, c_int) -> c_int;

// glibc has this function since 2.34. Weak, so that the program also links and runs with an older
// one, where the word stays null.
std::arch::global_asm!(
    ".pushsection .data.rel.ro.proc_spawn_closefrom,\"aw\",@progbits",
    ".p2align 3",
    ".weak posix_spawn_file_actions_addclosefrom_np",
    concat!(".globl proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_closefrom"),
    concat!(".hidden proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_closefrom"),
    concat!("proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_closefrom:"),
    ".8byte posix_spawn_file_actions_addclosefrom_np",
    ".popsection",
);

unsafe extern "C" {
    #[link_name = concat!("proc_spawn_", env!("CARGO_PKG_VERSION_MINOR"), "_closefrom")]
    static ADD_CLOSE_FROM: Option<AddCloseFrom>;
}

/// Starts the program with `boot` as its descriptor 0; returns its pid and a pidfd.
pub(super) fn spawn(boot: BorrowedFd<'_>, changes: &Environment) -> io::Result<(Pid, OwnedFd)> {
    let mut actions = Actions::new()?;
    // The same number on both sides is no mistake: it then only loses its close-on-exec flag.
    actions.duplicate(boot, 0)?;
    let value = if actions.close_from(3)? { VALUE } else { VALUE_CLOSE };
    let attributes = Attributes::with_no_signal_blocked()?;
    let arguments: Vec<CString> = std::env::args_os().filter_map(c_string).collect();
    let environment = environment(value, changes);
    let (argv, envp) = (pointers(&arguments), pointers(&environment));
    let mut pid = 0;
    // SAFETY: both objects are initialised; both arrays hold strings that outlive the call and end
    // with a null; the path is a string.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            c"/proc/self/exe".as_ptr(),
            &raw const actions.0,
            &raw const attributes.0,
            argv.as_ptr(),
            envp.as_ptr(),
        )
    };
    check(error)?;
    let pid = Pid::from_raw(pid).ok_or_else(|| io::Error::other("the new process has no pid"))?;
    look_after(pid)
}

/// Gets the pidfd of a new child.
pub(super) fn look_after(pid: Pid) -> io::Result<(Pid, OwnedFd)> {
    match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(pidfd) if is_child(WaitId::PidFd(pidfd.as_fd())) => Ok((pid, pidfd)),
        // It has ended, and the kernel reaped it because the program ignores SIGCHLD, or another thread
        // did. The number may be a stranger's by now, who must not be killed. What stands in for its pidfd is
        // readable, as that of a process that has ended.
        Ok(_) | Err(Errno::SRCH) => Ok((pid, eventfd(1, EventfdFlags::CLOEXEC)?)),
        Err(error) => {
            // Out of descriptors. Without a pidfd we could not look after it.
            if is_child(WaitId::Pid(pid)) {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
            }
            Err(error.into())
        }
    }
}

/// Says whether a process is a child of ours that nobody has waited for. It stays so.
fn is_child(id: WaitId<'_>) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(id, look), Err(Errno::CHILD))
}

/// Returns this process's environment with the changes made, and with our variable in it, once.
fn environment(value: &str, changes: &Environment) -> Vec<CString> {
    let ours = VARIABLE.to_bytes();
    let mut strings = Vec::new();
    for (name, content) in changes.applied_to(std::env::vars_os()) {
        let mut entry = name.into_vec();
        if entry == ours {
            continue;
        }
        entry.push(b'=');
        entry.extend_from_slice(&content.into_vec());
        strings.extend(CString::new(entry));
    }
    strings.extend(CString::new([ours, b"=", value.as_bytes()].concat()));
    strings
}

fn c_string(text: OsString) -> Option<CString> {
    CString::new(text.into_vec()).ok()
}

pub(super) fn pointers(strings: &[CString]) -> Vec<*mut c_char> {
    strings.iter().map(|s| s.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

fn check(error: c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}

struct Actions(libc::posix_spawn_file_actions_t);

impl Actions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: it initialises the object, which may be moved afterwards.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: it has been initialised.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    fn duplicate(&mut self, from: BorrowedFd<'_>, to: c_int) -> io::Result<()> {
        let from = from.as_raw_fd();
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, from, to) })
    }

    /// Closes all descriptors from `first` on; `false` when the C library cannot.
    fn close_from(&mut self, first: c_int) -> io::Result<bool> {
        // SAFETY: a word that the loader filled; never written.
        let Some(add) = (unsafe { ADD_CLOSE_FROM }) else { return Ok(false) };
        // SAFETY: the object is initialised, and the function is the one of that name.
        check(unsafe { add(&raw mut self.0, first) })?;
        Ok(true)
    }
}

impl Drop for Actions {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used again.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

struct Attributes(libc::posix_spawnattr_t);

impl Attributes {
    /// A thread that blocks signals must not have children that can never be terminated.
    fn with_no_signal_blocked() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: it initialises the object, which may be moved afterwards.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: it has been initialised.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let mut none = MaybeUninit::uninit();
        // SAFETY: it initialises the set.
        unsafe { libc::sigemptyset(none.as_mut_ptr()) };
        // SAFETY: both objects are initialised.
        check(unsafe { libc::posix_spawnattr_setsigmask(&raw mut attributes.0, none.as_ptr()) })?;
        #[allow(clippy::cast_possible_truncation, reason = "the flag is 8")]
        let flags = libc::POSIX_SPAWN_SETSIGMASK as libc::c_short;
        // SAFETY: the object is initialised.
        check(unsafe { libc::posix_spawnattr_setflags(&raw mut attributes.0, flags) })?;
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: initialised, and not used again.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::getppid;

    #[test]
    fn a_stranger_s_number_gives_nothing_that_could_kill_it() {
        let (_, fd) = look_after(getppid().unwrap()).unwrap();
        let target = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap();
        assert!(target.to_string_lossy().contains("eventfd"), "{target:?}");
    }
}
