//! The mapped blocks: who gets one, who gives one up.

use core::ptr::NonNull;
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::io;
use std::sync::Arc;

use multiproc_core::futex;
use multiproc_core::place::{MAX_PLACES, Mine, Name, NoPlace, Places};
use multiproc_core::segment::{Opened, Segment};
use multiproc_core::spin::Spin;

use super::layout::{Layout, Size};
use super::owner::{FREE, Owner, State, Tag};
use super::ring::Queued;
use super::words::{BlockWords, SizeWords, Waiting};
use crate::error::Error;
use crate::shape::Shape;

/// How many threads may take part: as many lives as a leader can sleep on beside three words of its
/// own.
pub(super) const THREADS: u32 = futex::MAX_WAIT as u32 - 3;

const _: () = assert!(THREADS <= MAX_PLACES);

/// The blocks of a queue, as one process sees them.
pub(super) struct Slab {
    segment: Arc<Segment>,
    /// Where it lies in the body.
    at: usize,
    pub(super) layout: Layout,
    pub(super) places: Places,
    /// How this process waits for a block.
    pub(super) block_spin: Spin,
    /// How it waits for its turn to sleep.
    pub(super) turn_spin: Spin,
}

/// A block that was taken out of the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message {
    pub(super) block: u32,
    pub(super) owner: Owner,
    pub(super) len: usize,
}

/// Who keeps a block from being free.
enum Keeper {
    Nobody,
    Thread(Name),
    /// It lies in the ring, and who sent it is gone.
    Ring,
}

/// Returns where the places of a queue lie: behind everything else.
pub(super) fn places(shape: Shape) -> Places {
    Places::after(shape.body_bytes, THREADS)
}

impl Slab {
    /// Views the slab of an opened queue of this shape.
    pub(super) fn view(opened: &Opened, shape: Shape) -> io::Result<Self> {
        let wrong = |why| io::Error::new(io::ErrorKind::InvalidData, why);
        let places = places(shape);
        let (has, needs) = (opened.segment.body_bytes(), places.body_bytes());
        if has < needs {
            return Err(wrong(format!("its body has {has} bytes, and its places need {needs}")));
        }
        let layout = Layout::read(&opened.segment, shape.arena_at, shape.arena_bytes)
            .map_err(|why| wrong(format!("it says that it has {why}")))?;
        Ok(Self {
            segment: Arc::clone(&opened.segment),
            at: shape.arena_at,
            layout,
            places,
            block_spin: Spin::new(),
            turn_spin: Spin::new(),
        })
    }

    /// Returns the calling thread's place.
    pub(super) fn mine(&self) -> Result<Mine, Error> {
        self.places.mine(&self.segment).map_err(|why| {
            let source = match why {
                NoPlace::System(error) => error,
                NoPlace::Full => io::Error::other(format!(
                    "{} living threads use it already",
                    self.places.count()
                )),
            };
            Error::new("attach", "this thread to a queue of blocks", source)
        })
    }

    /// Says whether a name is the calling thread's. In the child of a fork its parent's is not.
    pub(super) fn is_me(&self, name: Name) -> bool {
        self.places.mine(&self.segment).is_ok_and(|mine| mine.name() == name)
    }

    pub(super) fn size_words(&self, size: usize) -> &SizeWords {
        self.segment.get(self.at + self.layout.size_words_at(size))
    }

    pub(super) fn waiting(&self, size: usize) -> &Waiting {
        &self.size_words(size).waiting.0
    }

    fn owner(&self, block: u32) -> &AtomicU64 {
        &self.segment.get::<BlockWords>(self.at + self.layout.block_words_at(block)).owner
    }

    /// Returns the address of a block of this size, and the most bytes that a message has there.
    pub(super) fn data(&self, size: &Size, block: u32) -> NonNull<u8> {
        // It was made from a `usize`.
        self.segment.body(self.at + size.data_at(block), size.bytes as usize)
    }

    /// Returns the living thread with this tag.
    fn living(&self, thread: Tag) -> Option<Name> {
        self.places.at(&self.segment, thread.place()).filter(|name| Tag::of(*name) == thread)
    }

    /// Takes a free block of this size.
    pub(super) fn take_free(&self, size: usize, me: Tag) -> Option<u32> {
        // The lowest: it was used last, and may still be in a cache.
        self.layout.sizes[size].blocks.clone().find(|block| {
            let owner = self.owner(*block);
            // SeqCst: a leader's look, behind the store of its name, see `free`.
            owner.load(SeqCst) == FREE
                // Acquire: pairs with the SeqCst in `free`: who had it before has done with it.
                && owner.compare_exchange(FREE, Owner::held(me).word(), Acquire, Relaxed).is_ok()
        })
    }

