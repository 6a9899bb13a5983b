//! The lock word: who holds it, whether somebody sleeps, who died.
//!
//! ```text
//! lock      bit  31      WAITERS    set while the lock is held: the kernel wakes one if the owner dies
//!           bit  30      DIED       the last owner died holding it (only the kernel sets this)
//!           bits 29..0   owner      thread id, 0 when free
//! sleepers  bit  31      ASKS       somebody who looks asks to be let in; only a hint
//!           bits 30..0   a count of its changes  odd: somebody sleeps, or may
//! ```
//!
//! | `lock` | who may change it | to what |
//! |---|---|---|
//! | free | any locker | owner |
//! | free, DIED | any locker | owner, told that the owner died |
//! | owner | the owner, by a plain store | free |
//! | owner | the kernel, when the owner dies | free, DIED, and wakes one |
//!
//! | `sleepers` | who may change it | to what |
//! |---|---|---|
//! | even | a waiter, before it sleeps | + 1 |
//! | odd | a releaser that has woken nobody | + 1, and all who sleep are woken: one system call. Carried out of the count it changes ASKS, a hint |
//! | any | one who looks in vain for a while | ASKS |
//! | ASKS | a releaser | no ASKS; if it wakes nobody it waits a moment for the lock to be taken |
//! | even, ASKS | a waiter, before it sleeps | + 1, no ASKS |
//!
//! A release stores 0 and *then* looks for sleepers; a waiter says that it is there, has the kernel fence
//! all releasers ([`fence::heavy`]), and then looks at the lock: one of the two sees the other, and the
//! release needs no locked instruction. The waiter sleeps only if `sleepers` is still what it was before
//! *its own* fence: what another has said since, who was killed before its fence, proves nothing. So while
//! anyone sleeps, `sleepers` is odd.
//!
//! `sleepers` *stays* odd across releases, so whoever takes a lock on which somebody may sleep wakes in
//! turn. That closes the two hangs of the usual protocol ("store 0, then wake"): a releaser killed between
//! the two while another thread barges in, and a woken sleeper killed before it has the lock. In both
//! the barger's own release wakes the next; if there is no barger the kernel does, for the word is
//! announced ([`Thread::announce`]). A barger that is killed, too, was an owner with WAITERS.
//!
//! An owner that comes back at once would be faster for ever: its release and its next taking leave no
//! time to see the lock free from another core. So who looks *asks*, and is let in every few microseconds,
//! which costs less than a turn for each. Nothing rests on ASKS: if its asker is killed, the next release takes
//! a microsecond longer.
//!
//! All interleavings of four processes with two kills: `tests/model`. Before Linux 6.2 the kernel passes a
//! wake on only if the word is 0, not if it is DIED: there, when an owner, and then the sleeper whom that
//! woke, are killed, the next one is left to its [`BELT`].

use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::time::Duration;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::deadline::Deadline;
use crate::fence;
use crate::futex;
use crate::robust::Thread;
use crate::spin::{self, Spin};
use crate::sync::AtomicU32;

/// The bits of a word that name a thread, as the kernel has it.
pub(crate) const OWNER: u32 = (1 << 30) - 1;
const DIED: u32 = 1 << 30;
/// Tells the kernel to wake one sleeper when the thread named beside it dies.
pub(crate) const WAITERS: u32 = 1 << 31;
/// In `sleepers`.
const ASKS: u32 = 1 << 31;

/// How long a waiter sleeps before it asks whether the owner still exists.
///
/// The kernel tells of every death that it can see. This catches what it cannot: a list cut short by
/// an entry that somebody unmapped, more locks than it visits, a thread that became another program
/// without being the first of its process (it takes that one's id before its list is walked).
const BELT: Duration = Duration::from_secs(1);

/// How long a waiter sleeps when the kernel does not fence the releasers.
const UNFENCED: Duration = Duration::from_millis(1);

/// The two words, beside each other.
#[repr(C, align(8))]
#[derive(Debug)]
pub(crate) struct Word {
    lock: AtomicU32,
    sleepers: AtomicU32,
}

const _: () = assert!(size_of::<Word>() == 8);

/// A lock that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Who took it.
    tid: u32,
    /// The previous owner died holding it.
    pub(crate) owner_died: bool,
}

impl Taken {
    /// What the thread that has the lock took, for a second guard of its.
    pub(crate) fn again(me: Thread) -> Self {
        Self { tid: me.tid(), owner_died: false }
    }

    /// Says whether this thread took it, rather than inherited a copy of this by a fork.
    #[inline]
    pub(crate) fn is_by(self, me: Thread) -> bool {
        self.tid == me.tid()
    }
}

impl Word {
    /// Makes a free lock, as all-zero memory is.
    pub(crate) const fn new() -> Self {
        Self { lock: AtomicU32::new(0), sleepers: AtomicU32::new(0) }
    }

    /// Returns the address that is announced to the kernel.
    #[inline]
    pub(crate) fn address(&self) -> *const u8 {
        self.lock.as_ptr().cast()
    }

