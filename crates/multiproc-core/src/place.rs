//! Places: which threads take part in a segment, and whether they still live.
//!
//! A thread that holds something for which no lock word stands (a permit, a read lock, a lease) takes a
//! *place* in the segment. The place has a *life cell*, a word that the kernel marks when the thread
//! dies, wherever it is. An owner is named by place and generation; a name that has died is dead for
//! ever, so whoever finds it on something may take that over, and nothing need be swept before the place
//! is used again.
//!
//! | `life` | `generation` | who may change it | to what |
//! |---|---|---|---|
//! | 0 | g | a thread that comes, in the section | generation g + 1, then life = its id |
//! | id, WAITERS | g | the kernel, when the thread dies | life = DIED, WAITERS; wakes one sleeper |
//! | id, WAITERS | g | the thread, when it leaves | life = 0, and all sleepers wake: one system call |
//! | DIED, WAITERS | g | a thread that comes, in the section | as from 0 |
//!
//! | killed | others see | repaired by |
//! |---|---|---|
//! | in the section, before `life` is set | a free place | nobody: the generation may have moved |
//! | after | a name that is dead | nobody |
//! | asleep on somebody's life, or woken there | nothing | its own death wakes who watches it |
//!
//! The kernel wakes *one* of those who sleep on a cell; it passes the news on ([`Places::tell`]).
//!
//! # How the kernel comes to know
//!
//! A cell must be followed, 32 bytes behind, by an entry of its thread's robust list (`crate::robust`), and
//! an entry must not lie in memory that a peer can write. So the cells are the last bytes of their page,
//! and each thread maps that page once more, with a page of its own directly behind:
//!
//! ```text
//! | the shared page: data of three places ...      cells | a private page: the entry |
//! |                                    -24  -16  -8 |    | +8  +16  +24              |
//! ```

#![allow(unsafe_code, reason = "maps a page of the segment once more, and views words in it")]

use core::marker::PhantomData;
use core::num::NonZeroU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};
use core::time::Duration;
use std::io;
use std::sync::Arc;

use crate::deadline::Deadline;
use crate::futex;
use crate::header::HEADER_BYTES;
use crate::lock::section::SectionLock;
use crate::lock::word::{OWNER, exists};
use crate::segment::{Plain, Segment, page};
use crate::spin::Spin;

mod seat;
pub(crate) use seat::{forget, leave};

/// The most places in a segment: a sleeper can watch as many cells and two words of its own.
pub const MAX_PLACES: u32 = 126;

/// How many bytes of a segment belong to each place.
pub const DATA_BYTES: usize = 1_280;

/// How long a thread waits while another takes a place, which takes microseconds: whoever is longer about
/// it was stopped, or a peer has written over the word. An operation that must not block must not then.
const AT_THE_DOOR: Duration = Duration::from_millis(500);

/// Cells at the end of a page: entries must begin 8 bytes behind it, where libc writes a back pointer.
const CELLS: usize = 3;

const _: () = assert!(CELLS * (DATA_BYTES + size_of::<Cell>()) <= 4_096);

/// The life of one place's thread, and how many threads had the place.
#[repr(C, align(8))]
#[derive(Debug)]
struct Cell {
    life: AtomicU32,
    generation: AtomicU32,
}

const _: () = assert!(size_of::<Cell>() == 8);

// SAFETY: atomics only; any value is a state, zero is "free".
unsafe impl Plain for Cell {}

/// The words in front of the places' pages.
///
/// | offset | bytes | field | written by |
/// |---|---|---|---|
/// | 0 | 8 | `coming` | threads that come |
/// | 8 | 4 | `used` | who is in the section of `coming`: places beyond were never used |
#[repr(C, align(128))]
#[derive(Debug)]
struct Door {
    coming: SectionLock,
    used: AtomicU32,
}

const _: () = assert!(size_of::<Door>() == 128);

// SAFETY: atomics only; `used` is reduced to the number of places.
unsafe impl Plain for Door {}

/// Names one thread at one place, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Name(NonZeroU64);

impl Name {
    fn new(index: u32, generation: u32) -> Self {
        let raw = u64::from(generation) << 8 | u64::from(index + 1);
        Self(NonZeroU64::new(raw).unwrap_or(NonZeroU64::MIN))
    }

    /// Reads a name out of a shared word, where zero stands for nobody. It may name no place at all.
    #[must_use]
    #[inline]
    pub fn from_raw(raw: u64) -> Option<Self> {
        NonZeroU64::new(raw).map(Self)
    }

