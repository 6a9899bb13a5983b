//! The handle: makes or opens a barrier, and waits at it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Item;

use crate::error::Error;
use crate::handle::{Handle, Kind};

mod mapped;
mod outcome;
mod parties;
mod round;
mod waiting;
mod words;

use mapped::{Words, places};
pub use outcome::{BarrierTimeoutError, BarrierWaitResult, BrokenBarrier};
pub use parties::Parties;
use round::Stop;
use words::{BROKEN, Member, SLEEPERS};

/// A point in shared memory where threads and processes wait until so many of them have come.
///
/// It has the shape of [`std::sync::Barrier`] and the outcomes of Python's: when one of those who take
/// part dies, gives up or aborts, the others are told instead of waiting for ever.
///
/// ```
/// use proc_lock::Barrier;
///
/// let barrier = Barrier::new(2)?;
/// std::thread::scope(|scope| {
///     let other = scope.spawn(|| barrier.wait().unwrap().is_leader());
///     let leads = barrier.wait().unwrap().is_leader();
///     assert_ne!(leads, other.join().unwrap(), "one of them led");
/// });
/// # Ok::<(), proc_lock::Error>(())
/// ```
///
/// # Members
///
/// A thread is a *member* from its first wait on, until it ends in an orderly way or its process drops
/// the last handle. When a member dies in any other way (its process is killed, or ends while the
/// thread is in it), the barrier breaks at once: those who wait get [`BrokenBarrier`], and so does
/// whoever comes, until somebody says [`reset`](Self::reset). It does not matter whether the dead one
/// had arrived. With [`Parties::shrinking`] there is one fewer to wait for, instead; only the death of
/// a leader in its action still breaks the barrier.
///
/// A process that dies before its first wait is no member: nobody knows that it was to come. Who cannot
/// rely on that waits with a [timeout](Self::wait_timeout).
///
/// # When a process is killed
///
/// | it was | the others see |
/// |---|---|
/// | waiting, or somewhere else after its first wait | [`BrokenBarrier`], at once; or one less to wait for |
/// | arriving for the first time | the same, or as if it had never come |
/// | arriving last, or leading without an action | the round ends for all, or `BrokenBarrier` for all |
/// | leading, in its action | `BrokenBarrier` for all |
/// | resetting | the barrier is broken, or it is reset |
///
/// One that is stopped (`SIGSTOP`) is not dead, and is waited for.
///
/// # What a hostile peer can do
///
/// It can break the barrier, keep all waiting, or let them go early. No more depends on its words.
#[doc(alias = "pthread_barrier_t")]
#[derive(Clone)]
pub struct Barrier {
    words: Arc<Words>,
}

impl Barrier {
    /// Makes a barrier for so many, in memory that vanishes with its last handle.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for none or more than 126. Also when the kernel has no memory or descriptor left,
    /// or cannot look after a lock (musl, and some sandboxes).
    pub fn new(parties: impl Into<Parties>) -> Result<Self, Error> {
        let capacity = capacity(parties)?;
        kind().new(capacity, |_| ()).map(Self::from_handle)
    }

    /// Makes a barrier for so many, and one less for each member that dies.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    ///
    /// # Examples
    ///
    /// ```
    /// let barrier = proc_lock::Barrier::shrinking(4)?;
    /// assert_eq!(barrier.parties(), 4); // until one of them dies
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    pub fn shrinking(parties: u32) -> Result<Self, Error> {
        Self::new(Parties::shrinking(parties))
    }

    /// Makes a barrier as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all; [`unlink`](Self::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as [`new`](Self::new).
    pub fn create(path: impl AsRef<Path>, parties: impl Into<Parties>) -> Result<Self, Error> {
        let capacity = capacity(parties)?;
        kind().create(path.as_ref(), capacity, |_| ()).map(Self::from_handle)
    }