    /// Takes a block of this size that is free or that a dead thread left behind; names to `keeper`
    /// every living thread that keeps one from being free.
    pub(super) fn take_any(
        &self,
        size: usize,
        me: Tag,
        queued: &Queued<'_>,
        mut keeper: impl FnMut(Name),
    ) -> Option<u32> {
        self.layout.sizes[size].blocks.clone().find(|block| {
            let owner = self.owner(*block);
            let mut seen = owner.load(SeqCst);
            loop {
                match self.keeper(*block, Owner::of(seen), queued) {
                    Keeper::Ring => return false,
                    Keeper::Thread(name) => {
                        keeper(name);
                        return false;
                    }
                    Keeper::Nobody => {}
                }
                // Acquire: as in `take_free`. It fails if the word has moved at all, and no word of
                // a dead thread's comes back.
                let mine = Owner::held(me).word();
                match owner.compare_exchange(seen, mine, Acquire, Acquire) {
                    Ok(_) => return true,
                    Err(now) => seen = now,
                }
            }
        })
    }

    /// Finds out who keeps a block, by its word. As long as the word stands, the answer does, but
    /// for the death of a thread.
    fn keeper(&self, block: u32, owner: Owner, queued: &Queued<'_>) -> Keeper {
        if owner.state == State::Free {
            return Keeper::Nobody;
        }
        if let Some(name) = self.living(owner.thread) {
            return Keeper::Thread(name);
        }
        // It died before it was in the ring, or with it; or it was done, and the ring has it.
        match owner.state {
            State::Queued | State::Taken if queued.is_at(owner.index, block) => Keeper::Ring,
            _ => Keeper::Nobody,
        }
    }

    /// Gives a block that the calling thread holds to the ring, as its next message.
    ///
    /// The caller is in the senders' section and publishes `index` next.
    pub(super) fn queue(&self, block: u32, me: Tag, index: u32) {
        // Relaxed: published with the index. A store: nobody else changes the word of a living
        // thread.
        self.owner(block).store(Owner::queued(me, index).word(), Relaxed);
    }

    /// Takes the block out of the ring that the message with this index names, if it says so, too.
    ///
    /// The caller is in the receivers' section and moves the index next. Until it has, the block
    /// still counts as queued, should it die.
    pub(super) fn take(&self, block: u32, len: u64, me: Tag, index: u32) -> Option<Message> {
        let size = self.layout.size_of(block)?;
        let (word, owner) = (self.owner(block), Owner::taken(me, index));
        // Acquire: the ring's index, which the caller has seen, came after it.
        let mut seen = word.load(Acquire);
        // Anything else is the work of a peer that means ill: then nobody else shall suffer.
        while Owner::of(seen).is_message(index) {
            // SeqCst: as in `free`.
            match word.compare_exchange_weak(seen, owner.word(), SeqCst, Acquire) {
                Ok(_) => {
                    self.tell_leader(size);
                    let len = len.min(self.layout.sizes[size].bytes) as usize;
                    return Some(Message { block, owner, len });
                }
                Err(now) => seen = now,
            }
        }
        None
    }

    /// Frees a block that the calling thread has, and tells who waits for one.
    ///
    /// Killed between the two, it is still one whose life the leader watches, see [`super::wait`].
    pub(super) fn free(&self, block: u32, owner: Owner) {
        let Some(size) = self.layout.size_of(block) else { return };
        // SeqCst, here and in `tell_leader`: of a leader that stores its name and then looks at the
        // block, and one that frees the block and then looks for a leader, one sees the other.
        if self.owner(block).compare_exchange(owner.word(), FREE, SeqCst, Relaxed).is_ok() {
            self.tell_leader(size);
        }
    }

    fn tell_leader(&self, size: usize) {
        let waiting = self.waiting(size);
        let leader = waiting.leader.load(SeqCst);
        if leader != 0 {
            self.rouse(waiting, leader);
        }
    }

    #[cold]
    fn rouse(&self, waiting: &Waiting, leader: u64) {
        futex::add_and_wake(&waiting.changes, 1, 1);
        let alive = Name::from_raw(leader).is_some_and(|name| self.is_alive(name));
        if !alive {
            // Relaxed: a newer leader's name stays.
            let _ = waiting.leader.compare_exchange(leader, 0, Relaxed, Relaxed);
        }
    }

    /// Makes the leaders of other sizes look anew, for they have to watch this thread's life, too:
    /// it may be the only one that is told of a death.
    pub(super) fn introduce(&self, size: usize) {
        for other in (0..self.layout.sizes.len()).filter(|other| *other != size) {
            self.tell_leader(other);
        }
    }

    /// Returns the leaders of the other sizes.
    pub(super) fn other_leaders(&self, size: usize) -> impl Iterator<Item = Name> {
        let others = (0..self.layout.sizes.len()).filter(move |other| *other != size);
        others.filter_map(|other| Name::from_raw(self.waiting(other).leader.load(SeqCst)))
    }

    pub(super) fn is_alive(&self, name: Name) -> bool {
        self.places.is_alive(&self.segment, name)
    }

    pub(super) fn segment(&self) -> &Arc<Segment> {
        &self.segment
    }
}