    /// Returns the name as a word.
    #[must_use]
    #[inline]
    pub fn raw(self) -> u64 {
        self.0.get()
    }

    /// Returns the number of the place, below 256: compare it with [`Places::count`].
    #[must_use]
    #[inline]
    pub fn index(self) -> u32 {
        (self.raw() as u8).wrapping_sub(1).into()
    }

    fn generation(self) -> u32 {
        (self.raw() >> 8) as u32
    }
}

/// The calling thread's place. Cannot leave the thread.
#[derive(Clone, Copy, Debug)]
pub struct Mine {
    name: Name,
    here: PhantomData<*const ()>,
}

impl Mine {
    /// Returns the thread's name in this segment.
    #[must_use]
    #[inline]
    pub fn name(self) -> Name {
        self.name
    }

    /// Returns the number of its place.
    #[must_use]
    #[inline]
    pub fn index(self) -> u32 {
        self.name.index()
    }
}

/// Why a thread got no place.
#[derive(Debug)]
pub enum NoPlace {
    /// Living threads have all of them.
    Full,
    /// The kernel has no memory left to map, or this thread holds too many locks.
    System(io::Error),
}

/// Where the places of a segment lie. A segment has one set of places at most.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    door: usize,
    pages: usize,
    count: u32,
}

impl Places {
    /// Lays out `count` places (at least one, at most [`MAX_PLACES`]) behind `words_bytes` of a body.
    #[must_use]
    pub fn after(words_bytes: usize, count: u32) -> Self {
        let door = words_bytes.next_multiple_of(align_of::<Door>());
        let pages = (HEADER_BYTES + door + size_of::<Door>()).next_multiple_of(page());
        Self { door, pages: pages - HEADER_BYTES, count: count.clamp(1, MAX_PLACES) }
    }

    /// Returns how many bytes of body a segment needs, words and places together.
    #[must_use]
    pub fn body_bytes(self) -> usize {
        self.pages + (self.count as usize).div_ceil(CELLS) * page()
    }

    /// Returns how many places there are.
    #[must_use]
    pub fn count(self) -> u32 {
        self.count
    }

    /// Returns how many places were ever used: no thread has one beyond.
    #[must_use]
    pub fn used(self, segment: &Segment) -> u32 {
        // Acquire: pairs with the Release in `take`.
        self.door(segment).used.load(Acquire).min(self.count)
    }

    /// Returns the calling thread's place; it takes one at its first call.
    ///
    /// It has it until it ends or the segment's last handle in this process is dropped.
    ///
    /// # Errors
    ///
    /// [`NoPlace`].
    #[inline]
    pub fn mine(self, segment: &Arc<Segment>) -> Result<Mine, NoPlace> {
        match seat::known(segment.id()) {
            Some(name) => Ok(Mine { name, here: PhantomData }),
            None => self.come(segment),
        }
    }

    /// Returns the calling thread's place if it has one and remembers it. Never takes one.
    ///
    /// For hot paths, and for who wants to know whether a place that it had is still its own: in the child
    /// of a fork it is not.
    #[must_use]
    #[inline]
    pub fn remembered(segment: &Segment) -> Option<Mine> {
        seat::known(segment.id()).map(|name| Mine { name, here: PhantomData })
    }

    #[cold]
    fn come(self, segment: &Arc<Segment>) -> Result<Mine, NoPlace> {
        seat::find_or_take(self, segment).map(|name| Mine { name, here: PhantomData })
    }

    /// Finds a place nobody living has, and has `sit` set its life, the name being new.
    fn take<T>(
        self,
        segment: &Segment,
        sit: impl FnOnce(usize, Name) -> Result<T, NoPlace>,
    ) -> Result<T, NoPlace> {
        let door = self.door(segment);
        // Threads come seldom: a spin of its own need not learn.
        let deadline = Deadline::after(AT_THE_DOOR);
        let Some(_section) = door.coming.lock_until(&Spin::new(), deadline) else {
            let text = "another thread has been taking a place for half a second";
            return Err(NoPlace::System(io::Error::new(io::ErrorKind::TimedOut, text)));
        };
        let used = self.used(segment);
        let free = (0..used).find(|index| !is_living(self.cell(segment, *index)));
        let index = match free {
            Some(index) => index,
            None if used < self.count => used,
            None => return Err(NoPlace::Full),
        };
        let cell = self.cell(segment, index);
        // Relaxed: `sit` stores the life with Release.
        let generation = cell.generation.load(Relaxed).wrapping_add(1);
        cell.generation.store(generation, Relaxed);
        let taken = sit(self.cell_at(index), Name::new(index, generation))?;
        // Release: pairs with the Acquire in `used`, so that who looks there finds the life.
        door.used.store(used.max(index + 1), Release);
        Ok(taken)
    }

