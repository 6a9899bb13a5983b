//! What a process holds of one end: the mapping, its seat there, and what it knows of the others.

use core::marker::PhantomData;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use multiproc_core::header::Spec;
use multiproc_core::segment::{self, Opened, Place};
use multiproc_core::spin::Spin;
use multiproc_core::{futex, presence};

use crate::error::Error;
use crate::memory::Memory;
use crate::pace::Pace;
use crate::shape::{Contents, Shape};
use crate::words::{Attendance, RECEIVERS, SENDERS};

#[cfg(test)]
mod killed;

/// For how long an answer of the kernel's is good.
const FRESH: Duration = Duration::from_millis(20);

/// One end of a queue, as all handles of one process share it.
///
/// `fd` is an open file description that stands for this side (see [`presence`]); it closes before
/// `seat` is dropped, which tells the others to look.
pub(crate) struct End<C, const SIDE: usize> {
    fd: Arc<OwnedFd>,
    seat: Seat<C, SIDE>,
    /// How this process waits for its own end's lock.
    pub(crate) lock_spin: Spin,
    /// How it waits for its turn to sleep.
    pub(crate) turn_spin: Spin,
    /// How it waits for the other end.
    pub(crate) peer_spin: Spin,
    /// What it knows of the other end's pace.
    pub(crate) pace: Pace,
    peers: Known,
}

/// Dropping it announces the departure.
struct Seat<C, const SIDE: usize> {
    memory: Memory<C>,
}

impl<C, const SIDE: usize> Drop for Seat<C, SIDE> {
    fn drop(&mut self) {
        // One step: killed before it, this process is missed as one that was killed; after it, the
        // leader at the other end has been woken. Only leaders sleep there: a few at most.
        futex::add_and_wake(&self.memory.control().hall.0.sides[SIDE].departures, 1, futex::ALL);
    }
}

/// What this process knows of the other side. Hints: a lost update only makes it ask again.
struct Known {
    born: Instant,
    /// The departures when the kernel last said that somebody is there; never, at first.
    departures: AtomicU64,
    /// When that was, in milliseconds since `born`.
    asked: AtomicU64,
}

/// Who is at the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peers {
    /// Somebody, or somebody is yet to come. A further departure changes the number.
    There { departures: u32 },
    /// Nobody any more.
    Gone,
}

impl<C, const SIDE: usize> End<C, SIDE> {
    /// Takes a seat, `fd` being a description that stands for this side.
    pub(crate) fn sit(memory: Memory<C>, fd: Arc<OwnedFd>) -> Self {
        let arrived = &memory.control().hall.0.sides[SIDE].arrived;
        // Release: pairs with the Acquire in `peers`; the description was claimed before.
        if arrived.load(Relaxed) == 0 {
            arrived.store(1, Release);
        }
        let peers = Known { born: Instant::now(), departures: u64::MAX.into(), asked: 0.into() };
        let seat = Seat { memory };
        Self {
            fd,
            seat,
            lock_spin: Spin::new(),
            turn_spin: Spin::new(),
            peer_spin: Spin::new(),
            pace: Pace::default(),
            peers,
        }
    }

    #[inline]
    pub(crate) fn memory(&self) -> &Memory<C> {
        &self.seat.memory
    }

    /// Returns the descriptor by which a handle travels.
    #[cfg(feature = "serde")]
    pub(crate) fn fd(&self) -> &Arc<OwnedFd> {
        &self.fd
    }

    fn other_side(&self) -> &Attendance {
        &self.memory().control().hall.0.sides[1 - SIDE]
    }

    /// Returns the word that says whether the queue is closed: 0 until then.
    #[inline]
    pub(crate) fn closed(&self) -> &AtomicU32 {
        &self.memory().control().hall.0.closed
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed().load(Acquire) != 0
    }

    /// Closes the queue for both sides; says whether this call did it.
    pub(crate) fn close(&self) -> bool {
        // Of several that find it open each adds one, which is as good. One step for the word and the
        // leaders of both ends: killed before it, the queue is open, after it, all have been told.
        let open = !self.is_closed();
        if open {
            futex::add_and_wake(self.closed(), 1, u32::from(u16::MAX));
        }
        open
    }