    /// Opens the barrier that another program made at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidData` when the file is something else, or was made in another PID namespace:
    /// the cause says what differs. `PermissionDenied` when it belongs to another user.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        kind().open(path.as_ref()).map(Self::from_handle)
    }

    /// Opens the barrier at `path`, or makes one if there is nothing.
    ///
    /// However many programs do this at once, and whoever of them is killed: one makes it, and the others
    /// open it whole, for as many as it was made.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create).
    pub fn open_or_create(
        path: impl AsRef<Path>,
        parties: impl Into<Parties>,
    ) -> Result<Self, Error> {
        let capacity = capacity(parties)?;
        kind().open_or_create(path.as_ref(), capacity, |_| ()).map(Self::from_handle)
    }

    /// Removes the barrier at `path`: its name, that is.
    ///
    /// Whoever has it open goes on with it; the memory is given back with the last handle.
    ///
    /// # Errors
    ///
    /// As [`std::fs::remove_file`].
    pub fn unlink(path: impl AsRef<Path>) -> Result<(), Error> {
        kind().unlink(path.as_ref())
    }

    /// Opens a barrier whose descriptor arrived in a message.
    #[cfg(feature = "serde")]
    pub(crate) fn attach(fd: Arc<std::os::fd::OwnedFd>) -> Result<Self, Error> {
        kind().attach(fd).map(Self::from_handle)
    }

    #[cfg(feature = "serde")]
    pub(crate) fn fd(&self) -> &Arc<std::os::fd::OwnedFd> {
        self.words.handle().fd()
    }

    fn from_handle(handle: Handle) -> Self {
        Self { words: Arc::new(Words::new(handle)) }
    }

    /// Waits until all have come.
    ///
    /// One of them, the last, gets [`is_leader`](BarrierWaitResult::is_leader). Then the next round
    /// begins.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrier`] when the barrier is broken, or becomes so meanwhile. That is also what happens
    /// when 126 living threads are members already, or the kernel has no memory left: a thread that
    /// cannot take part breaks the barrier.
    ///
    /// # Panics
    ///
    /// When an action waits at its own barrier.
    #[doc(alias = "pthread_barrier_wait")]
    pub fn wait(&self) -> Result<BarrierWaitResult, BrokenBarrier> {
        self.round(None::<fn()>)
    }

    /// Waits until all have come, and then, if this thread leads, runs `action` before any of them goes
    /// on.
    ///
    /// The last to come leads. Those who wait go on when the action has returned; if it panics, or its
    /// process is killed in it, the barrier breaks. The action must not wait at the same barrier.
    ///
    /// # Errors
    ///
    /// As [`wait`](Self::wait). The action may have run.
    ///
    /// # Panics
    ///
    /// When `action` does, and as [`wait`](Self::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// use proc_lock::{Barrier, Mutex};
    ///
    /// let (barrier, rounds) = (Barrier::new(2)?, Mutex::new(0u32)?);
    /// let three_rounds = || {
    ///     for round in 1..=3 {
    ///         barrier.wait_with(|| *rounds.lock().unwrap() += 1).unwrap();
    ///         assert_eq!(*rounds.lock().unwrap(), round);
    ///         barrier.wait().unwrap();
    ///     }
    /// };
    /// std::thread::scope(|scope| {
    ///     scope.spawn(three_rounds);
    ///     three_rounds();
    /// });
    /// # Ok::<(), proc_lock::Error>(())
    /// ```
    pub fn wait_with(&self, action: impl FnOnce()) -> Result<BarrierWaitResult, BrokenBarrier> {
        self.round(Some(action))
    }

    fn round<A: FnOnce()>(&self, action: Option<A>) -> Result<BarrierWaitResult, BrokenBarrier> {
        // Nobody is late who never has to come.
        let waited = self.words.wait(Deadline::NEVER, action);
        waited.map(|is_leader| BarrierWaitResult { is_leader }).map_err(|_| BrokenBarrier)
    }

    /// Waits for at most `timeout` until all have come; if they have not, the barrier is broken.
    ///
    /// # Errors
    ///
    /// [`BarrierTimeoutError::TimedOut`] when they have not come in time: then the others get
    /// [`BrokenBarrier`], for this thread does not wait any more. [`BarrierTimeoutError::Broken`] as
    /// [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// As [`wait`](Self::wait).
    pub fn wait_timeout(
        &self,
        timeout: Duration,
    ) -> Result<BarrierWaitResult, BarrierTimeoutError> {
        match self.words.wait(Deadline::after(timeout), None::<fn()>) {
            Ok(is_leader) => Ok(BarrierWaitResult { is_leader }),
            Err(Stop::Late) => Err(BarrierTimeoutError::TimedOut),
            Err(Stop::Broken) => Err(BarrierTimeoutError::Broken),
        }
    }

    /// Breaks the barrier: who waits and who comes gets [`BrokenBarrier`], until [`reset`](Self::reset).
    pub fn abort(&self) {
        self.words.abort();
    }

    /// Starts again: with nobody waiting, all the parties, and without the dead.
    ///
    /// Those who wait now get [`BrokenBarrier`].
    pub fn reset(&self) {
        self.words.reset();
    }

    /// Returns how many the barrier waits for: with [`Parties::shrinking`], without those who were
    /// found dead.
    #[must_use]
    pub fn parties(&self) -> u32 {
        let members = self.words.slots().map(|slot| Member::from_word(slot.member.load(Relaxed)));
        let lost = members.fold(0u32, |lost, member| lost.saturating_add(member.lost()));
        self.words.parties.count().saturating_sub(lost).max(1)
    }

    /// Returns how many wait now.
    #[doc(alias = "n_waiting")]
    #[must_use]
    pub fn waiting(&self) -> u32 {
        let round = self.words.round().load(Relaxed) & !SLEEPERS;
        if round & BROKEN == 0 { self.words.arrived(round) } else { 0 }
    }

    /// Says whether the barrier is broken.
    ///
    /// A death that nobody has found yet does not count.
    #[doc(alias = "broken")]
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.words.round().load(Relaxed) & BROKEN != 0
    }
}

fn kind() -> Kind {
    Kind { name: "barrier", item: Item::named("party"), bytes: |_| Some(places().body_bytes()) }
}

fn capacity(parties: impl Into<Parties>) -> Result<u64, Error> {
    parties.into().capacity().map_err(|source| Error::new("create", "a barrier", source))
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties())
            .field("waiting", &self.waiting())
            .field("is_broken", &self.is_broken())
            .finish()
    }
}
