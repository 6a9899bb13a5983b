//! The handle of a pool: make or open it, acquire.

use std::fmt;
use std::io;
#[cfg(feature = "serde")]
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use multiproc_core::deadline::Deadline;
use multiproc_core::header::Spec;
use multiproc_core::place::{Name, NoPlace};
use multiproc_core::segment::{self, Opened};

use crate::error::Error;
use crate::handle::{Source, item, named};

mod line;
mod permit;
mod slots;

use line::{Bag, Several, Waiting};
pub use permit::{Permit, Permits};
use slots::Slots;

/// The most permits that a pool can have.
pub const MAX_POOL: u32 = 4_096;

const KIND: &str = "permit pool";

/// One mapped pool.
#[derive(Debug)]
struct Pool {
    slots: Slots,
    waiting: Waiting,
}

impl Pool {
    fn make(source: Source<'_>, permits: u32) -> Result<Arc<Self>, Error> {
        let made = if (1..=MAX_POOL).contains(&permits) {
            let capacity = u64::from(permits);
            let spec = Spec { kind: KIND, item: item(), capacity, detail: 0 };
            // All-zero memory is a pool with all its permits.
            source.get(&spec, slots::places(permits).body_bytes(), |_| ()).and_then(Self::checked)
        } else {
            let text = format!("a pool has 1 to {MAX_POOL} permits, not {permits}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, text))
        };
        made.map_err(|cause| Error::new(source.operation(), source.object(KIND), cause))
    }

    fn checked(opened: Opened) -> io::Result<Arc<Self>> {
        let allowed = opened.found.capacity;
        let capacity = u32::try_from(allowed).ok().filter(|n| (1..=MAX_POOL).contains(n));
        match capacity {
            Some(n) if opened.segment.body_bytes() >= slots::places(n).body_bytes() => {
                Ok(Arc::new(Self { slots: Slots::of(opened, n), waiting: Waiting::default() }))
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("its header tells of {allowed} permits"),
            )),
        }
    }

    /// Returns the calling thread's name.
    #[inline]
    fn me(&self) -> Result<Name, Error> {
        match self.slots.places().mine(self.slots.segment()) {
            Ok(mine) => Ok(mine.name()),
            Err(why) => Err(refused(why, self.slots.places().count())),
        }
    }

    /// Says whether the name is the calling thread's, and not a parent's or that of a thread that is ending.
    #[inline]
    fn is_me(&self, name: Name) -> bool {
        let mine = self.slots.places().mine(self.slots.segment());
        mine.is_ok_and(|mine| mine.name() == name)
    }
}

#[cold]
fn refused(why: NoPlace, count: u32) -> Error {
    let cause = match why {
        NoPlace::Full => io::Error::new(
            io::ErrorKind::QuotaExceeded,
            format!("{count} living threads use it already, as many as can"),
        ),
        NoPlace::System(cause) => cause,
    };
    Error::new("join", format!("a {KIND}"), cause)
}

/// Permits in shared memory that have an owner, and come back when it dies.
///
/// Acquiring returns a guard, [`Permit`], and dropping it gives the permit back. So does the death of its
/// thread: by SIGKILL, with its process, by `exec`, or because it ends and has forgotten the guard. Use it
/// for what a process *holds* (connections, licences, slots of a device) and a
/// [`Semaphore`](crate::Semaphore) where one process releases what another acquires.
///
/// ```
/// use proc_semaphore::PermitPool;
///
/// let connections = PermitPool::new(3)?;
/// let one = connections.acquire()?;
/// let two = connections.acquire_many(2)?;
/// assert!(connections.try_acquire()?.is_none());
/// drop(two);
/// assert_eq!(connections.available(), 2);
///
/// // A thread that ends, or is killed, has given back what it had.
/// std::thread::scope(|scope| scope.spawn(|| std::mem::forget(connections.acquire())).join()).unwrap();
/// assert_eq!(connections.available(), 2);
/// # drop(one);
/// # Ok::<(), proc_semaphore::Error>(())
/// ```
///
/// # Threads
///
/// The owner of a permit is a thread, for a thread is what the kernel announces the death of. That is why
/// [`Permit`] is not `Send`. At most 126 threads, of all processes together, can use a pool at a time: each
/// has a place in it from its first `acquire` until it ends, or until its process drops its last handle.
///
/// # Who gets a permit
///
/// Those who find none stand in line. A newcomer may be faster than the first in line wakes up, which keeps
/// the permits busy, but not for longer than a millisecond. Who waits for several *gathers* them as they come
/// back, keeps what it has, and is overtaken by `try_acquire` only. Acquiring while holding can block for ever, as with all semaphores: two
/// threads that each hold one of two permits and want another wait for each other.
///
/// # When a process is killed
///
/// Its permits are free the moment that the kernel has ended its threads: nobody has to clean up. One who
/// sleeps for a permit is woken by the death itself, whatever instruction the dead one was at, be it in the
/// middle of giving back.
///
/// A process that is *stopped* keeps its permits. A hostile peer can take all permits, or make the words say
/// so; it cannot crash this process or make it read out of bounds.
#[derive(Clone)]
pub struct PermitPool {
    pool: Arc<Pool>,
}