    /// Returns the word that moves when a peer departs.
    pub(crate) fn their_departures(&self) -> &AtomicU32 {
        &self.other_side().departures
    }

    /// Says whether a peer has left since the kernel was asked last, or it never was.
    #[inline]
    pub(crate) fn some_peer_left(&self) -> bool {
        // Relaxed: who acts on it asks in `peers`.
        u64::from(self.their_departures().load(Relaxed)) != self.peers.departures.load(Relaxed)
    }

    /// Finds out who is at the other side; asks the kernel when somebody left, or now and then, for
    /// one who is killed tells nobody.
    pub(crate) fn peers(&self) -> Peers {
        let other = self.other_side();
        // Acquire: pairs with the barrier of the system call in `Seat::drop`, before which the
        // departed one closed its descriptor. Read before asking, so that later ones change it.
        let departures = other.departures.load(Acquire);
        let known = &self.peers;
        let now = u64::try_from(known.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        let age = now.saturating_sub(known.asked.load(Relaxed));
        if known.departures.load(Relaxed) == u64::from(departures)
            && u128::from(age) < FRESH.as_millis()
        {
            return Peers::There { departures };
        }
        // Acquire: pairs with the Release in `sit`. Before the first has come, its coming is awaited.
        // The side is 0 or 1.
        let there =
            other.arrived.load(Acquire) == 0 || presence::is_there(&self.fd, 1 - SIDE as u8);
        if !there {
            return Peers::Gone;
        }
        known.asked.store(now, Relaxed);
        known.departures.store(departures.into(), Relaxed);
        Peers::There { departures }
    }
}

/// How large a queue is to be, in the user's numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) capacity: usize,
    /// Not used where all messages have one size.
    pub(crate) capacity_bytes: usize,
    /// How many messages may be in lease at a time; `None` where receivers take them.
    pub(crate) leases: Option<usize>,
}

impl Room {
    /// Has receivers take the messages.
    pub(crate) fn of(capacity: usize, capacity_bytes: usize) -> Self {
        Self { capacity, capacity_bytes, leases: None }
    }

    /// Has receivers lease them.
    pub(crate) fn leased(self, leases: usize) -> Self {
        Self { leases: Some(leases), ..self }
    }
}

/// Making and finding queues of `C`.
pub(crate) struct Queue<C>(PhantomData<C>);

impl<C: Contents> Queue<C> {
    /// Makes a queue that lives in memory, with both its ends.
    pub(crate) fn pair(room: Room) -> Result<(End<C, SENDERS>, End<C, RECEIVERS>), Error> {
        let failed = |error| Error::new("create", describe::<C>(room), error);
        let (opened, shape) =
            Self::create(Place::Anonymous("multiproc-queue"), room).map_err(failed)?;
        Ok((
            Self::claim(&opened, shape).map_err(failed)?,
            Self::claim(&opened, shape).map_err(failed)?,
        ))
    }

    /// Makes a queue at a path, with one of its ends.
    pub(crate) fn create_at<const SIDE: usize>(
        path: &Path,
        room: Room,
    ) -> Result<End<C, SIDE>, Error> {
        Self::create(Place::Path(path), room)
            .and_then(|(opened, shape)| {
                // A failed creation leaves no file; this one is ours, and nobody can have got at it.
                Self::claim(&opened, shape).inspect_err(|_| drop(std::fs::remove_file(path)))
            })
            .map_err(|error| {
                Error::new(
                    "create",
                    format!("{} at `{}`", describe::<C>(room), path.display()),
                    error,
                )
            })
    }

    /// Opens one end of the queue at a path.
    pub(crate) fn open_at<const SIDE: usize>(path: &Path) -> Result<End<C, SIDE>, Error> {
        segment::open(path, C::KIND, C::item())
            .and_then(|opened| Self::claim(&opened, Self::check::<SIDE>(&opened)?))
            .map_err(|error| {
                Error::new("open", format!("the queue at `{}`", path.display()), error)
            })
    }

