//! The list that the kernel walks when a thread dies.
//!
//! Every thread has a head, registered by its libc: `list`, a chain of entries; `futex_offset`, the
//! distance from an entry to its lock word; `pending`, one more entry that is being linked or
//! unlinked. When the thread ends, however it ends, the kernel visits each entry; where the word
//! names the thread it sets `OWNER_DIED` and wakes one sleeper, and for `pending` it passes a wake on
//! even if the word is free.
//!
//! The kernel keeps one head per thread and libc owns it, so we live in libc's: our entries keep its
//! distance (-32 on 64-bit glibc) and mend its back pointers (one word before an entry), and glibc's
//! own robust mutexes work in between. An entry of ours always lies in *private* memory (see
//! [`crate::segment`]): no peer can make this process write through a pointer.
//!
//! A `fork` of libc's tells us, so that the child asks for its own id and head; after a raw `clone` the child
//! must tell us ([`after_raw_clone`]), or not touch locks that it inherited.
//!
//! The kernel reads all this in the context of the thread itself, so program order is enough:
//! relaxed stores with compiler fences.
//!
//! Source: the kernel's `Documentation/locking/robust-futexes.rst` and `kernel/futex/core.c`.

#![allow(unsafe_code, reason = "talks to libc's robust list, which is made of raw pointers")]

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, Ordering, compiler_fence};
use std::io;

/// The distance from an entry back to its lock word that this crate can live with.
pub(crate) const ENTRY_AFTER_WORD: usize = 32;
/// Where libc keeps an entry's back pointer, counted back from the entry.
const BACK_POINTER: usize = 8;
/// The kernel visits 2,048 entries; a lock beyond that would be lost. Some are left for libc's own.
pub(crate) const MOST_LINKED: u32 = 1_900;
/// No list is longer than this, however it was garbled.
const MOST_WALKED: usize = 1 << 20;

/// One link of the chain, as the kernel reads it. Its low bit is libc's mark for another lock kind.
#[repr(transparent)]
#[derive(Debug)]
pub(crate) struct Entry {
    next: AtomicPtr<Entry>,
}

const _: () = assert!(size_of::<Entry>() == 8);

#[repr(C)]
struct Head {
    list: Entry,
    futex_offset: isize,
    pending: AtomicPtr<Entry>,
}

const _: () = assert!(size_of::<Head>() == 24);

struct Me {
    head: Cell<*const Head>,
    tid: Cell<u32>,
    linked: Cell<u32>,
}

thread_local! {
    static ME: Me = const {
        Me { head: Cell::new(ptr::null()), tid: Cell::new(0), linked: Cell::new(0) }
    };
}

/// This thread, as the kernel knows it. Cannot leave the thread.
#[derive(Clone, Copy)]
pub(crate) struct Thread {
    head: *const Head,
    tid: u32,
}

impl Thread {
    /// Returns the calling thread.
    #[inline]
    pub(crate) fn current() -> Self {
        ME.with(|me| {
            if me.tid.get() == 0 {
                first_use(me);
            }
            Self { head: me.head.get(), tid: me.tid.get() }
        })
    }

    /// Returns the thread's id: never 0, and below 2^30 as the kernel promises.
    #[inline]
    pub(crate) fn tid(self) -> u32 {
        self.tid
    }

    fn head(&self) -> &Head {
        // SAFETY: `first_use` set it to the head that libc registered for this thread (or to a leaked
        // one of ours); both outlive the thread, and `Thread` cannot leave it (raw pointer field).
        unsafe { &*self.head }
    }