impl PermitPool {
    /// Makes a pool with `permits` permits, in memory that vanishes with its last handle.
    ///
    /// It takes 64 bytes for each permit, and 172 KiB for the places of threads.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for none, or more than [`MAX_POOL`]. Also when the kernel has no memory or descriptor
    /// left, or cannot look after a lock (musl, and some sandboxes).
    pub fn new(permits: u32) -> Result<Self, Error> {
        Ok(Self { pool: Pool::make(Source::Memory, permits)? })
    }

    /// Makes a pool as a file that other programs can [`open`](Self::open).
    ///
    /// The file has mode 0600 and appears whole or not at all, also when this process is killed meanwhile;
    /// [`unlink`](Self::unlink) removes it.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` when there is something at the path, and as `new`.
    pub fn create(path: impl AsRef<Path>, permits: u32) -> Result<Self, Error> {
        Ok(Self { pool: Pool::make(Source::New(path.as_ref()), permits)? })
    }

    /// Opens the pool that another program made at `path`.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidData` when the file is something else, or was made in another PID namespace: the
    /// cause says what differs. `PermissionDenied` when it belongs to another user.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        segment::open(path, KIND, item())
            .and_then(Pool::checked)
            .map(|pool| Self { pool })
            .map_err(|cause| Error::new("open", named(KIND, path), cause))
    }

    /// Opens the pool at `path`, or makes it with `permits` permits where there is none.
    ///
    /// Of programs that do this at the same time one makes it and the others open it. The number counts for
    /// the maker only: ask [`capacity`](Self::capacity).
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open) and [`create`](Self::create), except for `NotFound` and `AlreadyExists`.
    pub fn open_or_create(path: impl AsRef<Path>, permits: u32) -> Result<Self, Error> {
        Ok(Self { pool: Pool::make(Source::OpenOrNew(path.as_ref()), permits)? })
    }

    /// Removes the name `path`. Those who have the pool open keep it.
    ///
    /// # Errors
    ///
    /// `NotFound`, and what else the kernel has against it.
    pub fn unlink(path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        segment::unlink(path).map_err(|cause| Error::new("remove", named(KIND, path), cause))
    }

    /// Takes a permit, blocking while there is none.
    ///
    /// # Errors
    ///
    /// `QuotaExceeded` when this thread has no place in the pool and 126 living threads have one; the
    /// kernel's, when it has no memory for the place. Only at a thread's first use.
    #[inline]
    pub fn acquire(&self) -> Result<Permit<'_>, Error> {
        let me = self.pool.me()?;
        match self.pool.slots.take_at_once(me) {
            Some(slot) => Ok(Permit::new(&self.pool, me, slot)),
            None => self.acquire_slow(me),
        }
    }

    #[cold]
    fn acquire_slow(&self, me: Name) -> Result<Permit<'_>, Error> {
        loop {
            if let Some(permit) = self.acquire_until(me, Deadline::NEVER) {
                return Ok(permit);
            }
        }
    }

    /// Takes a permit if there is one, without waiting or standing in line.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    #[inline]
    pub fn try_acquire(&self) -> Result<Option<Permit<'_>>, Error> {
        let me = self.pool.me()?;
        let mut slot = self.pool.slots.take_at_once(me);
        if slot.is_none() {
            self.pool.slots.try_fill(&mut slot, me);
        }
        Ok(slot.map(|slot| Permit::new(&self.pool, me, slot)))
    }

    /// Takes a permit, blocking for at most `timeout` while there is none; `None` when none came.
    ///
    /// # Errors
    ///
    /// As [`acquire`](Self::acquire).
    pub fn acquire_timeout(&self, timeout: Duration) -> Result<Option<Permit<'_>>, Error> {
        Ok(self.acquire_until(self.pool.me()?, Deadline::after(timeout)))
    }

    fn acquire_until(&self, me: Name, deadline: Deadline) -> Option<Permit<'_>> {
        let mut slot = None;
        self.fill(&mut slot, me, deadline);
        slot.map(|slot| Permit::new(&self.pool, me, slot))
    }

    /// Takes `n` permits, blocking while there are fewer.
    ///
    /// It keeps those that it has while it waits for the rest, so the small cannot starve the large; and only
    /// one thread at a time does, so two of them do not hold each other up. Killed meanwhile, it has none.
    ///
    /// # Errors
    ///
    /// `InvalidInput`, at once, when the pool has fewer than `n`; and as [`acquire`](Self::acquire).
    pub fn acquire_many(&self, n: u32) -> Result<Permits<'_>, Error> {
        loop {
            if let Some(permits) = self.acquire_many_until(n, Deadline::NEVER)? {
                return Ok(permits);
            }
        }
    }

    /// Takes `n` permits if there are so many, without waiting or standing in line.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn try_acquire_many(&self, n: u32) -> Result<Option<Permits<'_>>, Error> {
        let (me, mut bag) = (self.pool.me()?, self.bag(n)?);
        let full = self.pool.slots.try_fill(&mut bag, me);
        Ok(full.then(|| Permits::new(&self.pool, me, bag)))
    }

    /// Takes `n` permits, blocking for at most `timeout` while there are fewer; `None` when they did not come.
    ///
    /// # Errors
    ///
    /// As [`acquire_many`](Self::acquire_many).
    pub fn acquire_many_timeout(
        &self,
        n: u32,
        timeout: Duration,
    ) -> Result<Option<Permits<'_>>, Error> {
        self.acquire_many_until(n, Deadline::after(timeout))
    }

    fn acquire_many_until(&self, n: u32, deadline: Deadline) -> Result<Option<Permits<'_>>, Error> {
        let (me, mut bag) = (self.pool.me()?, self.bag(n)?);
        let full = self.fill(&mut bag, me, deadline);
        Ok(full.then(|| Permits::new(&self.pool, me, bag)))
    }

    fn bag(&self, n: u32) -> Result<Several, Error> {
        let capacity = self.capacity();
        if n <= capacity {
            return Ok(Several::of(n));
        }
        let text = format!("the pool has {capacity}");
        let cause = io::Error::new(io::ErrorKind::InvalidInput, text);
        Err(Error::new("acquire", format!("{n} permits"), cause))
    }

    fn fill(&self, bag: &mut impl Bag, me: Name, deadline: Deadline) -> bool {
        let Pool { slots, waiting } = &*self.pool;
        slots.fill(bag, me, waiting, deadline)
    }

    /// Returns how many permits could be acquired now, those of the dead among them.
    ///
    /// It looks at one after the other, so the number may never have been true while others act.
    #[must_use]
    pub fn available(&self) -> u32 {
        let slots = &self.pool.slots;
        (0..slots.capacity()).map(|index| u32::from(slots.is_available(index))).sum()
    }

    /// Returns how many permits the pool has, acquired or not.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.pool.slots.capacity()
    }

    #[cfg(feature = "serde")]
    pub(crate) fn attach(fd: Arc<OwnedFd>) -> Result<Self, Error> {
        segment::attach(fd, KIND, item())
            .and_then(Pool::checked)
            .map(|pool| Self { pool })
            .map_err(|cause| Error::new("open", format!("a {KIND} that arrived"), cause))
    }

    #[cfg(feature = "serde")]
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        self.pool.slots.front().fd()
    }
}

impl fmt::Debug for PermitPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PermitPool")
            .field("available", &self.available())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}