    /// Opens one end of the queue at a path, or makes the queue if there is none.
    pub(crate) fn open_or_create_at<const SIDE: usize>(
        path: &Path,
        room: Room,
    ) -> Result<End<C, SIDE>, Error> {
        let open_or_create = || {
            let (spec, shape) = Self::lay_out(room)?;
            let (opened, _made) = segment::open_or_create(path, &spec, shape.body_bytes, |_| ())?;
            Self::claim(&opened, Self::check::<SIDE>(&opened)?)
        };
        open_or_create().map_err(|error| {
            let what = format!("{} at `{}`", describe::<C>(room), path.display());
            Error::new("open or create", what, error)
        })
    }

    /// Takes over an end that arrived as a descriptor, which stands for its side already.
    #[cfg(feature = "serde")]
    pub(crate) fn attach<const SIDE: usize>(fd: Arc<OwnedFd>) -> Result<End<C, SIDE>, Error> {
        segment::attach(fd, C::KIND, C::item())
            .and_then(|opened| {
                let shape = Self::check::<SIDE>(&opened)?;
                Ok(End::sit(Memory::new(opened.segment, shape), opened.fd))
            })
            .map_err(|error| Error::new("attach", "a queue that arrived in a message", error))
    }

    pub(crate) fn create(place: Place<'_>, room: Room) -> io::Result<(Opened, Shape)> {
        let (spec, shape) = Self::lay_out(room)?;
        // All-zero memory is an empty queue.
        let opened = segment::create(place, &spec, shape.body_bytes, |_| ())?;
        Ok((opened, shape))
    }

    /// Says what goes into the header and where things lie.
    fn lay_out(room: Room) -> io::Result<(Spec, Shape)> {
        // A `usize` has 64 bits on every platform of ours.
        let (capacity, bytes) = (room.capacity as u64, room.capacity_bytes as u64);
        let leases = room.leases.map(|leases| leases as u64);
        let shape = Shape::of::<C>(capacity, bytes)
            .and_then(|shape| match leases {
                Some(leases) => shape.with_leases::<C>(leases),
                None => Ok(shape),
            })
            .map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        // Both were checked to be below 2^32.
        let capacity = leases.unwrap_or(0) << 32 | capacity;
        Ok((Spec { kind: C::KIND, item: C::item(), capacity, detail: bytes }, shape))
    }

    /// Checks that a segment has room for the queue that its header describes, and that this end suits it.
    pub(crate) fn check<const SIDE: usize>(opened: &Opened) -> io::Result<Shape> {
        let wrong = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let found = opened.found;
        let mut shape =
            Shape::of::<C>(found.capacity & u64::from(u32::MAX), found.detail).map_err(wrong)?;
        let leases = found.capacity >> 32;
        if leases != 0 {
            shape = shape.with_leases::<C>(leases).map_err(wrong)?;
        }
        match (leases, SIDE == RECEIVERS, C::LEASED) {
            (0, true, true) => {
                return Err(wrong("it has no leases: its messages are received".to_owned()));
            }
            (1.., true, false) => {
                return Err(wrong("its messages are leased, not received".to_owned()));
            }
            _ => {}
        }
        let (has, needs) = (opened.segment.body_bytes(), shape.body_bytes);
        if has < needs {
            return Err(wrong(format!(
                "its body has {has} bytes, and a queue of its capacity has {needs}"
            )));
        }
        Ok(shape)
    }

    pub(crate) fn claim<const SIDE: usize>(
        opened: &Opened,
        shape: Shape,
    ) -> io::Result<End<C, SIDE>> {
        // The side is 0 or 1.
        let fd = Arc::new(presence::claim(&opened.fd, SIDE as u8)?);
        Ok(End::sit(Memory::new(Arc::clone(&opened.segment), shape), fd))
    }
}

pub(crate) fn describe<C: Contents>(room: Room) -> String {
    let Room { capacity, capacity_bytes, leases } = room;
    let messages = if C::ARENA {
        format!("a queue of {capacity} messages and {capacity_bytes} bytes")
    } else {
        format!("a queue of {capacity} messages of {} bytes", C::SIZE)
    };
    match leases {
        Some(leases) => format!("{messages}, with {leases} leases"),
        None => messages,
    }
}
