//! What `/proc` tells about a thread.

use std::fs;

/// `PF_EXITING` of the kernel: set before it does anything else to a thread that ends.
const EXITING: u64 = 4;

/// Returns the state letter of the main thread of `pid`.
pub(crate) fn state(pid: i32) -> Option<char> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    after_name(&stat)?.chars().next()
}

/// Says whether that thread of `pid` has ended, or has begun to.
pub(crate) fn has_ended(pid: i32, thread: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/task/{thread}/stat")).unwrap_or_default();
    // State, parent, group, session, terminal and its group come before the flags.
    let flags = after_name(&stat).and_then(|rest| rest.split(' ').nth(6)?.parse::<u64>().ok());
    flags.is_none_or(|flags| flags & EXITING != 0)
}

/// Returns where a process that sleeps in a system call will go on.
pub(crate) fn sleeping_ip(pid: i32) -> Option<u64> {
    let line = fs::read_to_string(format!("/proc/{pid}/syscall")).ok()?;
    let ip = line.split_ascii_whitespace().next_back()?.strip_prefix("0x")?;
    u64::from_str_radix(ip, 16).ok()
}

/// Skips pid and name. The name is in parentheses and may hold any character, these included.
fn after_name(stat: &str) -> Option<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn a_name_with_parentheses_hides_nothing() {
        assert_eq!(after_name("7 (a) R (b)) S 1 2"), Some("S 1 2"));
        assert_eq!(after_name(""), None);
    }

    #[test]
    fn a_thread_has_ended_when_it_is_joined_and_not_before() {
        let pid = nix::unistd::getpid().as_raw();
        let (tell, told) = mpsc::channel();
        let (end, ending) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            tell.send(nix::unistd::gettid().as_raw()).unwrap();
            ending.recv().unwrap_err();
        });
        let tid = told.recv().unwrap();
        assert!(!has_ended(pid, tid));
        drop(end);
        thread.join().unwrap();
        assert!(has_ended(pid, tid));
    }
}
