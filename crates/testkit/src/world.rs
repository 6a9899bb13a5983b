//! What others can tell of a tracee that stands: the memory that it shares with them, and the list of
//! robust futexes, which lies in its own memory and which the kernel walks when it dies.

#![allow(unsafe_code, reason = "get_robust_list(2), which nobody wraps")]

use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::unistd::Pid;
use std::fs;
use std::io::IoSliceMut;
use std::ops::Range;

/// How many entries of its list the kernel looks at.
const LONGEST_LIST: usize = 2048;

/// Head of a robust list: the first entry, the distance to its word, and the entry in between.
const HEAD: usize = 3 * size_of::<usize>();

/// All of it as it was when it was looked at last.
#[derive(Debug, Default)]
pub(crate) struct World {
    shared: Vec<Range<usize>>,
    list_head: usize,
    seen: Vec<u8>,
    /// Of the look before; kept for its memory only.
    before: Vec<u8>,
}

impl World {
    /// Finds out where it all lies, which a system call may change, and looks at it.
    pub(crate) fn chart(&mut self, pid: Pid) {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap_or_default();
        self.shared = maps.lines().filter_map(shared_range).collect();
        self.list_head = robust_list(pid);
        self.look(pid);
    }

    /// Says whether anything is other than at the last look.
    pub(crate) fn look(&mut self, pid: Pid) -> bool {
        std::mem::swap(&mut self.seen, &mut self.before);
        self.seen.clear();
        for range in &self.shared {
            read(pid, range.clone(), &mut self.seen);
        }
        let mut entry = read_words::<HEAD>(pid, self.list_head, &mut self.seen);
        for _ in 0..LONGEST_LIST {
            // The lowest bit tells the kind of a lock.
            match entry.map(|address| address & !1) {
                Some(address) if address != 0 && address != self.list_head => {
                    entry = read_words::<{ size_of::<usize>() }>(pid, address, &mut self.seen);
                }
                _ => break,
            }
        }
        self.seen != self.before
    }
}

/// Takes a line of a process's map for what it tells of memory that may be read and is shared.
fn shared_range(line: &str) -> Option<Range<usize>> {
    let (range, rest) = line.split_once(' ')?;
    let [b'r', _, _, b's', ..] = rest.as_bytes() else { return None };
    let (start, end) = range.split_once('-')?;
    Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
}

/// Adds what can be read of this memory, which ends where the file does.
fn read(pid: Pid, range: Range<usize>, to: &mut Vec<u8>) {
    let start = to.len();
    to.resize(start + range.len(), 0);
    let remote = [RemoteIoVec { base: range.start, len: range.len() }];
    let got = process_vm_readv(pid, &mut [IoSliceMut::new(&mut to[start..])], &remote);
    to.truncate(start + got.unwrap_or(0));
}

/// Adds `N` bytes and returns the first word of them.
fn read_words<const N: usize>(pid: Pid, address: usize, to: &mut Vec<u8>) -> Option<usize> {
    let start = to.len();
    read(pid, address..address + N, to);
    to[start..].first_chunk().map(|word| usize::from_ne_bytes(*word))
}

/// Returns where the head of the list of this process's only thread lies.
fn robust_list(pid: Pid) -> usize {
    let (mut head, mut len) = (0_usize, 0_usize);
    // SAFETY: the call writes one word to each of the two places, which live here.
    let rc = unsafe {
        libc::syscall(libc::SYS_get_robust_list, pid.as_raw(), &raw mut head, &raw mut len)
    };
    if rc == 0 { head } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SharedPage;
    use std::sync::atomic::Ordering::SeqCst;

    #[test]
    fn only_what_is_shared_and_readable_counts() {
        let of =
            |rights: &str| shared_range(&format!("1000-3000 {rights} 00000000 00:01 7 /memfd:x"));
        assert_eq!(of("rw-s"), Some(0x1000..0x3000));
        assert_eq!(of("r--s"), Some(0x1000..0x3000));
        assert_eq!((of("rw-p"), of("---s"), shared_range("")), (None, None, None));
    }

    #[test]
    fn a_word_in_shared_memory_is_seen_and_one_of_ones_own_is_not() {
        let page = SharedPage::new(1);
        let mut own = Box::new(0_u64);
        let this = nix::unistd::gettid();
        let mut world = World::default();
        world.chart(this);
        // Other tests run beside this one, in memory of their own.
        world.shared.retain(|range| range.contains(&page.as_ptr().addr()));
        assert_eq!(world.shared.len(), 1);
        world.look(this);
        **std::hint::black_box(&mut own) += 1;
        assert!(!world.look(this));
        page[0].store(1, SeqCst);
        assert!(world.look(this));
        assert!(!world.look(this));
    }

    #[test]
    fn an_entry_in_the_list_of_robust_futexes_is_seen_wherever_it_lies() {
        /// Linked as the kernel wants it; here it is nobody's lock.
        struct Entry {
            next: usize,
        }
        let this = nix::unistd::gettid();
        let mut world = World::default();
        world.chart(this);
        world.shared.clear();
        world.look(this);
        let head: *mut usize = std::ptr::with_exposed_provenance_mut(world.list_head);
        let entry = Box::new(Entry { next: world.list_head });
        // SAFETY: glibc registered this word for this thread, which alone uses it, and holds no robust mutex.
        let empty = unsafe { head.read() };
        // SAFETY: as above; the entry lives until it is taken out again.
        unsafe { head.write((&raw const entry.next).expose_provenance()) };
        let linked = world.look(this);
        // SAFETY: as above.
        unsafe { head.write(empty) };
        assert_eq!((linked, world.look(this), world.look(this)), (true, true, false));
    }
}
