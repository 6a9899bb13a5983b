//! The lock word: who holds it, who sleeps, who died.
//!
//! ```text
//! bits 63..32  sequence   how often the lock was released to sleepers
//! bit  31      WAITERS    somebody sleeps, or may
//! bit  30      DIED       the last owner died holding it (only the kernel sets this)
//! bits 29..0   owner      thread id, 0 when free
//! ```
//!
//! | state | who may change it | to what |
//! |---|---|---|
//! | free | any locker | owner |
//! | free, WAITERS | any locker | owner, WAITERS **kept**; the releaser, finding nobody to wake: free |
//! | free, DIED (WAITERS) | any locker | owner (WAITERS kept), told that the owner died |
//! | owner | the owner | free |
//! | owner | a waiter | owner, WAITERS, then it sleeps |
//! | owner, WAITERS | the owner | free, WAITERS, sequence + 1; then it wakes one |
//! | owner (WAITERS) | the kernel, when the owner dies | free, DIED (WAITERS), and wakes one |
//!
//! WAITERS *stays* across a release, so whoever takes a lock on which somebody may sleep knows it and
//! wakes in turn. That closes the two hangs of the usual protocol ("store 0, then wake"): a releaser
//! killed between the two while another thread barges in, and a woken sleeper killed before it has
//! the lock. In both the barger's own release wakes the next. Clearing the bit is safe only if the
//! word has not moved since the release that found nobody: the sequence says so.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::time::Duration;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::deadline::Deadline;
use crate::futex::{self, Wait};
use crate::robust::Thread;
use crate::spin::Spin;

const OWNER: u64 = (1 << 30) - 1;
const DIED: u64 = 1 << 30;
const WAITERS: u64 = 1 << 31;
const SEQUENCE: u64 = 1 << 32;

/// How long a waiter sleeps before it asks whether the owner still exists.
///
/// The kernel tells of every death that it can see. This catches what it cannot: a list cut short by
/// an entry that somebody unmapped, more locks than it visits, a thread that became another program
/// without being the first of its process (it takes that one's id before its list is walked).
const BELT: Duration = Duration::from_secs(1);

/// A lock that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// The word as this thread left it.
    pub(crate) word: u64,
    /// The previous owner died holding it.
    pub(crate) owner_died: bool,
}

impl Taken {
    /// Says whether this thread took it, rather than inherited a copy of this by a fork.
    #[inline]
    pub(crate) fn is_by(self, me: Thread) -> bool {
        self.word & OWNER == u64::from(me.tid())
    }
}

/// Returns the thread id of the owner, or 0.
pub(crate) fn owner(word: &AtomicU64) -> u32 {
    // The mask leaves 30 bits.
    (word.load(Relaxed) & OWNER) as u32
}

/// Takes the lock if it is free.
#[inline]
pub(crate) fn try_acquire(word: &AtomicU64, me: Thread) -> Option<Taken> {
    let mut seen = word.load(Relaxed);
    while seen & OWNER == 0 {
        let mine = (seen & !DIED) | u64::from(me.tid());
        // Acquire: pairs with the Release in `release`, and with the kernel's store for a dead owner.
        match word.compare_exchange_weak(seen, mine, Acquire, Relaxed) {
            Ok(_) => return Some(Taken { word: mine, owner_died: seen & DIED != 0 }),
            Err(now) => seen = now,
        }
    }
    None
}

/// Takes the lock, sleeping until the deadline while another has it.
///
/// The caller has announced the word, so that a wake-up is passed on should it die in here.
#[inline]
pub(crate) fn acquire(
    word: &AtomicU64,
    me: Thread,
    spin: &Spin,
    deadline: Deadline,
) -> Option<Taken> {
    try_acquire(word, me).or_else(|| acquire_slow(word, me, spin, deadline))
}