    /// Returns the thread id of the owner, or 0.
    ///
    /// Part of the total order with a taking: of one who stores a word and then finds no owner here, and
    /// one who takes the lock and then loads that word, both in `SeqCst`, the second sees the store.
    #[inline]
    pub(crate) fn owner(&self) -> u32 {
        self.lock.load(SeqCst) & OWNER
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_acquire(&self, me: Thread) -> Option<Taken> {
        let mut seen = self.lock.load(Relaxed);
        while seen & OWNER == 0 {
            // SeqCst: an Acquire that pairs with the Release in `release`, and with the kernel's store
            // for a dead owner; and see `owner`. It costs x86 nothing more.
            match self.lock.compare_exchange_weak(seen, me.tid() | WAITERS, SeqCst, Relaxed) {
                Ok(_) => return Some(Taken { tid: me.tid(), owner_died: seen & DIED != 0 }),
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Takes the lock, sleeping until the deadline while another has it.
    ///
    /// The caller has announced the word, so that a wake-up is passed on should it die in here.
    #[inline]
    pub(crate) fn acquire(&self, me: Thread, spin: &Spin, deadline: Deadline) -> Option<Taken> {
        self.try_acquire(me).or_else(|| self.acquire_slow(me, spin, deadline))
    }

    #[cold]
    fn acquire_slow(&self, me: Thread, spin: &Spin, deadline: Deadline) -> Option<Taken> {
        let mut looks = true;
        loop {
            // Also after a wake-up that came with the deadline: it may be the only one there is.
            let taken = if looks { self.look(me, spin) } else { self.try_acquire(me) };
            if taken.is_some() {
                return taken;
            }
            let Some(sleepers) = self.say_here() else { continue };
            let slice = deadline.slice(if fence::heavy() { BELT } else { UNFENCED });
            let seen = self.lock.load(Relaxed);
            if seen & OWNER == 0 {
                continue;
            }
            // Who was woken and finds the lock taken need not sleep again at once; who only looks around must.
            looks =
                futex::wait_any(&[(&self.lock, seen), (&self.sleepers, sleepers)], slice).is_some();
            if !looks && let Some(taken) = self.take_from_the_lost(me) {
                return Some(taken);
            }
            // After a wake-up, too: there may be one all the time. The last try is for one that came just now.
            if deadline.has_passed() {
                return self.try_acquire(me);
            }
        }
    }

    /// Tries to take the lock for a short time, and asks its owners to be let in.
    fn look(&self, me: Thread, spin: &Spin) -> Option<Taken> {
        let mut taken = None;
        // Relaxed: a hint, which carries nothing.
        let ask = || _ = self.sleepers.fetch_or(ASKS, Relaxed);
        spin.until_let_in(ask, || {
            taken = self.try_acquire(me);
            taken.is_some()
        });
        taken
    }

    /// Says that somebody may sleep from now on, unless that has been said; returns the word that says so.
    fn say_here(&self) -> Option<u32> {
        // Relaxed: the fence orders it; it pairs with the load in `release`.
        let seen = self.sleepers.load(Relaxed);
        if seen % 2 == 1 {
            return Some(seen);
        }
        // Who goes to sleep is woken, and needs nobody to wait for it.
        let said = (seen & !ASKS) + 1;
        self.sleepers.compare_exchange(seen, said, Relaxed, Relaxed).is_ok().then_some(said)
    }

    /// Gives the lock up, and wakes one sleeper if there may be any. Only the owner may.
    #[inline]
    pub(crate) fn release(&self) {
        // Release: pairs with the taking in `try_acquire`.
        self.lock.store(0, Release);
        fence::light();
        // Relaxed: the fence orders it; it pairs with the change in `say_here`.
        let sleepers = self.sleepers.load(Relaxed);
        if sleepers & (ASKS | 1) != 0 {
            self.after_release(sleepers);
        }
    }

    /// Does what `sleepers`, seen after the lock was free, asks for.
    #[cold]
    fn after_release(&self, sleepers: u32) {
        if sleepers & ASKS != 0 {
            // Relaxed: as in `look`.
            self.sleepers.fetch_and(!ASKS, Relaxed);
        }
        if sleepers % 2 == 1 {
            self.wake();
        } else {
            spin::give_way(|| self.lock.load(Relaxed) != 0);
        }
    }

    /// Undoes a taking: the next one to take the lock is told what this one was.
    #[cold]
    pub(crate) fn put_back(&self, taken: Taken) {
        // Release: as in `release`, which wakes whoever waits; that one finds this.
        self.lock.store(if taken.owner_died { DIED | WAITERS } else { 0 }, Release);
        fence::light();
        if self.sleepers.load(Relaxed) % 2 == 1 {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if futex::wake(&self.lock, 1) == 0 {
            // Whoever went to sleep since wakes up, and says again that it is there. Of two who do this at
            // once the second says that somebody may sleep: that costs the next release a system call.
            futex::add_and_wake(&self.sleepers, 1, futex::ALL);
        }
    }

    /// Takes the lock from an owner that no longer exists although the kernel said nothing.
    #[cold]
    fn take_from_the_lost(&self, me: Thread) -> Option<Taken> {
        let seen = self.lock.load(Relaxed);
        if seen & OWNER == 0 || exists(seen & OWNER) {
            return None;
        }
        // Acquire: what the dead one wrote is visible, for it made its last system call before this.
        self.lock
            .compare_exchange(seen, me.tid() | WAITERS, Acquire, Relaxed)
            .is_ok()
            .then_some(Taken { tid: me.tid(), owner_died: true })
    }
}

/// Says whether the thread exists. A zombie does not; an id that was reused only delays.
pub(crate) fn exists(tid: u32) -> bool {
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