    /// Says whether the thread that had this name still has it: `false` is for ever.
    #[must_use]
    #[inline]
    pub fn is_alive(self, segment: &Segment, name: Name) -> bool {
        self.life(segment, name).is_some()
    }

    /// Returns the life word of a living thread and what it holds, to sleep on.
    ///
    /// Who is woken there, or finds it changed, looks whether the name is alive, and when it is not,
    /// [`tell`](Self::tell)s the others.
    #[must_use]
    pub fn watch(self, segment: &Segment, name: Name) -> Option<(&AtomicU32, u32)> {
        self.life(segment, name)
    }

    /// Wakes all who sleep on the life of a name that is dead.
    pub fn tell(self, segment: &Segment, name: Name) {
        if name.index() < self.count && !self.is_alive(segment, name) {
            futex::wake(&self.cell(segment, name.index()).life, futex::ALL);
        }
    }

    /// Declares a thread dead that no longer exists although the kernel said nothing; says whether.
    ///
    /// For who has slept long: a list that somebody unmapped in part is not walked to its end.
    pub fn bury_the_lost(self, segment: &Segment, name: Name) -> bool {
        let Some((life, seen)) = self.life(segment, name) else { return true };
        if exists(seen & OWNER) {
            return false;
        }
        // Relaxed: what it wrote is visible, for it made its last system call before this.
        let _ = life.compare_exchange(seen, 0, Relaxed, Relaxed);
        futex::wake(life, futex::ALL);
        !self.is_alive(segment, name)
    }

    /// Returns the name of the living thread at a place.
    #[must_use]
    pub fn at(self, segment: &Segment, index: u32) -> Option<Name> {
        if index >= self.count {
            return None;
        }
        // Acquire: pairs with the Release of `life`, behind the generation.
        let cell = self.cell(segment, index);
        let name = is_living(cell).then(|| Name::new(index, cell.generation.load(Acquire)))?;
        self.is_alive(segment, name).then_some(name)
    }

    /// Views a `T` in the bytes that belong to a place, `offset` bytes from their start.
    ///
    /// They are zero at first, begin at a multiple of 128 bytes, and are left as they are when the place
    /// changes hands.
    ///
    /// # Panics
    ///
    /// When there is no such place, or no such room in it.
    #[must_use]
    #[inline]
    pub fn data<T: Plain>(self, segment: &Segment, index: u32, offset: usize) -> &T {
        assert!(index < self.count, "place {index} of {}", self.count);
        assert!(offset + size_of::<T>() <= DATA_BYTES, "beyond the data of a place");
        let at = index as usize;
        segment.get(self.pages + at / CELLS * page() + at % CELLS * DATA_BYTES + offset)
    }

    #[inline]
    fn life(self, segment: &Segment, name: Name) -> Option<(&AtomicU32, u32)> {
        if name.index() >= self.count {
            return None;
        }
        let cell = self.cell(segment, name.index());
        // Acquire: pairs with the Release when the place was taken. The generation second: if it is still
        // the name's, the life that was seen was its life.
        let seen = cell.life.load(Acquire);
        let same = cell.generation.load(Acquire) == name.generation();
        (same && seen & OWNER != 0).then_some((&cell.life, seen))
    }

    fn door(self, segment: &Segment) -> &Door {
        segment.get(self.door)
    }

    /// Returns where in the body the cell of a place lies.
    fn cell_at(self, index: u32) -> usize {
        let index = index as usize;
        let end = self.pages + (index / CELLS + 1) * page();
        end - (CELLS - index % CELLS) * size_of::<Cell>()
    }

    fn cell(self, segment: &Segment, index: u32) -> &Cell {
        segment.get(self.cell_at(index))
    }
}

fn is_living(cell: &Cell) -> bool {
    cell.life.load(Acquire) & OWNER != 0
}

/// Numbers the mappings of this process, so that a thread can tell which it has a place in.
pub(crate) fn next_id() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Relaxed)
}