#[cold]
fn acquire_slow(word: &AtomicU64, me: Thread, spin: &Spin, deadline: Deadline) -> Option<Taken> {
    spin.until(|| word.load(Relaxed) & OWNER == 0);
    loop {
        // Also after a wake-up that came with the deadline: it may be the only one there is.
        if let Some(taken) = try_acquire(word, me) {
            return Some(taken);
        }
        let seen = word.load(Relaxed);
        if seen & OWNER == 0 {
            continue;
        }
        // Relaxed: the bit carries no data; its meaning is in the word's own order of changes.
        let marked = seen & WAITERS != 0
            || word.compare_exchange_weak(seen, seen | WAITERS, Relaxed, Relaxed).is_ok();
        if !marked {
            continue;
        }
        // The kernel compares the low half: the sequence does not matter to a sleeper.
        let low = (seen | WAITERS) as u32;
        if futex::wait(futex::low_half(word), low, deadline.slice(BELT)) == Wait::TimedOut {
            if let Some(taken) = take_from_the_lost(word, me) {
                return Some(taken);
            }
            if deadline.has_passed() {
                return try_acquire(word, me);
            }
        }
    }
}

/// Gives the lock up, and wakes one sleeper if there may be any.
#[inline]
pub(crate) fn release(word: &AtomicU64, taken: Taken) {
    // Release: pairs with the Acquire in `try_acquire`.
    let free = taken.word & !OWNER;
    if taken.word & WAITERS != 0
        || word.compare_exchange(taken.word, free, Release, Relaxed).is_err()
    {
        release_to_sleeper(word, taken);
    }
}

#[cold]
fn release_to_sleeper(word: &AtomicU64, taken: Taken) {
    let mut seen = word.load(Relaxed);
    let free = loop {
        if seen & OWNER != taken.word & OWNER {
            // Not ours any more: a peer has written over it. There is nothing to give up.
            return;
        }
        let free = ((seen & !OWNER) | WAITERS).wrapping_add(SEQUENCE);
        // Release: pairs with the Acquire in `try_acquire`.
        match word.compare_exchange_weak(seen, free, Release, Relaxed) {
            Ok(_) => break free,
            Err(now) => seen = now,
        }
    };
    if futex::wake(futex::low_half(word), 1) == 0 {
        // Relaxed: fails if the word moved at all, by the sequence.
        let _ = word.compare_exchange(free, free & !WAITERS, Relaxed, Relaxed);
    }
}

/// Takes the lock from an owner that no longer exists although the kernel said nothing.
#[cold]
fn take_from_the_lost(word: &AtomicU64, me: Thread) -> Option<Taken> {
    let seen = word.load(Relaxed);
    if seen & OWNER == 0 || exists((seen & OWNER) as u32) {
        return None;
    }
    let mine = (seen & !(OWNER | DIED)) | u64::from(me.tid());
    // Acquire: what the dead one wrote is visible, for it made its last system call before this.
    word.compare_exchange(seen, mine, Acquire, Relaxed)
        .is_ok()
        .then_some(Taken { word: mine, owner_died: true })
}

/// Says whether the thread exists. A zombie does not; an id that was reused only delays.
fn exists(tid: u32) -> bool {
    let Some(pid) = i32::try_from(tid).ok().and_then(Pid::from_raw) else { return false };
    // `PIDFD_THREAD`, since Linux 6.9: without it a thread that leads no process is EINVAL, and so,
    // before 6.15, is a dead one whose id a group still bears.
    const THREAD: PidfdFlags = PidfdFlags::from_bits_retain(libc::O_EXCL.cast_unsigned());
    let opened = match pidfd_open(pid, THREAD) {
        Err(Errno::INVAL) => pidfd_open(pid, PidfdFlags::empty()),
        other => other,
    };
    match opened {
        Ok(pidfd) => {
            // A process whose threads have all ended is readable, reaped or not.
            let mut fds = [PollFd::new(&pidfd, PollFlags::IN)];
            poll(&mut fds, Some(&rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(1)
        }
        Err(error) => error != Errno::SRCH,
    }
}