    /// Announces the word at `word`: from here to [`Self::settle`] the kernel looks after it.
    #[inline]
    pub(crate) fn announce(&self, word: *const u8) {
        let entry = word.wrapping_add(ENTRY_AFTER_WORD).cast_mut().cast::<Entry>();
        self.head().pending.store(entry, Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
    }

    /// Ends what [`Self::announce`] began.
    #[inline]
    pub(crate) fn settle(&self) {
        compiler_fence(Ordering::SeqCst);
        self.head().pending.store(ptr::null_mut(), Ordering::Relaxed);
    }

    /// Counts the locks that this thread has linked.
    pub(crate) fn linked(self) -> u32 {
        ME.with(|me| me.linked.get())
    }

    /// Puts `entry` at the front of the chain. Its word must be announced.
    ///
    /// # Safety
    ///
    /// The entry stays mapped until [`Self::unlink`], lies [`ENTRY_AFTER_WORD`] bytes behind its
    /// lock word, and the 8 bytes before it may be overwritten at any time.
    #[inline]
    pub(crate) unsafe fn link(&self, entry: &Entry) {
        let head = self.head();
        let first = head.list.next.load(Ordering::Relaxed);
        entry.next.store(first, Ordering::Relaxed);
        // SAFETY: `first` is the head or an entry in the chain of this thread.
        unsafe { self.set_back_pointer(first, entry) };
        compiler_fence(Ordering::SeqCst);
        head.list.next.store(ptr::from_ref(entry).cast_mut(), Ordering::Relaxed);
        compiler_fence(Ordering::SeqCst);
        ME.with(|me| me.linked.set(me.linked.get() + 1));
    }

    /// Takes `entry` out of the chain. Its word must be announced.
    ///
    /// # Safety
    ///
    /// Every entry of the chain is mapped.
    #[inline]
    pub(crate) unsafe fn unlink(&self, entry: &Entry) {
        let head = self.head();
        let mut before = &head.list;
        for _ in 0..MOST_WALKED {
            let next = strip(before.next.load(Ordering::Relaxed));
            if ptr::eq(next, entry) {
                let after = entry.next.load(Ordering::Relaxed);
                // SAFETY: `after` is the head or an entry in the chain of this thread.
                unsafe { self.set_back_pointer(after, before) };
                before.next.store(after, Ordering::Relaxed);
                compiler_fence(Ordering::SeqCst);
                ME.with(|me| me.linked.set(me.linked.get().saturating_sub(1)));
                return;
            }
            if next.is_null() || ptr::eq(next, &raw const head.list) {
                return;
            }
            // SAFETY: neither null nor the head, so an entry, and the caller keeps entries mapped.
            before = unsafe { &*next };
        }
    }

    /// Tells the owner of `entry` (perhaps libc) what stands before it now.
    ///
    /// The head's own back pointer is never read by libc and lies in the line that `announce` writes:
    /// leaving it alone is half of this lock's price.
    ///
    /// # Safety
    ///
    /// `entry` is the head, or an entry in the chain of this thread.
    #[inline]
    unsafe fn set_back_pointer(&self, entry: *mut Entry, before: &Entry) {
        let entry = strip(entry);
        if entry.is_null() || ptr::eq(entry, &raw const self.head().list) {
            return;
        }
        let back = entry.cast::<u8>().wrapping_sub(BACK_POINTER).cast::<AtomicPtr<Entry>>();
        // SAFETY: libc's entries have their back pointer there, ours eight spare bytes.
        let back = unsafe { &*back };
        back.store(ptr::from_ref(before).cast_mut(), Ordering::Relaxed);
    }
}

fn strip(entry: *mut Entry) -> *mut Entry {
    entry.map_addr(|addr| addr & !1)
}

/// Asks the kernel for the thread's head and id, and arranges that a forked child asks again.
#[cold]
fn first_use(me: &Me) {
    // No `Once`: a child that is forked while another thread is inside one waits for it for ever. To
    // be registered twice does no harm.
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.load(Ordering::Relaxed) {
        // SAFETY: the handler only writes thread-local cells of the one thread that the child has.
        unsafe { libc::pthread_atfork(None, None, Some(forget_thread)) };
        REGISTERED.store(true, Ordering::Relaxed);
    }
    let head = registered_head().unwrap_or_else(|_| {
        // Without a registered head nothing is robust; `check` refuses before it comes to this.
        Box::leak(Box::new(Head {
            list: Entry { next: AtomicPtr::new(ptr::null_mut()) },
            futex_offset: 0,
            pending: AtomicPtr::new(ptr::null_mut()),
        }))
    });
    refuse_another_namespace();
    crate::fence::register();
    me.head.set(head);
    me.tid.set(rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs());
}

/// Panics in a process that was forked into another PID namespace than the one that it came from.
///
/// Segments that it inherited name threads by ids that mean others there, or nobody: it would take locks
/// from living owners.
fn refuse_another_namespace() {
    static FIRST: AtomicU64 = AtomicU64::new(0);
    let here = crate::header::pid_namespace();
    if here == 0 {
        return; // It has shut itself off from /proc since, which is no other namespace.
    }
    // Relaxed: one word, and whoever comes later only compares.
    let first = match FIRST.compare_exchange(0, here, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => here,
        Err(first) => first,
    };
    assert!(first == here, "a lock was inherited by a fork into another PID namespace");
}

/// Says whether a thread of this process has the id.
pub(crate) fn is_of_this_process(tid: u32) -> bool {
    let (process, thread) = (std::process::id(), tid);
    // SAFETY: signal 0 is sent to nobody; the kernel only looks.
    unsafe { libc::syscall(libc::SYS_tgkill, process, thread, 0) == 0 }
}

/// Does in the child of a raw `clone` what libc's handlers do in that of a `fork`.
///
/// The child must have been made by the only thread of its parent, and libc's own records of the thread
/// must be right again: its id, and its robust list.
pub fn after_raw_clone() {
    forget_thread();
}

/// In the child of a fork: another thread id, and libc has emptied the chain.
extern "C" fn forget_thread() {
    crate::fence::forget();
    crate::place::forget();
    ME.with(|me| {
        me.tid.set(0);
        me.linked.set(0);
    });
}

fn registered_head() -> io::Result<*const Head> {
    let mut head: *const Head = ptr::null();
    let mut len: usize = 0;
    // SAFETY: the kernel writes one pointer and one length; 0 means the calling thread.
    let done = unsafe { libc::syscall(libc::SYS_get_robust_list, 0, &raw mut head, &raw mut len) };
    if done != 0 {
        return Err(io::Error::last_os_error());
    }
    if head.is_null() || len != size_of::<Head>() {
        return Err(unsupported("this libc registers no robust list for its threads"));
    }
    Ok(head)
}

/// Finds out whether locks can be crash-proof here; cheap after the first call.
///
/// # Errors
///
/// `Unsupported` where the kernel refuses to tell the robust list (a seccomp filter), or where libc
/// lays it out differently (musl).
pub(crate) fn check() -> io::Result<()> {
    static GOOD: AtomicBool = AtomicBool::new(false);
    if GOOD.load(Ordering::Relaxed) {
        return Ok(());
    }
    let head = registered_head()?;
    // SAFETY: the kernel just returned it for this thread, with the length checked.
    let offset = unsafe { (*head).futex_offset };
    if offset != -ENTRY_AFTER_WORD.cast_signed() {
        return Err(unsupported(format!(
            "this libc keeps its robust list entries {offset} bytes from their locks, not -{ENTRY_AFTER_WORD}"
        )));
    }
    GOOD.store(true, Ordering::Relaxed);
    Ok(())
}

fn unsupported(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, why)
}
